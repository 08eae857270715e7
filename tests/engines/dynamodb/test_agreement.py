"""Whatever the row, the guard and the changes: DynamoDB does what core.writes says, by single writes and by PartiQL."""

from __future__ import annotations

import random
from typing import Any

import boto3
import pytest

from statustrack.core.writes import Clause, Comparison, Row, Write, apply, holds
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.dynamodb.items import to_item
from statustrack.engines.protocol import Applied, Refused

pytestmark = pytest.mark.dynamodb

TEXTS = ("lock", "data", "claimed_from", "worker", "notes", "value")
NUMBERS = ("status", "attempt", "retry", "lease_until", "ready_at")
SET = "late_results"
#: DynamoDB's type of an attribute is what was written last, whatever we think of it.
SOME_TEXT = ("", "a", "b", "2024-05-23", "__not_locked__", "Zoë", "10")
SOME_NUMBERS = (-1, 0, 1, 2, 10, 1_700_000_000_000)


def some_value(draw: random.Random, name: str, odd: float = 0.15) -> Any:
    text = (name in TEXTS) != (draw.random() < odd)
    if name == "value":  # it is an index key: text, never empty
        return draw.choice(SOME_TEXT[1:])
    return draw.choice(SOME_TEXT if text else SOME_NUMBERS)


def some_row(draw: random.Random, key: str) -> Row | None:
    if draw.random() < 0.15:
        return None
    row: Row = {"key": key}
    for name in TEXTS + NUMBERS:
        if draw.random() < 0.6:
            row[name] = some_value(draw, name)
    if draw.random() < 0.5:
        row[SET] = frozenset(draw.sample(["x", "y", "z", "w"], draw.randint(1, 4)))
    return row


def some_comparison(draw: random.Random, row: Row | None) -> Comparison:
    operator = draw.choice(["absent", "present", "=", "=", "in", "<", "<=", ">", "count<"])
    if operator == "count<":
        return Comparison(SET, operator, draw.randint(0, 5))
    if operator in ("absent", "present"):
        return Comparison(draw.choice([*TEXTS, *NUMBERS, SET, "key"]), operator)
    name = draw.choice(TEXTS + NUMBERS)
    seen = [row[name]] if row and name in row else []

    def value() -> Any:
        return draw.choice([*seen, *seen, some_value(draw, name, 0.3)])

    if operator == "in":
        return Comparison(name, operator, tuple(dict.fromkeys(value() for _ in range(draw.randint(0, 3)))))
    return Comparison(name, operator, value())


def some_write(draw: random.Random, key: str, row: Row | None) -> Write:
    guard = tuple(
        Clause(f"clause {number}", tuple(some_comparison(draw, row) for _ in range(draw.choice([1, 1, 2, 3]))))
        for number in range(draw.choice([0, 0, 1, 1, 2, 3]))
    )
    kind = draw.choice(["update", "update", "update", "update", "put", "delete"])
    if kind == "put":
        if draw.random() < 0.5:
            guard = (Clause("no such key", (Comparison("key", "absent"),)),)
        return Write("save", key, guard, some_row(draw, key) or {"key": key}, kind=kind)
    if kind == "delete":
        return Write("delete", key, guard, kind=kind)
    if draw.random() < 0.5:  # most writes of this library have a guard that needs the row
        guard += (Clause("it exists", (Comparison("key", "present"),)),)
    names = [name for name in (*TEXTS, *NUMBERS) if draw.random() < 0.5]
    draw.shuffle(names)
    changes, remove, copy, increment = {}, [], {}, {}
    for name in names:
        what = draw.choice(["set", "set", "remove", "copy", "increment"])
        if what == "set" or (name == "value" and what != "remove"):
            changes[name] = some_value(draw, name)
        elif what == "remove":
            remove.append(name)
        elif what == "copy":
            copy[name] = draw.choice(TEXTS + NUMBERS)
        elif row is None or not isinstance(row.get(name), str):  # adding to a text has no meaning in core
            increment[name] = draw.randint(-2, 2)
    add = {SET: draw.choice(["x", "new"])} if draw.random() < 0.2 else {}
    return Write("update", key, guard, changes, tuple(remove), copy, increment, add)


def expected(write: Write, row: Row | None) -> tuple[str, Row | None]:
    """What must be answered, and what must be stored."""
    if write.kind == "delete" and row is None:
        return "applied", None
    if holds(write.guard, row) and (row is not None or write.kind != "update"):
        return "applied", apply(write, row)
    return "refused", row


def some_cases(seed: int, many: int) -> list[tuple[Row | None, Write]]:
    draw = random.Random(seed)
    cases = []
    for number in range(many):
        row = some_row(draw, f"{seed}-{number}")
        cases.append((row, some_write(draw, f"{seed}-{number}", row)))
    return cases


