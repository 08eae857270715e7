"""Whole rows: put if there is none, replaced under a guard, deleted."""

from __future__ import annotations

import pytest

from statustrack.core.record import ATTRIBUTES, INTEGER, TEXT_SET
from statustrack.core.writes import Clause, Comparison, Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused
from tests.engines.contract.rows import ABSENT, clause, create, one, put, row_of, simplified, stored

FULL: Row = {
    name: 7 if kind == INTEGER else frozenset(("one", "two")) if kind == TEXT_SET else f"text of {name}"
    for name, kind in ATTRIBUTES.items()
}


def test_a_row_keeps_every_attribute(engine: Engine, table: str) -> None:
    assert one(engine, table, create(FULL)) == Applied(FULL)
    assert stored(engine, table, FULL["key"]) == FULL


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name not in ("key", "value", "update_time")])
def test_an_attribute_that_is_not_given_is_absent(engine: Engine, table: str, name: str) -> None:
    row = {each: value for each, value in FULL.items() if each != name}
    assert one(engine, table, create(row)) == Applied(row)
    assert stored(engine, table, FULL["key"]) == row


def test_put_if_absent_never_overwrites(engine: Engine, table: str) -> None:
    assert one(engine, table, create(row_of("a", data="first"))) == Applied(row_of("a", data="first"))
    second = Write("create", "a", ABSENT, set=row_of("a", data="second"), kind="put")
    assert one(engine, table, second) == Refused(row_of("a", data="first"))
    assert stored(engine, table, "a") == row_of("a", data="first")


def test_put_if_absent_in_a_batch_never_overwrites(engine: Engine, table: str) -> None:
    put(engine, table, row_of("b", data="first"))
    writes = [Write("create", key, ABSENT, set=row_of(key, data="second"), kind="put") for key in "abc"]
    assert engine.apply(table, writes) == [
        Applied(row_of("a", data="second")),
        Refused(row_of("b", data="first")),
        Applied(row_of("c", data="second")),
    ]


def test_a_replacement_leaves_nothing_of_the_old_row(engine: Engine, table: str) -> None:
    put(engine, table, FULL)
    bare = row_of(FULL["key"], retry=0)
    save = Write("save", FULL["key"], clause("attempt", "=", 7), set=bare, kind="put")
    assert simplified(one(engine, table, save)) == Applied(bare)
    assert stored(engine, table, FULL["key"]) == bare


def test_a_replacement_whose_guard_does_not_hold_changes_nothing(engine: Engine, table: str) -> None:
    put(engine, table, FULL)
    save = Write("save", FULL["key"], clause("attempt", "=", 8), set=row_of(FULL["key"]), kind="put")
    assert one(engine, table, save) == Refused(FULL)
    assert stored(engine, table, FULL["key"]) == FULL


def test_a_put_whose_guard_needs_a_row_makes_none(engine: Engine, table: str) -> None:
    save = Write("save", "a", clause("attempt", "=", 8), set=row_of("a"), kind="put")
    assert one(engine, table, save) == Refused(None)
    assert stored(engine, table, "a") is None


@pytest.mark.parametrize("attempt", [None, 0, 1, 2])
def test_a_put_may_be_for_a_free_key_or_a_certain_row(engine: Engine, table: str, attempt: int | None) -> None:
    old = None if attempt is None else row_of("a", attempt=attempt)
    if old is not None:
        put(engine, table, old)
    alternatives = (Comparison("key", "absent"), Comparison("attempt", "=", 1))
    new = row_of("a", attempt=1, data="new")
    outcome = one(engine, table, Write("save", "a", (Clause("free, or read", alternatives),), set=new, kind="put"))
    assert outcome == (Applied(new) if attempt in (None, 1) else Refused(old))
    assert stored(engine, table, "a") == (new if attempt in (None, 1) else old)


def test_a_put_without_guard_writes_in_any_case(engine: Engine, table: str) -> None:
    for data in ("first", "second"):
        save = Write("save", "a", (), set=row_of("a", data=data), kind="put")
        assert one(engine, table, save) == Applied(row_of("a", data=data))
    assert stored(engine, table, "a") == row_of("a", data="second")


def test_a_delete_leaves_nothing(engine: Engine, table: str) -> None:
    put(engine, table, FULL, row_of("b"))
    assert one(engine, table, Write("delete", FULL["key"], (), kind="delete")) == Applied({})
    assert stored(engine, table, FULL["key"]) is None
    assert stored(engine, table, "b") == row_of("b")
    assert engine.count(table, FULL["value"]) == 0


def test_a_delete_whose_guard_does_not_hold_changes_nothing(engine: Engine, table: str) -> None:
    put(engine, table, FULL)
    delete = Write("delete", FULL["key"], clause("attempt", "=", 8), kind="delete")
    assert one(engine, table, delete) == Refused(FULL)
    assert stored(engine, table, FULL["key"]) == FULL


@pytest.mark.parametrize("several", [False, True])
def test_a_delete_that_finds_no_row_has_landed(engine: Engine, table: str, several: bool) -> None:
    delete = Write("delete", "a", clause("attempt", "=", 8), kind="delete")
    again = Write("delete", "b", (), kind="delete")
    assert engine.apply(table, [delete, again] if several else [delete]) == [Applied({})] * (2 if several else 1)


def test_a_key_can_be_used_again_after_a_delete(engine: Engine, table: str) -> None:
    for data in ("first", "second"):
        assert one(engine, table, create(row_of("a", data=data))) == Applied(row_of("a", data=data))
        assert one(engine, table, Write("delete", "a", (), kind="delete")) == Applied({})
    assert stored(engine, table, "a") is None
