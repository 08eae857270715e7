"""The user's SQL in the tracker's transaction: all or nothing, guarded, in time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statustrack.core.errors import ConfigError, StorageError
from statustrack.core.writes import Clause, Comparison, Write, always
from statustrack.engines.protocol import Applied, Extra, ExtraFailed, Refused, Unknown
from statustrack.engines.sqlite.engine import SqliteEngine
from tests.engines.sqlite.rows import TABLE, add_one, apply_one, create, row_of, with_sqlite

INSERT = ("INSERT INTO bills VALUES (?, ?)", ("b1", 5))


@pytest.fixture
def bills(engine: SqliteEngine, path: Path) -> Callable[[], list[Any]]:
    """A table of the user's, and what is in it; and a task ``a``."""
    apply_one(engine, create("a"))
    with_sqlite(path, "CREATE TABLE bills (name TEXT PRIMARY KEY, amount INTEGER)")
    return lambda: with_sqlite(path, "SELECT name, amount FROM bills ORDER BY name")


def together(engine: SqliteEngine, *sql: Any, write: Write | None = None, seconds: float | None = 5) -> Any:
    return engine.apply_together(TABLE, write or add_one("a"), Extra(sql=tuple(sql)), seconds)


def attempt(engine: SqliteEngine) -> int:
    return int(engine.get(TABLE, ["a"])["a"]["attempt"])


def test_all_forms_commit_together(engine: SqliteEngine, bills: Any) -> None:
    def function(cursor: Any) -> None:
        cursor.executemany("INSERT INTO bills VALUES (?, ?)", [("b3", 1), ("b4", 2)])
        assert cursor.execute("SELECT sum(amount) FROM bills").fetchone() == (14,)
        assert cursor.execute("SELECT attempt FROM tasks").fetchall() == [(1,)]
        assert [row[0] for row in cursor.execute("SELECT name FROM bills ORDER BY name")] == ["b1", "b2", "b3", "b4"]
        assert cursor.execute("UPDATE bills SET amount = 9 WHERE name = 'b4'").rowcount == 1
        assert cursor.description is None

    named = ("INSERT INTO bills VALUES (:name, :amount)", {"name": "b2", "amount": 6})
    assert together(engine, INSERT, named, function) == Applied(row_of("a", attempt=1))
    assert bills() == [("b1", 5), ("b2", 6), ("b3", 1), ("b4", 9)]
    assert attempt(engine) == 1


def test_nothing_of_it_when_the_guard_refuses(engine: SqliteEngine, bills: Any) -> None:
    refused = add_one("a", (Clause("", (Comparison("lock", "=", "mine"),)),))
    assert together(engine, INSERT, write=refused) == Refused(row_of("a"))
    assert bills() == []
    refused.mine = always  # it has landed before, and the extra with it
    assert together(engine, INSERT, write=refused) == Applied(row_of("a"))
    assert bills() == []


class OwnError(Exception):
    """Raised by a step."""


def raises(cursor: Any) -> None:
    cursor.execute("INSERT INTO bills VALUES ('b2', 1)")
    raise OwnError("no")


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (("INSERT INTO bills VALUES ('b0', 1)", ()), sqlite3.IntegrityError),
        ("INSERT INTO nowhere VALUES (1)", sqlite3.OperationalError),
        ("SELECT 1; SELECT 2", (sqlite3.Warning, sqlite3.ProgrammingError)),
        (("INSERT INTO bills VALUES (?, ?)", (1,)), sqlite3.ProgrammingError),
        (raises, OwnError),
    ],
)
def test_an_error_of_the_user_undoes_everything(
    engine: SqliteEngine, path: Path, bills: Any, step: Any, error: Any
) -> None:
    with_sqlite(path, "INSERT INTO bills VALUES ('b0', 0)")
    outcome = together(engine, INSERT, step)
    assert isinstance(outcome, ExtraFailed) and isinstance(outcome.error, error)
    assert bills() == [("b0", 0)]
    assert attempt(engine) == 0
    assert isinstance(together(engine, INSERT), Applied)


