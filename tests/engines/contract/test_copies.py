"""Rows leave an engine whole, with what the library does not know, and enter one where there is no such key."""

from __future__ import annotations

from statustrack.core.writes import Write
from statustrack.engines.protocol import Applied, Engine, Refused
from tests.engines.contract.rows import Chance, put, row_of, stored

#: Every type that an attribute can have in DynamoDB.
FOREIGN = {
    "text": {"S": "it's"}, "number": {"N": "15"}, "bytes": {"B": b"\x00\xff"}, "yes": {"BOOL": True},
    "nothing": {"NULL": True}, "map": {"M": {"a": {"L": [{"N": "1"}, {"B": b"\xff"}]}}}, "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]}, "blobs": {"BS": [b"a", b"b"]}, "o'clock": {"S": "a name with a quote"},
}  # fmt: skip


def exported(engine: Engine, table: str) -> dict[str, object]:
    rows = {}
    for row in engine.export(table):
        assert row["key"] not in rows
        for value in row.values():
            if isinstance(value, dict):
                for kind in ("SS", "NS", "BS"):
                    if kind in value:
                        value[kind] = sorted(value[kind])
        rows[row["key"]] = row
    return rows


def test_known_rows_come_and_go_as_they_are(engine: Engine, table: str) -> None:
    chance = Chance(7)
    rows = {f"task {number}": chance.row(f"task {number}") for number in range(60)}
    assert all(isinstance(outcome, Applied) for outcome in engine.insert(table, list(rows.values())))
    assert exported(engine, table) == rows


def test_foreign_attributes_of_every_type_come_and_go(engine: Engine, table: str) -> None:
    rows = [row_of("a", **FOREIGN), row_of("b"), row_of("c", text={"S": "other"})]
    assert [type(outcome) for outcome in engine.insert(table, rows)] == [Applied] * 3
    assert exported(engine, table) == {row["key"]: row for row in rows}
    assert stored(engine, table, "a") == row_of("a"), "the library's own reads do not show them"
    (outcome,) = engine.apply(table, [Write("update", "a", (), set={"attempt": 1})])
    assert isinstance(outcome, Applied)
    assert exported(engine, table)["a"] == row_of("a", attempt=1, **FOREIGN), "and writes leave them alone"


def test_a_row_that_is_there_is_never_overwritten(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", attempt=7))
    first, second = engine.insert(table, [row_of("a", attempt=1, text={"S": "x"}), row_of("b")])
    assert isinstance(first, Refused) and isinstance(second, Applied)
    assert first.current is None or first.current["attempt"] == 7
    assert exported(engine, table) == {"a": row_of("a", attempt=7), "b": row_of("b")}
    assert engine.insert(table, []) == []
