"""Tables are made, found and removed; nothing else is taken for one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from statustrack.core.errors import TableMismatchError, TableNotFoundError
from statustrack.core.writes import Write
from statustrack.engines.clock import SystemClock
from statustrack.engines.protocol import STATES, Applied, Engine, Extra, TableOptions
from statustrack.engines.registry import open_engine
from tests.engines.contract.places import Place
from tests.engines.contract.rows import create, one, put, row_of, stored

#: Every verb that needs a table.
VERBS: dict[str, Callable[[Engine, str], Any]] = {
    "apply one": lambda engine, table: engine.apply(table, [create(row_of("a"))]),
    "apply several": lambda engine, table: engine.apply(table, [create(row_of(key)) for key in "abc"]),
    "apply a delete": lambda engine, table: engine.apply(table, [Write("delete", "a", (), kind="delete")]),
    "apply_together": lambda engine, table: engine.apply_together(table, create(row_of("a")), Extra()),
    "get one": lambda engine, table: engine.get(table, ["a"]),
    "get several": lambda engine, table: engine.get(table, ["a", "b"]),
    "page": lambda engine, table: engine.page(table, "a", limit=10),
    "count": lambda engine, table: engine.count(table, "a"),
    "scan": lambda engine, table: list(engine.scan(table)),
    "inspect": lambda engine, table: engine.inspect(table),
    "drop_table": lambda engine, table: engine.drop_table(table),
}
verbs = pytest.mark.parametrize("verb", list(VERBS.values()), ids=list(VERBS))


def test_a_table_is_made_once(engine: Engine, table_name: str) -> None:
    assert not engine.exists(table_name)
    assert engine.create_table(table_name, TableOptions()) is True
    assert engine.exists(table_name)
    put(engine, table_name, row_of("a"))
    assert engine.create_table(table_name, TableOptions()) is False
    assert stored(engine, table_name, "a") == row_of("a")
    engine.drop_table(table_name)


def test_a_table_may_be_made_without_waiting(engine: Engine, table_name: str) -> None:
    assert engine.create_table(table_name, TableOptions(), wait=False) is True
    assert engine.create_table(table_name, TableOptions(), wait=True) is False
    put(engine, table_name, row_of("a"))
    engine.drop_table(table_name)


def test_options_of_a_table_are_taken_by_every_engine(engine: Engine, table_name: str) -> None:
    options = TableOptions("PROVISIONED", read_capacity_units=5, write_capacity_units=5, tags={"team": "billing"})
    assert engine.create_table(table_name, options) is True
    put(engine, table_name, row_of("a"))
    engine.drop_table(table_name)


def test_tables_are_listed_in_order(engine: Engine, table_name: str, place: Place) -> None:
    names = [f"{table_name}.{part}" for part in ("b", "a", "c-d_E")]
    for name in names:
        engine.create_table(name, TableOptions())
    foreign = f"{table_name}.foreign"
    place.make_foreign_table(foreign)
    listed = engine.tables()
    assert listed == sorted(listed)
    assert [name for name in listed if name.startswith(table_name)] == sorted(names)
    place.drop_foreign_table(foreign)
    for name in names:
        engine.drop_table(name)
    assert not any(name.startswith(table_name) for name in engine.tables())


def test_a_dropped_table_is_gone_with_its_rows(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    engine.drop_table(table)
    assert not engine.exists(table)
    assert engine.create_table(table, TableOptions()) is True
    assert engine.get(table, ["a"]) == {}
    assert list(engine.scan(table)) == []
    assert engine.count(table, row_of("a")["value"]) == 0


@verbs
def test_before_any_table_is_made_every_verb_says_what_to_do(
    engine: Engine, table_name: str, verb: Callable[[Engine, str], Any]
) -> None:
    with pytest.raises(TableNotFoundError, match=r"create_table\(\)"):
        verb(engine, table_name)
    assert not engine.exists(table_name)
    assert table_name not in engine.tables()


@verbs
def test_beside_other_tables_every_verb_names_the_missing_one(
    engine: Engine, table: str, verb: Callable[[Engine, str], Any]
) -> None:
    missing = f"missing_{uuid.uuid4().hex[:8]}"
    with pytest.raises(TableNotFoundError, match=missing):
        verb(engine, missing)
    assert not engine.exists(missing)
    assert list(engine.scan(table)) == []


@verbs
def test_after_somebody_else_has_dropped_it_every_verb_says_so(
    engine: Engine, engine_url: str, table: str, verb: Callable[[Engine, str], Any]
) -> None:
    put(engine, table, row_of("a"))
    engine.get(table, ["a"])
    other = open_engine(engine_url, clock=SystemClock())
    other.drop_table(table)
    other.close()
    with pytest.raises(TableNotFoundError, match=table):
        verb(engine, table)


@pytest.mark.parametrize("name", ["apply one", "apply several", "get one", "get several", "page", "count"])
def test_a_table_of_another_shape_is_left_alone(engine: Engine, table: str, place: Place, name: str) -> None:
    foreign = f"foreign_{uuid.uuid4().hex[:8]}"
    place.make_foreign_table(foreign)
    with pytest.raises(TableMismatchError, match=foreign):
        engine.create_table(foreign, TableOptions())
    with pytest.raises(TableMismatchError, match=foreign):
        VERBS[name](engine, foreign)
    place.drop_foreign_table(foreign)


def test_a_table_is_inspected(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    before = list(engine.scan(table))
    found = engine.inspect(table)
    assert {"keys", "index", "retention", "backup", "billing"} <= {finding.topic for finding in found}
    for finding in found:
        assert finding.state in STATES
        assert finding.says
        # What is wrong has a way out; what this place does not have is no fault.
        assert finding.fix or finding.state in ("good", "absent"), finding
    by_topic = {finding.topic: finding.state for finding in found}
    assert by_topic["keys"] == by_topic["index"] == "good"
    assert "bad" not in by_topic.values()
    assert list(engine.scan(table)) == before


def test_a_table_of_another_shape_is_a_finding(engine: Engine, table: str, place: Place) -> None:
    foreign = f"foreign_{uuid.uuid4().hex[:8]}"
    place.make_foreign_table(foreign)
    found = {finding.topic: finding for finding in engine.inspect(foreign)}
    assert found["keys"].state == "bad"
    assert found["keys"].fix
    place.drop_foreign_table(foreign)


def test_an_empty_list_of_writes_is_nothing(engine: Engine, table: str) -> None:
    assert engine.apply(table, []) == []


def test_two_tables_do_not_meet(engine: Engine, table: str) -> None:
    other = f"{table}_other"
    engine.create_table(other, TableOptions())
    put(engine, table, row_of("a", retry=1))
    put(engine, other, row_of("a", retry=2))
    assert isinstance(one(engine, table, Write("delete", "a", (), kind="delete")), Applied)
    assert stored(engine, table, "a") is None
    assert stored(engine, other, "a") == row_of("a", retry=2)
    engine.drop_table(other)
