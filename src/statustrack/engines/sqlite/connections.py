"""The connections to one file: opened when needed, used by one thread at a time, never carried over a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from statustrack.core.errors import StorageError
from statustrack.engines.sqlite import schema
from statustrack.engines.sqlite.failures import Place, is_busy, no_file, storage_error
from statustrack.engines.sqlite.lock import Patience, WriteLock

T = TypeVar("T")

#: How long a call waits for its turn, and for programs that do not know our lock.
PATIENCE_SECONDS = 10.0
_KEPT = 16
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_never_closed: list[Any] = []


class Connection:
    """One open connection, which file it is open on, and the tables that it has found to be ours."""

    __slots__ = ("file", "raw", "tables")

    def __init__(self, raw: sqlite3.Connection, file: tuple[int, int]) -> None:
        self.raw = raw
        self.file = file
        self.tables: set[str] = set()


class Pool:
    """Connections to lend: ``take`` one, ``give`` it back."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = str(place.path)
        self.lock = WriteLock(self.path + "-lock")
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._busy: dict[int, int] = {}
        self._forking = False
        self._pid = os.getpid()
        _pools.add(self)

    def take(self) -> Connection:
        """A connection to the file as it is now, for this thread alone until it is given back."""
        if self._pid != os.getpid():  # a fork that did not run our hook
            self.forked()
        me = threading.get_ident()
        busy = self._busy
        busy[me] = busy.get(me, 0) + 1
        try:
            while self._forking and busy[me] == 1:
                busy.pop(me)
                time.sleep(0.0002)
                busy[me] = 1
            try:
                found = os.stat(self.path)
            except FileNotFoundError:
                raise no_file(self.place) from None
            except OSError as error:
                raise StorageError(f"{self.place} cannot be reached: {error}.") from error
            file = (found.st_dev, found.st_ino)
            while self._idle:
                connection = self._idle.pop()
                if connection.file == file:
                    return connection
                # The file was deleted or replaced: what we write there, nobody would ever read.
                self._all.discard(connection)
                abandon(connection)
            connection = retry(self.place, lambda: self._open(file))
            self._all.add(connection)
            return connection
        except BaseException:
            self._done(me)
            raise

    def give(self, connection: Connection) -> None:
        """Back to the others."""
        if connection in self._all and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            self._all.discard(connection)
            connection.raw.close()
        self._done(threading.get_ident())

    def _done(self, me: int) -> None:
        left = self._busy.get(me, 0) - 1
        if left > 0:
            self._busy[me] = left
        else:
            self._busy.pop(me, None)

    def _open(self, file: tuple[int, int]) -> Connection:
        raw = connect(self.place, "rw")
        try:
            schema.configure(raw)
            if schema.is_ours(raw, self.place):  # else it is empty, until somebody makes the first table
                schema.use_wal(raw, self.place)
        except BaseException:
            raw.close()
            raise
        return Connection(raw, file)

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        if self._pid != os.getpid():
            self.forked()
        while self._idle:
            connection = self._idle.pop()
            self._all.discard(connection)
            connection.raw.close()
        self._all.clear()
        self.lock.close()

    # --- forks -------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let the other threads come out of SQLite: one of its own locks, held at the fork, would never be free in
        the child. A statement that takes long is not waited for."""
        self._forking = True
        me = threading.get_ident()
        until = time.monotonic() + 1.0
        while any(ident != me for ident in list(self._busy)) and time.monotonic() < until:
            time.sleep(0.0002)

    def after_fork(self) -> None:
        """In the parent: go on."""
        self._forking = False

    def forked(self) -> None:
        """In the child: forget all of the parent's, closing nothing; SQLite allows no use of it, not even to close."""
        for connection in self._all:
            abandon(connection)
        self._all, self._idle, self._busy = set(), [], {}
        self._forking = False
        self._pid = os.getpid()
        self.lock.forked()


def connect(place: Place, mode: str) -> sqlite3.Connection:
    """A bare connection; ``mode`` is rw (the file must be there) or rwc."""
    schema.check_sqlite()
    return sqlite3.connect(
        file_uri(str(place.path), mode),
        uri=True,
        timeout=0,  # waiting is ours: see lock.py
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def file_uri(path: str, mode: str) -> str:
    """SQLite's URI of a file; on Windows C:\\x is file:///C:/x."""
    path = path.replace("\\", "/") if os.name == "nt" else path
    return f"file:{'' if path.startswith('/') else '/'}{quote(path)}?mode={mode}"


def retry(place: Place, action: Callable[[], T], table: str | None = None, patience: Patience | None = None) -> T:
    """Do it again while others have the file; SQLite's errors as ours."""
    patience = patience or Patience(PATIENCE_SECONDS)
    while True:
        try:
            return action()
        except sqlite3.Error as error:
            if not (is_busy(error) and patience.pause()):
                raise storage_error(error, place, table) from error


def abandon(connection: Connection) -> None:
    """Never close this connection, nor let it be closed: its memory and descriptors are given up.

    After a fork it is the parent's; on a deleted file, closing would remove the log of the new file of that name.
    """
    _never_closed.append(connection.raw)
    try:
        import ctypes
    except ImportError:
        return
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection.raw))


def _before_fork() -> None:
    for pool in list(_pools):
        pool.before_fork()


def _in_parent() -> None:
    for pool in list(_pools):
        pool.after_fork()


def _in_child() -> None:
    for pool in list(_pools):
        pool.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