def put(engine: DynamoEngine, table: str, row: Row, **unknown: Any) -> None:
    engine.connection.call("put_item", TableName=table, Item={**to_item(row), **unknown})


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("many", [False, True], ids=["single", "batch"])
def test_random_writes(engine: DynamoEngine, table: str, seed: int, many: bool) -> None:
    cases = some_cases(seed + 10 * many, 200)
    for row, _ in cases:
        if row is not None:
            put(engine, table, row)
    writes = [write for _, write in cases]
    outcomes = engine.apply(table, writes) if many else [engine.apply(table, [write])[0] for write in writes]
    stored = engine.get(table, [write.key for write in writes])
    applied = 0
    for (row, write), outcome in zip(cases, outcomes, strict=True):
        answer, after = expected(write, row)
        detail = f"{write!r} {write.guard} on {row}"
        assert stored.get(write.key) == after, detail
        if answer == "applied":
            applied += 1
            assert outcome == Applied({} if write.kind == "delete" else after or {}), detail
        else:
            assert outcome == Refused(row), detail
    assert len(cases) // 5 < applied < len(cases) * 4 // 5
    if many:
        assert engine.meter.by_operation["BatchExecuteStatement"] >= 5


def test_attributes_of_others_survive_all_but_a_put(engine: DynamoEngine, table: str) -> None:
    theirs = {"others": {"L": [{"S": "a"}, {"BOOL": True}]}, "mine": {"B": b"\0\1"}}
    for key in ("a", "b", "c"):
        put(engine, table, {"key": key, "attempt": 1}, **theirs)
    engine.apply(table, [Write("u", "a", (), {"status": 1}, ("attempt",))])
    engine.apply(table, [Write("u", key, (), {"status": 1}, ("attempt",)) for key in ("b", "nobody")])
    engine.apply(table, [Write("p", "c", (), {"key": "c", "status": 1}, kind="put")])

    client = boto3.Session().client("dynamodb", region_name="us-east-1", endpoint_url=engine.connection.endpoint)

    def raw(key: str) -> Any:
        return client.get_item(TableName=table, Key={"key": {"S": key}})["Item"]

    assert raw("a") == {"key": {"S": "a"}, "status": {"N": "1"}, **theirs}
    assert raw("b") == {"key": {"S": "b"}, "status": {"N": "1"}, **theirs}
    assert raw("c") == {"key": {"S": "c"}, "status": {"N": "1"}}
    client.close()
    assert engine.get(table, ["a"]) == {"a": {"key": "a", "status": 1}}


@pytest.mark.parametrize("shared", [False, True], ids=["a session of our own", "boto3's default session"])
def test_items_are_read_as_they_came_and_a_session_of_others_stays_as_it_was(
    dynamodb_endpoint: str, engine: DynamoEngine, table: str, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    put(engine, table, {"key": "a", "attempt": 7, "late_results": frozenset("xy")}, mine={"B": b"\0\1"})
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session() if shared else None)
    fresh = DynamoEngine("us-east-1", endpoint=dynamodb_endpoint)
    item = fresh.connection.call("get_item", TableName=table, Key={"key": {"S": "a"}})["Item"]
    assert item["attempt"] == {"N": "7"} and sorted(item["late_results"]["SS"]) == ["x", "y"]
    assert item["mine"] == {"B": b"\0\1" if shared else "AAE="}  # binary is not ours: not worth looking at each value
    assert fresh.get(table, ["a"]) == {"a": {"key": "a", "attempt": 7, "late_results": frozenset("xy")}}
    fresh.close()


@pytest.mark.parametrize("many", [False, True], ids=["single", "batch"])
def test_null_counts_as_absent(engine: DynamoEngine, table: str, many: bool) -> None:
    null: Any = {"NULL": True}
    free = (Clause("free", (Comparison("lock", "absent"),)),)
    writes = [
        Write("claim", "a", free, {"status": 11}, (), {"claimed_from": "data"}, {"attempt": 1}),
        Write("claim", "b", (Clause("held", (Comparison("lock", "present"),)),), {"status": 11}),
        Write("late", "c", (Clause("room", (Comparison("late_results", "count<", 1),)),), add={"late_results": "x"}),
        Write("delete", "d", (*free, Clause("", (Comparison("attempt", "absent"),))), kind="delete"),
    ]
    for key in "abcd":
        put(engine, table, {"key": key, "status": 10}, lock=null, attempt=null, data=null, late_results=null)
    outcomes = engine.apply(table, writes) if many else [engine.apply(table, [write])[0] for write in writes]
    assert outcomes == [
        Applied({"key": "a", "status": 11, "attempt": 1}),
        Refused({"key": "b", "status": 10}),
        Applied({"key": "c", "status": 10, "late_results": frozenset({"x"})}),
        Applied({}),
    ]


def test_no_ghosts(engine: DynamoEngine, table: str) -> None:
    writes = [Write("u", key, (), {"status": 1}) for key in ("a", "b")]
    assert engine.apply(table, writes[:1]) == [Refused(None)]
    assert engine.apply(table, writes) == [Refused(None), Refused(None)]
    assert engine.get(table, ["a", "b"]) == {}


def test_a_later_change_of_the_same_attribute_holds(engine: DynamoEngine, table: str) -> None:
    row = {"key": "a", "data": "d", "attempt": 3, "status": 1, "worker": "w"}
    write = Write(
        "u",
        "a",
        (),
        {"data": "set", "attempt": 9, "status": 2, "progress": "p"},
        ("status", "progress"),
        {"data": "worker"},
        {"attempt": 1},
    )
    for writes in ([write], [write, Write("u", "b", (), {"status": 1})]):
        put(engine, table, row)
        assert engine.apply(table, writes)[0] == Applied(apply(write, row) or {})
