"""Reading by key, by pages of the status index, by scan; counting."""

from __future__ import annotations

from typing import Any

import pytest

from statustrack.core.writes import Clause, Comparison, Row, Write
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import Applied, Cursor, Page

pytestmark = pytest.mark.dynamodb

FREE = (Clause("no such key", (Comparison("key", "absent"),)),)


def time(number: int) -> str:
    return f"2026-01-01T00:00:{number:02d}.000000+0000"


def fill(engine: DynamoEngine, table: str, rows: list[Row]) -> None:
    outcomes = engine.apply(table, [Write("create", row["key"], FREE, row, kind="put") for row in rows])
    assert {type(outcome) for outcome in outcomes} == {Applied}


def pages(engine: DynamoEngine, table: str, partition: str, **more: Any) -> tuple[list[str], int]:
    keys: list[str] = []
    page, many = Page([], None), 0
    while many == 0 or page.after is not None:
        page = engine.page(table, partition, after=page.after, **more)
        keys += [row["key"] for row in page.rows]
        many += 1
    return keys, many


@pytest.fixture
def ten(engine: DynamoEngine, table: str) -> list[Row]:
    rows: list[Row] = [
        {"key": f"k{n}", "value": "v", "status": 10, "update_time": time(n), "retry": n, "data": "{}", "worker": "w"}
        for n in range(10)
    ]
    for n in (2, 5):
        rows[n]["ready_at"] = n * 1000
    fill(engine, table, [*rows, {"key": "other", "value": "v2", "update_time": time(3)}, {"key": "none", "status": 1}])
    return rows


def test_a_page_has_the_attributes_of_the_index(engine: DynamoEngine, table: str, ten: list[Row]) -> None:
    assert engine.page(table, "v", limit=1) == Page(
        [{"key": "k0", "value": "v", "update_time": time(0), "retry": 0, "worker": "w"}], Cursor(time(0), "k0")
    )


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_pages_in_order(engine: DynamoEngine, table: str, ten: list[Row], newest_first: bool, limit: int) -> None:
    keys = [row["key"] for row in ten]
    keys = keys[::-1] if newest_first else keys
    found, many = pages(engine, table, "v", limit=limit, newest_first=newest_first)
    assert found == keys
    assert many <= 10 // limit + 1


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(3, None, range(3, 10)), (None, 4, range(5)), (2, 5, range(2, 6)), (4, 4, [4]), (6, 5, []), (20, None, [])],
)
def test_bounds_are_inclusive(
    engine: DynamoEngine, table: str, ten: list[Row], newest_first: bool, since: Any, until: Any, expected: Any
) -> None:
    bounds = {
        "since": None if since is None else time(since),
        "until": None if until is None else time(until),
    }
    keys = [f"k{n}" for n in expected]
    found, _ = pages(engine, table, "v", limit=2, newest_first=newest_first, **bounds)
    assert found == (keys[::-1] if newest_first else keys)


def test_rows_that_are_not_ready_are_left_out(engine: DynamoEngine, table: str, ten: list[Row]) -> None:
    found, _ = pages(engine, table, "v", limit=3, ready_ms=4999)
    assert found == [f"k{n}" for n in range(10) if n != 5]
    assert engine.page(table, "v", limit=1, after=Cursor(time(4), "k4"), ready_ms=4999).after == Cursor(time(5), "k5")


def test_count(engine: DynamoEngine, table: str, ten: list[Row]) -> None:
    assert [engine.count(table, partition) for partition in ("v", "v2", "nobody")] == [10, 1, 0]
    assert [engine.count(table, "v", most) for most in (0, 3, 9, 10, 11)] == [1, 4, 10, 10, 10]


def test_scan(engine: DynamoEngine, table: str, ten: list[Row]) -> None:
    assert sorted(row["key"] for row in engine.scan(table)) == sorted([f"k{n}" for n in range(10)] + ["none", "other"])
    assert sorted(row["key"] for row in engine.scan(table, "k")) == [f"k{n}" for n in range(10)]
    some = sorted(engine.scan(table, "k", ("status", "retry")), key=lambda row: row["key"])
    assert some == [{"key": f"k{n}", "status": 10, "retry": n} for n in range(10)]
    assert list(engine.scan(table, "k1", ())) == [{"key": "k1"}]
    assert list(engine.scan(table, "K")) == []


def test_a_scan_goes_on_after_a_megabyte(engine: DynamoEngine, table: str) -> None:
    fill(engine, table, [{"key": f"k{n}", "data": "x" * 300_000} for n in range(9)])
    requests = engine.meter.by_operation.get("Scan", 0)
    assert len(list(engine.scan(table, "k"))) == 9
    assert engine.meter.by_operation["Scan"] > requests + 1


def test_get(engine: DynamoEngine, table: str) -> None:
    rows: list[Row] = [{"key": f"k{n}", "status": n, "value": "v"} for n in range(230)]
    fill(engine, table, rows)
    assert engine.get(table, []) == {}
    assert engine.get(table, ["k7"]) == {"k7": rows[7]}
    assert engine.get(table, ["k7"], attributes=["status"]) == {"k7": {"key": "k7", "status": 7}}
    assert engine.get(table, ["nobody"]) == {}
    before = engine.meter.by_operation.get("BatchGetItem", 0)
    keys = [f"k{n}" for n in range(240)]
    assert engine.get(table, keys + keys) == {row["key"]: row for row in rows}
    assert engine.meter.by_operation["BatchGetItem"] - before == 3
    some = engine.get(table, keys, consistent=False, attributes=["value"])
    assert some == {row["key"]: {"key": row["key"], "value": "v"} for row in rows}


def test_get_more_than_one_reply_holds(engine: DynamoEngine, table: str) -> None:
    rows = [{"key": f"k{n}", "data": "x" * 380_000} for n in range(48)]
    fill(engine, table, rows)
    assert engine.get(table, [row["key"] for row in rows]) == {row["key"]: row for row in rows}
    assert engine.meter.by_operation["BatchGetItem"] > 1  # 16 MB at most come at once


def test_a_consistent_read_costs_twice_an_eventual_one(engine: DynamoEngine, table: str) -> None:
    fill(engine, table, [{"key": "a", "status": 1}, {"key": "b", "status": 1}])

    def units(**how: Any) -> float:
        before = engine.meter.read_units
        engine.get(table, **how)
        return engine.meter.read_units - before

    assert units(keys=["a"]) == 1
    assert units(keys=["a"], consistent=False) == 0.5
    assert units(keys=["a", "b"]) == 2
