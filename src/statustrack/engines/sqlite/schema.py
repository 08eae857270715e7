"""What a file and a table of ours look like, how they are made, and how others' are told apart and left alone."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import deque
from typing import Any

from statustrack.core.errors import ConfigError, StorageError, TableMismatchError
from statustrack.core.record import ATTRIBUTES, INTEGER
from statustrack.engines.sqlite.failures import Place, no_table
from statustrack.engines.sqlite.statements import quoted
from statustrack.engines.sqlite.values import SEE, SIZE, UNION, size, union

#: "STTR": the mark in the header of our files (PRAGMA application_id), beside the number of their schema.
APPLICATION_ID = 0x53545452
SCHEMA_VERSION = 1
#: INSERT ... ON CONFLICT DO NOTHING (2018-06-04).
OLDEST_SQLITE = (3, 24, 0)

_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


def check_table_name(table: Any) -> None:
    """Raises ``ConfigError`` for a name that could not be a table on every engine."""
    if not isinstance(table, str) or not _NAME.fullmatch(table):
        raise ConfigError(
            f"table name {table!r}: 3 to 255 of the characters A-Z a-z 0-9 _ . - are allowed (DynamoDB's rule, which "
            "holds on SQLite too, so that the same code runs on both)."
        )
    if table.lower().startswith("sqlite_"):
        raise ConfigError(f"table name {table!r}: SQLite keeps names that begin with 'sqlite_' for itself.")


def check_sqlite() -> None:
    """Raises ``StorageError`` where Python was built with a SQLite that is too old."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StorageError(
            f"this Python brings SQLite {sqlite3.sqlite_version}; statustrack needs 3.24 or later (for ON CONFLICT). "
            "Use a newer Python build, or DynamoDB."
        )


def create_statements(table: str) -> list[str]:
    """The table, the index by status and time, and our mark on the file."""
    columns = [f"{quoted(name)} {'INTEGER' if kind == INTEGER else 'TEXT'}" for name, kind in ATTRIBUTES.items()]
    columns[0] += " NOT NULL PRIMARY KEY"
    return [
        f"CREATE TABLE {quoted(table)} ({', '.join(columns)})",
        create_index(table),
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ]


def index_of(table: str) -> str:
    """The name of the index by status and time."""
    return f"{table}_status_and_update_time"


def create_index(table: str) -> str:
    """The statement that makes the index by status and time.

    ``ready_at`` is in it so that a poll passes over thousands of tasks in backoff without reading their rows. It
    costs nothing: it only ever changes together with ``value``.

    The states are in descending order, the times within each in ascending order: with codes that grow along the
    lifecycle, the newest of succeeded, those in progress and the oldest of pending are neighbours. A task that is
    worked on in its turn moves by a few places, most often within one page: a claim or an end writes two pages
    instead of three or four.
    """
    columns = "`value` DESC, `update_time`, `key`, `ready_at`"
    return f"CREATE INDEX {quoted(index_of(table))} ON {quoted(table)} ({columns})"


def add_functions(raw: sqlite3.Connection, seen: deque[tuple[Any, ...]]) -> None:
    """Our SQL functions; SEE leaves what it is shown in ``seen``."""

    def see(value: Any, *before: Any) -> Any:
        seen.append(before)
        return value

    raw.create_function(SEE, -1, see)
    raw.create_function(UNION, 2, union)
    raw.create_function(SIZE, 1, size)


def configure(raw: sqlite3.Connection) -> None:
    """What holds for a connection only: what SQLite reports as committed survives a power cut."""
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA cache_size = -16000")  # KiB: what a large batch changes fits, and is written once
    raw.execute("PRAGMA journal_size_limit = 67108864")  # a log that grew beside a long reader shrinks again
    if sys.platform == "darwin":  # fsync alone does not reach the platter there
        raw.execute("PRAGMA fullfsync = 1")
        raw.execute("PRAGMA checkpoint_fullfsync = 1")


def use_wal(raw: sqlite3.Connection, place: Place) -> None:
    """Write-ahead log: readers and the writer do not wait for each other."""
    mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if str(mode).lower() != "wal":
        raise StorageError(
            f"{place}: SQLite cannot keep a write-ahead log here (journal mode {mode!r} instead of 'wal'): the file "
            "system has no shared memory or locks, as with network file systems. Put the file on a local disk."
        )


def is_ours(raw: sqlite3.Connection, place: Place) -> bool:
    """Whether the file has our mark; False for an empty database. Raises ``TableMismatchError`` for all others."""
    mark = raw.execute("PRAGMA application_id").fetchone()[0]
    version = raw.execute("PRAGMA user_version").fetchone()[0]
    if mark == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise TableMismatchError(
                f"{place} has schema version {version}, and this statustrack knows {SCHEMA_VERSION}: it was made by a "
                "newer one. Nothing was touched. Upgrade statustrack here."
            )
        return True
    names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master ORDER BY name LIMIT 6")]
    if names or mark or version:
        raise TableMismatchError(
            f"{place} is a SQLite database of something else (it holds {', '.join(names) or 'no tables'}; "
            f"application_id {mark}). Nothing was touched. Name another file; your own tables can be added to that one."
        )
    return False


def has_table(raw: sqlite3.Connection, table: str, place: Place) -> bool:
    """Whether the table is there. Raises ``TableMismatchError`` where it is not one of ours."""
    missing = _missing(raw, table)
    if missing is None:
        return False
    if missing:
        raise TableMismatchError(
            f"{place} has a table {table!r} that is not one of statustrack's: it lacks the columns "
            f"{', '.join(missing)}. Choose another table_name."
        )
    return True


def check_table(raw: sqlite3.Connection, table: str, place: Place) -> None:
    """Raises ``TableNotFoundError`` or ``TableMismatchError`` unless the table is there and ours."""
    if not has_table(raw, table, place):
        raise no_table(place, table)


def our_tables(raw: sqlite3.Connection) -> list[str]:
    """The names of the tables of our shape, sorted."""
    names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [name for name in names if _missing(raw, name) == []]


def _missing(raw: sqlite3.Connection, table: str) -> list[str] | None:
    """The columns that a table lacks; None where there is no table."""
    columns = {row[1] for row in raw.execute(f"PRAGMA table_info({quoted(table)})")}
    return [name for name in ATTRIBUTES if name not in columns] if columns else None
