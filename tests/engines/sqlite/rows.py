"""Rows and writes for these tests, and what child processes run; importable by a spawned child."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from statustrack.core.writes import Clause, Comparison, Row, Write
from statustrack.engines.protocol import Applied, TableOptions
from statustrack.engines.sqlite.engine import SqliteEngine

TABLE = "tasks"
OPTIONS = TableOptions()
ABSENT = (Clause("no such key", (Comparison("key", "absent"),)),)
NOW = "2024-05-23T06:07:26.444861+0000"


def row_of(key: str, **more: Any) -> Row:
    """A small task."""
    return {"key": key, "value": "u____001____001", "status": 1, "update_time": NOW, "attempt": 0, **more}


def create(key: str, **more: Any) -> Write:
    """As lifecycle.create, without its proof."""
    return Write("create", key, ABSENT, set=row_of(key, **more), kind="put")


def add_one(key: str, guard: tuple[Clause, ...] = ()) -> Write:
    """One attempt more."""
    return Write("claim", key, guard, increment={"attempt": 1})


def engine_at(path: Path | str, table: str | None = TABLE) -> SqliteEngine:
    """An engine, with its table."""
    engine = SqliteEngine(str(path), url=f"sqlite:///{path}")
    if table is not None:
        engine.create_table(table, OPTIONS)
    return engine


def apply_one(engine: SqliteEngine, write: Write) -> Any:
    """The outcome of one write."""
    (outcome,) = engine.apply(TABLE, [write])
    return outcome


def with_sqlite(path: Path, *statements: str) -> list[Any]:
    """What somebody does with another tool; the rows of the last statement."""
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = raw.execute(statement).fetchall()
        return rows
    finally:
        raw.close()


# --- children --------------------------------------------------------------------------------------------------------


def add_many(path: str, key: str, count: int, answers: Any) -> None:
    """Adds one ``count`` times; answers with its process id and how long the slowest took."""
    engine = SqliteEngine(path, url="")
    slowest = 0.0
    for _ in range(count):
        began = time.perf_counter()
        assert isinstance(apply_one(engine, add_one(key)), Applied)
        slowest = max(slowest, time.perf_counter() - began)
    engine.close()
    answers.put((os.getpid(), slowest))


def add_for(path: str, key: str, seconds: float, begin: Any, answers: Any) -> None:
    """Adds one as often as it can; answers with how often, and how long the slowest took."""
    engine = SqliteEngine(path, url="")
    engine.get(TABLE, [key])
    begin.wait()
    until, count, slowest = time.perf_counter() + seconds, 0, 0.0
    while (began := time.perf_counter()) < until:
        assert isinstance(apply_one(engine, add_one(key)), Applied)
        slowest = max(slowest, time.perf_counter() - began)
        count += 1
    engine.close()
    answers.put((count, slowest))


def create_for_ever(path: str, acknowledged: str) -> None:
    """Creates tasks in batches until it is killed; notes each number after its COMMIT."""
    engine = SqliteEngine(path, url="")
    notes = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    while True:
        writes = [create(f"{os.getpid()}-{number + more}", data="x" * 2000) for more in range(7)]
        assert all(isinstance(each, Applied) for each in engine.apply(TABLE, writes))
        os.write(notes, b"".join(b"%d-%d\n" % (os.getpid(), number + more) for more in range(7)))
        number += 7
