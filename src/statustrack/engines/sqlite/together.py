"""The user's own SQL inside our transaction: a cursor that can do all but end it or write the tracker's table."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from statustrack.core.errors import ConfigError, StorageError
from statustrack.engines.protocol import SqlStep

_CONTROL = {
    sqlite3.SQLITE_TRANSACTION: "BEGIN, COMMIT or ROLLBACK",
    sqlite3.SQLITE_SAVEPOINT: "SAVEPOINT",
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
}
#: The authorizer's action codes that change a table, and which of its two arguments names it.
_CHANGES = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_DROP_TABLE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
    sqlite3.SQLITE_CREATE_INDEX: 1,
    sqlite3.SQLITE_DROP_INDEX: 1,
    sqlite3.SQLITE_CREATE_TRIGGER: 1,
    sqlite3.SQLITE_DROP_TRIGGER: 1,
}
#: How many steps of SQLite's virtual machine go by between two looks at the clock: well below a millisecond.
_STEPS = 10_000
#: Cursors of a parent process, in a child that was forked inside a step: never closed.
_left_behind: list[sqlite3.Cursor] = []


class GuardedCursor:
    """What a function of ``sql=[...]`` is given: execute, executemany and fetching within the tracker's transaction."""

    def __init__(self, guard: _Guard, cursor: sqlite3.Cursor) -> None:
        self._guard = guard
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> GuardedCursor:
        with self._guard:
            self._cursor.execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any) -> GuardedCursor:
        with self._guard:
            self._cursor.executemany(sql, parameters)
        return self

    def fetchone(self) -> Any:
        with self._guard:
            return self._cursor.fetchone()

    def fetchmany(self, size: int = 100) -> list[Any]:
        with self._guard:
            return self._cursor.fetchmany(size)

    def fetchall(self) -> list[Any]:
        with self._guard:
            return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid


class _Guard:
    """The limits of one transaction's user part; also the context of each of its statements."""

    def __init__(self, raw: sqlite3.Connection, table: str, timeout_seconds: float | None) -> None:
        self._raw = raw
        self._table = table.lower()
        self._name = table
        self._pid = os.getpid()
        self._seconds = timeout_seconds
        self._until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self.refused: str | None = None
        self._open = True

    def authorize(self, action: int, first: str | None, second: str | None, *_: Any) -> int:
        if action in _CONTROL:
            self.refused = f"{_CONTROL[action]} is not for statements inside the tracker's transaction"
        elif action in _CHANGES and str((first, second)[_CHANGES[action]]).lower() == self._table:
            self.refused = f"the tracker's own table {self._name!r} is not for statements inside its transaction"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def is_late(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def check(self) -> None:
        """Raises unless the user's part may go on."""
        if self.refused is not None:
            raise ConfigError(f"sql=: {self.refused}.")
        if not self.is_home():
            raise StorageError("sql=: this is a forked process; the transaction belongs to its parent.")
        if not self._open:
            raise StorageError("sql=: the transaction of this cursor is over.")
        if self.is_late():
            raise TimeoutError(f"the SQL beside the task took longer than {self._seconds:.3g} s (a third of the lease)")
        if not self._raw.in_transaction:
            raise StorageError("sql=: the transaction was rolled back by one of its statements.")

    def __enter__(self) -> None:
        self.check()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error) and (self.refused is not None or self.is_late()):
            self.check()  # says it better than "not authorized" or "interrupted"

    def end(self) -> None:
        self._open = False

    def is_home(self) -> bool:
        """Whether this is still the process that the transaction belongs to."""
        return os.getpid() == self._pid


def run(raw: sqlite3.Connection, table: str, steps: Sequence[SqlStep], timeout_seconds: float | None) -> None:
    """Carry out the user's steps inside the open transaction. Raises ``ConfigError`` for what is not allowed, and
    whatever the steps raise; the caller rolls back."""
    guard = _Guard(raw, table, timeout_seconds)
    raw.set_authorizer(guard.authorize)
    if timeout_seconds is not None:
        raw.set_progress_handler(guard.is_late, _STEPS)
    cursor = raw.cursor()
    try:
        for step in steps:
            _one(step, GuardedCursor(guard, cursor))
            guard.check()
    finally:
        guard.end()
        if guard.is_home():
            cursor.close()
            raw.set_progress_handler(None, 0)
            # Python 3.10 does not know None here.
            raw.set_authorizer(None if sys.version_info >= (3, 11) else _allow)
        else:
            _left_behind.append(cursor)


def _one(step: SqlStep, cursor: GuardedCursor) -> None:
    if isinstance(step, str):
        cursor.execute(step)
    elif callable(step):
        step(cursor)
    else:
        cursor.execute(*step)


def check_steps(steps: Sequence[Any]) -> None:
    """Raises ``ConfigError`` for a step that is neither a statement, nor a pair, nor a function."""
    for step in steps:
        pair = isinstance(step, (tuple, list)) and len(step) == 2 and isinstance(step[0], str)
        if not (isinstance(step, str) or callable(step) or pair):
            raise ConfigError(
                f"sql=: {step!r} is neither a statement, nor a pair of a statement and its parameters, nor a function "
                "of a cursor."
            )


def _allow(*_: Any) -> int:
    return sqlite3.SQLITE_OK
