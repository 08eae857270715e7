"""What SQLite's errors mean: wait, try later, never, or this content only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from statustrack.core.errors import StorageError, StorageUnavailableError, TableMismatchError, TableNotFoundError

ERROR, PERM, BUSY, LOCKED, READONLY, INTERRUPT, IOERR, CORRUPT = 1, 3, 5, 6, 8, 9, 10, 11
FULL, CANTOPEN, PROTOCOL, SCHEMA, TOOBIG, CONSTRAINT, MISMATCH, NOTADB = 13, 14, 15, 17, 18, 19, 20, 26

#: Python 3.10 gives no codes, only SQLite's texts (sqlite3_errstr), which have been the same for many years.
_TEXTS = (
    ("database is locked", BUSY),
    ("database table is locked", LOCKED),
    ("database schema is locked", LOCKED),
    ("attempt to write a readonly database", READONLY),
    ("interrupted", INTERRUPT),
    ("disk I/O error", IOERR),
    ("database disk image is malformed", CORRUPT),
    ("malformed database schema", CORRUPT),
    ("database or disk is full", FULL),
    ("unable to open database file", CANTOPEN),
    ("locking protocol", PROTOCOL),
    ("database schema has changed", SCHEMA),
    ("string or blob too big", TOOBIG),
    ("constraint failed", CONSTRAINT),
    ("datatype mismatch", MISMATCH),
    ("file is not a database", NOTADB),
    ("file is encrypted or is not a database", NOTADB),
    ("access permission denied", PERM),
)


_CONTENT = (TOOBIG, CONSTRAINT, MISMATCH)


class Place:
    """A database file as messages name it: the absolute path, and how it came to be that."""

    def __init__(self, given: str, path: Path, folder: str | None) -> None:
        self.given = given
        self.path = path
        self.folder = folder  #: the working directory that a relative path was resolved in

    def __str__(self) -> str:
        if self.folder is None:
            return str(self.path)
        return f"{self.path} ({self.given!r} in the working directory {self.folder})"


def code_of(error: BaseException) -> int:
    """SQLite's primary result code; 0 for what is no error of SQLite."""
    if not isinstance(error, sqlite3.Error):
        return 0
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF
    text = str(error)
    for beginning, known in _TEXTS:
        if text.startswith(beginning) or (known == CONSTRAINT and beginning in text):
            return known
    return ERROR if isinstance(error, sqlite3.OperationalError) else 0


def is_busy(error: BaseException) -> bool:
    """Whether somebody else has the file for the moment."""
    return code_of(error) in (BUSY, LOCKED, PROTOCOL, SCHEMA)


def refused_content(error: Exception) -> str | None:
    """Why this content, and nothing else, was refused; None for an error of another kind."""
    if isinstance(error, (OverflowError, UnicodeEncodeError)):
        return f"it cannot be stored in SQLite: {error}"
    if not isinstance(error, sqlite3.Error):
        return None
    text = str(error)
    if isinstance(error, (sqlite3.DataError, sqlite3.IntegrityError)) or code_of(error) in _CONTENT:
        return f"SQLite refuses it: {text}"
    wrong_use = isinstance(error, (sqlite3.InterfaceError, sqlite3.ProgrammingError))
    if wrong_use and text.startswith("Error binding parameter"):
        return f"it cannot be stored in SQLite: {text}"
    if isinstance(error, sqlite3.OperationalError) and ("no such column" in text or "has no column named" in text):
        return f"the table has no such column: {text}. Add it with ALTER TABLE, or leave the attribute out."
    return None


def no_file(place: Place) -> TableNotFoundError:
    """There is no database file."""
    return TableNotFoundError(
        f"there is no database file {place}. Make it with Task.create_table() or `statustrack init`, "
        "or name the file that is meant (STATUSTRACK_ENGINE, or Meta.engine)."
    )


def no_table(place: Place, table: str) -> TableNotFoundError:
    """The file is there, the table is not."""
    return TableNotFoundError(
        f"there is no table {table!r} in {place}. Make it with Task.create_table() or `statustrack init`."
    )


def storage_error(error: sqlite3.Error, place: Place, table: str | None = None) -> StorageError:
    """The error that the user meets for one of SQLite's."""
    code, text = code_of(error), str(error)
    if table is not None and text.endswith(f"no such table: {table}"):
        return no_table(place, table)
    if code == NOTADB:
        return TableMismatchError(f"{place} is not a SQLite database. Name another file, or move this one away.")
    if code == CORRUPT:
        return StorageError(
            f"the database {place} is damaged ({text}). Stop all its users, keep a copy, and restore a backup, or save "
            f"what is readable: sqlite3 {place.path} .recover | sqlite3 recovered.db"
        )
    if code in (READONLY, PERM):
        return StorageError(
            f"{place} cannot be written ({text}): the file and its folder must be writable for this user, "
            "because SQLite's log lies beside it."
        )
    if code == CANTOPEN:
        return StorageError(
            f"{place} cannot be opened ({text}): the file must be readable and writable, its folder writable for this "
            "user, because SQLite's log lies beside it; and the process must have file descriptors left."
        )
    if code == FULL:
        return StorageUnavailableError(f"there is no room left for {place} ({text}). Nothing of this write was kept.")
    if code == IOERR:
        return StorageUnavailableError(f"the disk of {place} failed ({text}).")
    if is_busy(error):
        return StorageUnavailableError(
            f"{place} was held by another program all the time ({text}): perhaps a tool with a transaction left open."
        )
    return StorageError(f"{place}: {text}")
