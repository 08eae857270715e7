"""What there is to say of a SQLite file and a table in it: shape, journal, size, room on the disk, soundness."""

from __future__ import annotations

import os
import shutil
import sqlite3
from shlex import quote

from statustrack.core.errors import TableMismatchError
from statustrack.engines.protocol import Finding
from statustrack.engines.sqlite import schema
from statustrack.engines.sqlite.failures import Place
from statustrack.engines.sqlite.statements import quoted

MB = 1_000_000
#: Above this, looking at every page of the file takes too long for a question in between.
CHECKED_BYTES = 256 * MB
#: A log of this size is not being carried back into the file: somebody reads for very long, or checkpoints fail.
LARGE_LOG_BYTES = 128 * MB
LITTLE_ROOM, NO_ROOM = 1000 * MB, 100 * MB


def findings(raw: sqlite3.Connection, place: Place, table: str) -> list[Finding]:
    """The findings of one table. Raises ``TableNotFoundError`` where it is not there."""
    found = [_keys(raw, place, table)]
    if found[0].state == "good":
        found.append(_index(raw, table))
    found += [
        _journal(place),
        _soundness(raw, place),
        _room(place),
        Finding(
            "retention", "note", "SQLite deletes nothing by itself: expire_at is recorded only",
            f"statustrack prune --table {table}",
        ),
        Finding(
            "backup", "absent", "no point-in-time recovery is offered here; sqlite3 copies a file while it is in use",
            f"sqlite3 {quote(str(place.path))} \".backup '{place.path}.copy'\"",
        ),
        Finding("billing", "absent", "not offered here: a file costs nothing"),
    ]  # fmt: skip
    return found


def _keys(raw: sqlite3.Connection, place: Place, table: str) -> Finding:
    try:
        schema.check_table(raw, table, place)
    except TableMismatchError as error:
        return Finding("keys", "bad", str(error), "name another table")
    version = raw.execute("PRAGMA user_version").fetchone()[0]
    return Finding("keys", "good", f"key and columns are ours (schema version {version}, SQLite {_version()})")


def _version() -> str:
    return sqlite3.sqlite_version


def _index(raw: sqlite3.Connection, table: str) -> Finding:
    name = schema.index_of(table)
    columns = [row[2] for row in raw.execute(f"PRAGMA index_info({quoted(name)})")]
    if columns[:2] == ["value", "update_time"]:
        return Finding("index", "good", f"{name} over {', '.join(columns)}")
    what = "is missing" if not columns else f"is over {', '.join(columns)}"
    drop = f"DROP INDEX {quoted(name)}; " if columns else ""
    make = drop + schema.create_index(table)
    return Finding("index", "bad", f"{name} {what}: every listing reads the whole table", make)


def _journal(place: Place) -> Finding:
    size = _size(f"{place.path}-wal")
    if size > LARGE_LOG_BYTES:
        return Finding(
            "journal", "warning",
            f"the write-ahead log has grown to {size / MB:,.0f} MB: a reader that never ends keeps it",
            "end long-running readers (a forgotten sqlite3 shell, a BI tool)",
        )  # fmt: skip
    return Finding("journal", "good", f"write-ahead log, {size / MB:,.1f} MB")


def _soundness(raw: sqlite3.Connection, place: Place) -> Finding:
    size = _size(str(place.path))
    command = f'sqlite3 {quote(str(place.path))} "PRAGMA integrity_check"'
    if size > CHECKED_BYTES:
        return Finding("file", "note", f"{size / MB:,.0f} MB; so large a file is not checked here", command)
    try:
        said = [row[0] for row in raw.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    if said == ["ok"]:
        return Finding("file", "good", f"{size / MB:,.1f} MB, sound (quick_check)")
    return Finding("file", "bad", f"it is damaged: {'; '.join(said)}", "restore a backup, or `sqlite3 FILE .recover`")


def _room(place: Place) -> Finding:
    folder = place.path.parent
    if not (os.access(place.path, os.W_OK) and os.access(folder, os.W_OK)):
        return Finding("disk", "warning", f"this user may not write {place.path} and its folder", "run as its owner")
    free = shutil.disk_usage(folder).free
    says = f"{free / MB:,.0f} MB are free" if free < 10_000 * MB else f"{free / MB / 1000:,.0f} GB are free"
    if free < NO_ROOM:
        return Finding("disk", "bad", f"{says}: writes are about to fail", "make room, or move the file")
    return Finding("disk", "warning" if free < LITTLE_ROOM else "good", says, "make room" * (free < LITTLE_ROOM))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
