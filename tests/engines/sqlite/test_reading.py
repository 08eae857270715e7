"""Reads: by the index alone, byte for byte, in pages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from statustrack.engines.protocol import Cursor
from statustrack.engines.sqlite.engine import SqliteEngine
from statustrack.engines.sqlite.statements import Statements
from statustrack.engines.sqlite.values import decode_set
from tests.engines.sqlite.rows import TABLE, apply_one, create, with_sqlite

AFTER = Cursor("2024-05-23T06:07:26.444861+0000", "k")


def plan_of(engine: SqliteEngine, sql: str, values: list[object]) -> str:
    with engine._pool.lend(TABLE) as raw:
        return "; ".join(row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + sql, values))


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("after", [None, AFTER])
@pytest.mark.parametrize("since", [None, "2024"])
@pytest.mark.parametrize("ready_ms", [None, 5])
def test_a_page_comes_from_the_index_in_its_order(
    engine: SqliteEngine, path: Path, analyzed: bool, newest_first: bool, after: Cursor, since: str, ready_ms: int
) -> None:
    engine.apply(TABLE, [create(f"{n}") for n in range(50)])
    if analyzed:
        with_sqlite(path, "ANALYZE")
    sql, values = Statements(TABLE).page("u____001____001", 10, after, newest_first, since, since and "2025", ready_ms)
    plan = plan_of(engine, sql, values)
    assert "USING INDEX tasks_status_and_update_time (value=? AND update_time" in plan
    assert "TEMP B-TREE" not in plan and "SCAN" not in plan.upper().replace("SCAN CONSTANT ROW", "")


def test_counting_and_keys_use_indexes_alone(engine: SqliteEngine) -> None:
    statements = Statements(TABLE)
    for most in (None, 10):
        assert "USING COVERING INDEX tasks_status" in plan_of(engine, *statements.count("p", most))
    assert "(key=?)" in plan_of(engine, statements.get(3, None), ["a", "b", "c"])
    plan = plan_of(engine, *statements.scan("a", "a", 10, None))
    assert "(key>? AND key<?)" in plan and "TEMP B-TREE" not in plan


def test_prefixes_are_exact(engine: SqliteEngine) -> None:
    last = "\U0010ffff"
    keys = [
        "inv----1",
        "invoice----1",
        "INV----2",
        "inv----%",
        "inv----_",
        f"inv----{last}",
        f"inv----{last}{last}",
        "",
    ]
    keys += ["inv-----", "inv---.1", "ä", "äb", "\ud7fb", "\ue000", last]
    engine.apply(TABLE, [create(key) for key in keys])
    for prefix in [
        "",
        "inv----",
        "inv",
        "INV",
        "inv----%",
        "%",
        "_",
        "ä",
        f"inv----{last}",
        last,
        "\ud7fb",
        "\ud7ff",
        "x",
    ]:
        found = [row["key"] for row in engine.scan(TABLE, prefix)]
        assert sorted(found) == sorted(key for key in keys if key.startswith(prefix)), prefix


def test_scans_go_in_pages_and_hold_no_transaction(engine: SqliteEngine, path: Path) -> None:
    engine.apply(TABLE, [create(f"{n:04d}") for n in range(1000)])
    rows = engine.scan(TABLE)
    first = next(rows)
    assert with_sqlite(path, "PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]  # 1: a reader is in the way
    engine.apply(TABLE, [create("9999")])
    assert [first["key"], *(row["key"] for row in rows)] == [f"{n:04d}" for n in range(1000)] + ["9999"]
    assert engine.meter.by_operation["scan"] == 4


def test_many_keys(engine: SqliteEngine) -> None:
    keys = [f"{n}" for n in range(1203)]
    engine.apply(TABLE, [create(key) for key in keys])
    before = engine.meter.by_operation.get("get", 0)
    assert engine.get(TABLE, [*keys, *keys, "no"]).keys() == set(keys)
    assert engine.meter.by_operation["get"] - before == 3
    assert engine.get(TABLE, []) == {}


def test_only_some_attributes(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a", data="{}", late_results=frozenset({"x"})))
    some = {"key": "a", "late_results": frozenset({"x"}), "status": 1}
    assert engine.get(TABLE, ["a"], attributes=["status", "late_results", "worker"]) == {"a": some}
    with_sqlite(path, "ALTER TABLE tasks ADD COLUMN colour", "UPDATE tasks SET colour = 'red'")
    assert engine.get(TABLE, ["a"], attributes=["colour", "no such"]) == {"a": {"key": "a", "colour": "red"}}
    assert list(engine.scan(TABLE, attributes=["colour"])) == [{"key": "a", "colour": "red"}]


def test_counts(engine: SqliteEngine) -> None:
    engine.apply(TABLE, [create(f"{n}") for n in range(10)])
    assert engine.count(TABLE, "u____001____001") == 10
    assert engine.count(TABLE, "no") == 0
    assert engine.count(TABLE, "u____001____001", most=4) == 5  # more than 4


def test_sets_that_somebody_else_wrote() -> None:
    assert decode_set('["a","b"]') == {"a", "b"}
    assert decode_set("[1]") == {"1"}
    assert decode_set("no json") == {"no json"}
    assert decode_set('{"a": 1}') == {'{"a": 1}'}


def test_a_thousand_of_a_hundred_thousand(engine: SqliteEngine) -> None:
    for start in range(0, 100_000, 500):
        engine.apply(
            TABLE,
            [
                create(f"{n}", value="failed" if n % 100 == 0 else "done", data='{"n": 1}', errors='{"history":[]}')
                for n in range(start, start + 500)
            ],
        )
    engine.page(TABLE, "failed", limit=10)
    times = []
    for _ in range(7):
        began = time.process_time()  # what it takes of the machine, however busy that is
        page = engine.page(TABLE, "failed", limit=1000)
        times.append(time.process_time() - began)
        assert len(page.rows) == 1000 and page.after is None
    assert min(times) < 0.025, times
