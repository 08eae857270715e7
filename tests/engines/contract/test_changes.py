"""Changes: set, remove, copy, increment and add see the row as it was, and touch nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statustrack.core.record import ATTRIBUTES, INDEX_ATTRIBUTES
from statustrack.core.writes import Row, Write, apply
from statustrack.engines.protocol import Applied, Engine, Outcome, Refused
from tests.engines.contract.places import Place
from tests.engines.contract.rows import INTEGERS, PRESENT, SET, clause, on_page, one, put, row_of, simplified, stored

START: Row = row_of(
    "a",
    status=1,
    retry=2,
    attempt=3,
    lock="free",
    data='{"a":1}',
    create_time="2024-01-01T00:00:00.000000+0000",
    late_results=frozenset(("one", "two")),
)
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "set a new text": {"set": {"lock_time": "x"}},
    "set an old text": {"set": {"data": "{}"}},
    "set an empty text": {"set": {"data": ""}},
    "set integers": {"set": {"retry": 0, "lease_until": 2**53, "ready_at": -(2**53)}},
    "set a set": {"set": {"late_results": frozenset(("three", ""))}},
    "set the keys of the index": {"set": {"value": "job____001____002", "update_time": "2025"}},
    "remove what is there": {"remove": ("data", "retry", "late_results")},
    "remove what is not there": {"remove": ("worker", "expire_at")},
    "remove the same twice": {"remove": ("data", "data")},
    "remove a key of the index": {"remove": ("value",)},
    "copy a text": {"copy": {"claimed_from": "value"}},
    "copy the key": {"copy": {"claimed_from": "key"}},
    "copy onto a text": {"copy": {"data": "lock"}},
    "copy an integer": {"copy": {"ready_at": "attempt"}},
    "copy what is not there": {"copy": {"claimed_from": "worker"}},
    "copy what is not there onto a text": {"copy": {"data": "worker"}},
    "copy both ways": {"copy": {"data": "lock", "lock": "data"}},
    "copy the old value of what is set": {"set": {"value": "new"}, "copy": {"claimed_from": "value"}},
    "copy the old value of what is counted": {"increment": {"attempt": 1}, "copy": {"retry": "attempt"}},
    "copy what is removed": {"remove": ("data",), "copy": {"worker": "data"}},
    "count up": {"increment": {"attempt": 1}},
    "count down": {"increment": {"attempt": -5}},
    "count by nothing": {"increment": {"attempt": 0}},
    "count from absent": {"increment": {"lease_until": 7}},
    "count several": {"increment": {"attempt": 1, "retry": 10, "expire_at": 100}},
    "add a member": {"add": {"late_results": "three"}},
    "add a member that is there": {"add": {"late_results": "one"}},
    "add an empty member": {"add": {"late_results": ""}},
    "add odd members": {"add": {"late_results": 'it\'s "odd"\\ \n 😀'}},
    "set and copy what is not there": {"set": {"data": "set"}, "copy": {"data": "worker"}},
    "set and copy": {"set": {"data": "set"}, "copy": {"data": "lock"}},
    "set and count": {"set": {"attempt": 50}, "increment": {"attempt": 1}},
    "set and count from absent": {"set": {"expire_at": 50}, "increment": {"expire_at": 1}},
    "set and remove": {"set": {"data": "set"}, "remove": ("data",)},
    "set and remove and copy from absent": {"set": {"data": "set", "lock": "x"}, "copy": {"lock": "worker"}},
    "set what is copied, beside a copy of what is not there": {
        "set": {"data": "set"},
        "copy": {"data": "lock", "claimed_from": "worker"},
    },
    "count what is set, beside a copy of what is not there": {
        "set": {"attempt": 50},
        "increment": {"attempt": 1},
        "copy": {"claimed_from": "worker"},
    },
    "set what is copied from what is not there, beside another": {
        "set": {"data": "set"},
        "copy": {"data": "worker", "claimed_from": "worker"},
    },
    "count and remove": {"increment": {"attempt": 1}, "remove": ("attempt",)},
    "set a set and add to it": {"set": {"late_results": frozenset("x")}, "add": {"late_results": "y"}},
    "add and remove": {"add": {"late_results": "y"}, "remove": ("late_results",)},
    "as a claim does": {
        "set": {"value": "job____014____001", "status": 14, "lock": "token", "update_time": "2025", "worker": "w"},
        "remove": ("ready_at", "expire_at", "progress"),
        "copy": {"claimed_from": "value"},
        "increment": {"attempt": 1},
    },
}
every_change = pytest.mark.parametrize("changes", list(CHANGES.values()), ids=list(CHANGES))
BARE = row_of("a")


@every_change
@pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])
def test_a_change_makes_of_a_row_what_the_reference_says(
    engine: Engine, table: str, changes: dict[str, Any], several: bool
) -> None:
    full, bare = START, {**BARE, "key": "b"}
    put(engine, table, full, bare)
    writes = [Write("update", row["key"], PRESENT, **changes) for row in (full, bare)]
    expected = [apply(write, row) for write, row in zip(writes, (full, bare), strict=True)]
    outcomes = engine.apply(table, writes) if several else [one(engine, table, write) for write in writes]
    assert outcomes == [Applied(row or {}) for row in expected]
    assert [stored(engine, table, key) for key in "ab"] == expected


@every_change
def test_a_refused_change_leaves_the_row_and_gives_it_back(engine: Engine, table: str, changes: dict[str, Any]) -> None:
    put(engine, table, START)
    write = Write("update", "a", clause("attempt", "<", 3), **changes)
    assert one(engine, table, write) == Refused(START)
    assert engine.apply(table, [write, Write("update", "none", (), **changes)]) == [Refused(START), Refused(None)]
    assert stored(engine, table, "a") == START
    assert len(list(engine.scan(table))) == 1


@every_change
@pytest.mark.parametrize("guard", [(), clause("worker", "absent"), clause(SET, "count<", 4), clause("key", "absent")])
def test_an_update_makes_no_ghost_of_an_absent_row(
    engine: Engine, table: str, changes: dict[str, Any], guard: Any
) -> None:
    assert one(engine, table, Write("update", "ghost", guard, **changes)) == Refused(None)
    beats = [Write("heartbeat", f"ghost {n}", guard, **changes, quiet=True) for n in (1, 2)]
    assert engine.apply(table, beats) == [Refused(None)] * 2
    assert list(engine.scan(table)) == []


@pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])
def test_nobody_needs_the_image_of_a_quiet_write(engine: Engine, table: str, several: bool) -> None:
    put(engine, table, START, {**START, "key": "b"})
    beats = [Write("heartbeat", key, clause("lock", "=", "free"), set={"lease_until": 9}, quiet=True) for key in "ab"]
    outcomes: list[Outcome] = engine.apply(table, beats) if several else [one(engine, table, beat) for beat in beats]
    assert outcomes == [Applied({}), Applied({})]
    assert stored(engine, table, "a") == {**START, "lease_until": 9}


def test_changed_rows_move_in_the_index(engine: Engine, table: str) -> None:
    put(engine, table, START)
    changes = {"value": "elsewhere", "update_time": "2025", "attempt": 9}
    moved = one(engine, table, Write("update", "a", (), set=changes))
    assert isinstance(moved, Applied)
    assert engine.page(table, START["value"], limit=10).rows == []
    assert engine.page(table, "elsewhere", limit=10).rows == [on_page(engine, moved.row)]
    for name in INDEX_ATTRIBUTES:
        one(engine, table, Write("update", "a", (), remove=(name,)))
    row = stored(engine, table, "a")
    assert row is not None and not set(row) & set(INDEX_ATTRIBUTES)
    assert engine.page(table, "elsewhere", limit=10).rows == [on_page(engine, row)]


def test_every_attribute_but_the_key_can_be_set_and_removed(engine: Engine, table: str) -> None:
    put(engine, table, BARE)
    values = {name: 5 if name in INTEGERS else frozenset("x") if name == SET else "x" for name in ATTRIBUTES}
    del values["key"]
    assert one(engine, table, Write("update", "a", (), set=values)) == Applied({"key": "a", **values})
    assert one(engine, table, Write("update", "a", (), remove=tuple(values))) == Applied({"key": "a"})
    assert stored(engine, table, "a") == {"key": "a"}


@every_change
def test_what_others_set_to_null_changes_like_what_is_absent(
    engine: Engine, table: str, place: Place, changes: dict[str, Any]
) -> None:
    put(engine, table, START)
    for name in ("worker", "expire_at", "late_results", "attempt"):
        place.put(table, "a", name, None)
    seen = stored(engine, table, "a")
    assert seen == {name: value for name, value in START.items() if name not in ("late_results", "attempt")}
    write = Write("update", "a", (), **changes)
    assert one(engine, table, write) == Applied(apply(write, seen) or {})
    assert stored(engine, table, "a") == apply(write, seen)


UNKNOWN_WRITES: dict[str, Callable[[], Write]] = {
    "set": lambda: Write("update", "a", (), set={"data": "{}"}),
    "claim": lambda: Write("claim", "a", (), **CHANGES["as a claim does"]),
    "refused": lambda: Write("update", "a", clause("attempt", "=", 99), set={"data": "{}"}),
    "heartbeat": lambda: Write("heartbeat", "a", (), set={"lease_until": 5}, quiet=True),
    "add": lambda: Write("late_result", "a", (), add={SET: "x"}),
}


@pytest.mark.parametrize("write", list(UNKNOWN_WRITES.values()), ids=list(UNKNOWN_WRITES))
@pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])
def test_attributes_of_others_survive_every_write_but_a_replacement(
    engine: Engine, table: str, place: Place, write: Callable[[], Write], several: bool
) -> None:
    put(engine, table, START, row_of("b"))
    for name in ("Their own", "select", "naïve"):
        place.put(table, "a", name, f"value of {name}")
    engine.apply(table, [write(), Write("update", "b", (), set={"data": ""})][: 1 + several])
    for name in ("Their own", "select", "naïve"):
        assert place.read(table, "a", name) == f"value of {name}"
    save = Write("save", "a", clause("key", "present"), set=row_of("a"), kind="put")
    assert simplified(one(engine, table, save)) == Applied(row_of("a"))
    assert [place.read(table, "a", name) for name in ("Their own", "select", "naïve")] == [None] * 3