def test_a_user_that_swallows_a_rolled_back_transaction(engine: SqliteEngine, bills: Any) -> None:
    def function(cursor: Any) -> None:
        cursor.execute(*INSERT)
        with pytest.raises(sqlite3.IntegrityError):
            cursor.execute("INSERT OR ROLLBACK INTO bills VALUES ('b1', 1)")
        cursor.execute("INSERT INTO bills VALUES ('alone', 1)")  # would commit on its own

    outcome = together(engine, function)
    assert isinstance(outcome, ExtraFailed) and "rolled back" in str(outcome.error)
    assert bills() == [] and attempt(engine) == 0


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "/* x */ rollback",
        "BEGIN",
        "SAVEPOINT s",
        "RELEASE s",
        "ATTACH ':memory:' AS other",
        "PRAGMA synchronous = OFF",
        "UPDATE tasks SET data = '{}'",
        "UPDATE Tasks SET data = '{}'",
        "DELETE FROM main.tasks",
        "INSERT INTO tasks (key) VALUES ('z')",
        "WITH x AS (SELECT 1) UPDATE tasks SET attempt = 9",
        "DROP TABLE tasks",
        "ALTER TABLE tasks ADD COLUMN x",
        "CREATE TRIGGER t AFTER INSERT ON bills BEGIN DELETE FROM tasks; END",
        "CREATE TRIGGER t AFTER INSERT ON tasks BEGIN DELETE FROM bills; END",
        "CREATE INDEX i ON tasks (data)",
    ],
)
@pytest.mark.parametrize("swallowed", [False, True])
def test_what_is_not_allowed(engine: SqliteEngine, path: Path, bills: Any, sql: str, swallowed: bool) -> None:
    def function(cursor: Any) -> None:
        cursor.execute(*INSERT)
        if swallowed:
            try:
                cursor.execute(sql)
            except Exception:
                return
        cursor.execute(sql)

    if sql.startswith("CREATE TRIGGER t AFTER INSERT ON bills"):
        with pytest.raises(ConfigError):
            together(engine, sql, INSERT)
    else:
        with pytest.raises(ConfigError, match="sql="):
            together(engine, function)
    assert bills() == [] and attempt(engine) == 0
    assert with_sqlite(path, "SELECT count(*) FROM tasks") == [(1,)]
    assert isinstance(together(engine, INSERT), Applied)
    assert isinstance(apply_one(engine, create("b")), Applied)  # the guard is gone with the transaction


def test_the_time_is_limited(engine: SqliteEngine, bills: Any) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    began = time.perf_counter()
    outcome = together(engine, INSERT, endless, seconds=0.2)
    assert isinstance(outcome, ExtraFailed) and isinstance(outcome.error, TimeoutError)
    assert time.perf_counter() - began < 5
    outcome = together(engine, INSERT, lambda cursor: time.sleep(0.3), seconds=0.2)
    assert isinstance(outcome, ExtraFailed) and isinstance(outcome.error, TimeoutError)
    assert bills() == [] and attempt(engine) == 0
    assert isinstance(together(engine, INSERT, seconds=None), Applied)


def test_a_cursor_does_not_outlive_its_transaction(engine: SqliteEngine, bills: Any) -> None:
    kept: list[Any] = []
    assert isinstance(together(engine, kept.append), Applied)
    with pytest.raises(Exception, match="over"):
        kept[0].execute("DELETE FROM bills")


def test_a_full_disk_is_not_the_users_error(engine: SqliteEngine, bills: Any) -> None:
    raw = engine._pool._idle[0].raw
    raw.execute(f"PRAGMA max_page_count = {raw.execute('PRAGMA page_count').fetchone()[0]}")
    outcome = together(engine, ("INSERT INTO bills VALUES (?, 1)", ("x" * 100_000,)))
    assert isinstance(outcome, Unknown) and "no room" in str(outcome.cause)
    raw.execute("PRAGMA max_page_count = 1000000")
    assert bills() == [] and attempt(engine) == 0


def test_each_engine_takes_its_own(engine: SqliteEngine, bills: Any) -> None:
    with pytest.raises(ConfigError, match=r"sql=\[\.\.\.\]"):
        engine.apply_together(TABLE, add_one("a"), Extra(transact=({"Put": {}},)))
    assert isinstance(engine.apply_together(TABLE, add_one("a"), Extra(({"Put": {}},), (INSERT,))), Applied)
    assert bills() == [("b1", 5)]
    for wrong in (5, ("SELECT 1",), None, (1, 2)):
        with pytest.raises(ConfigError, match="neither"):
            together(engine, wrong)


def test_tasks_are_not_written_from_inside(engine: SqliteEngine, bills: Any) -> None:
    outcome = None
    with pytest.raises(ConfigError, match="inside sql="):
        outcome = together(engine, INSERT, lambda cursor: apply_one(engine, create("b")))
    assert outcome is None and bills() == [] and attempt(engine) == 0
    seen: list[Any] = []
    together(engine, lambda cursor: seen.append(engine.get(TABLE, ["a"])))  # another connection: what is committed
    assert seen == [{"a": row_of("a")}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_inside_leaves_the_transaction_to_the_parent(engine: SqliteEngine, bills: Any) -> None:
    children: list[int] = []

    def function(cursor: Any) -> None:
        cursor.execute(*INSERT)
        cursor.execute("SELECT 1")
        children.append(os.fork())
        if children[0] == 0:
            cursor.execute("DELETE FROM bills")

    outcome = together(engine, function)
    if children[0] == 0:
        good = isinstance(outcome, ExtraFailed) and "forked" in str(outcome.error)
        try:  # the locks that SQLite believes to have here are the parent's
            apply_one(engine, add_one("a"))
        except StorageError as error:
            os._exit(0 if good and "forked" in str(error) else 1)
        os._exit(2)
    assert isinstance(outcome, Applied)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert bills() == [("b1", 5)] and attempt(engine) == 1
