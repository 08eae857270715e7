"""The connections to one file: opened when needed, used by one thread at a time, never carried over a fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError
from statustrack.engines.sqlite import schema
from statustrack.engines.sqlite.failures import Place, is_busy, no_file, storage_error
from statustrack.engines.sqlite.lock import Patience, WriteLock

T = TypeVar("T")

#: How long a call waits for its turn, and for programs that do not know our lock.
PATIENCE_SECONDS = 10.0
#: Whether the file is still the same is looked at before each use, but for writes not twice within so long: what is
#: deleted so shortly before a commit might as well have been deleted just after it.
LOOK_AGAIN_SECONDS = 0.001
_KEPT = 16
#: How long a fork waits for transactions under way.
_FORK_WAITS_SECONDS = 5.0
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_never_closed: list[Any] = []


class Raw(sqlite3.Connection):
    """A connection of Python's, and ``seen``: the old values of the row that an update has just changed."""

    seen: deque[tuple[Any, ...]]


class Connection:
    """One open connection: of which process, on which file, and the tables that it has found to be ours."""

    __slots__ = ("file", "pid", "raw", "tables")

    def __init__(self, raw: Raw, file: tuple[int, int], pid: int) -> None:
        self.raw = raw
        self.file = file
        self.pid = pid
        self.tables: set[str] = set()


class Pool:
    """Connections to lend: ``take`` one, ``give`` it back; and the turn to write."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = str(place.path)
        self.lock = WriteLock(self.path)
        self.patience_seconds = PATIENCE_SECONDS
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._busy: list[int] = []  # threads that have a connection in use, once for each
        self._forking = False
        self._spoilt = False
        self._pid = os.getpid()
        self._file, self._looked = (0, 0), -1.0  # which file it was when we looked last
        _pools.add(self)

    # --- the turn to write -------------------------------------------------------------------------------------------

    def begin_turn(self, many: bool = False) -> Patience:
        """Wait for the turn to write (a batch, or once); what is left of the patience is for SQLite's own lock.

        Raises ``StorageUnavailableError``, then there is no turn to end."""
        if self._pid != os.getpid() or self._spoilt:
            self._check_process()
        if self.lock.owner == threading.get_ident():
            raise ConfigError(
                "a task was written from inside sql=[...]: that would wait for the transaction around it, for ever. "
                "Write tasks before or after."
            )
        patience = Patience(self.patience_seconds)
        if not self.lock.acquire(patience, many):
            raise StorageUnavailableError(f"another thread was writing to {self.place} for {patience.seconds:.3g} s.")
        return patience

    def begin_write(self, table: str, many: bool = False) -> tuple[Connection, Patience | None]:
        """The turn to write and a connection, as :meth:`begin_turn` and :meth:`take`; :meth:`end_write` ends both.
        No patience: none of it is used yet."""
        patience = None
        if self._pid != os.getpid() or self._spoilt or not self.lock.take_free(threading.get_ident(), many):
            patience = self.begin_turn(many)
        try:
            return self._lent(table), patience
        except BaseException:
            self.lock.release()
            raise

    def end_write(self, connection: Connection) -> None:
        """Give the connection back, and the turn to the next."""
        try:
            self.give(connection)
        finally:
            self.lock.release()

    # --- lending -----------------------------------------------------------------------------------------------------

    def take(self, table: str | None = None) -> Connection:
        """A connection to the file as it is now, for this thread alone until it is given back; the table is there.

        Raises ``TableNotFoundError``, ``TableMismatchError`` or ``StorageError``; then there is nothing to give back.
        """
        self._check_process()
        self._looked = -1.0
        return self._lent(table)

    def _lent(self, table: str | None) -> Connection:
        me = threading.get_ident()
        self._busy.append(me)
        try:
            if self._forking:
                self._wait_for_fork(me)
            if time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
                self._look()
            while True:
                try:
                    connection = self._idle.pop()
                except IndexError:
                    connection = self._open()
                if connection.file == self._file:
                    break
                # The file was deleted or replaced: what we write there, nobody would ever read.
                self._all.discard(connection)
                abandon(connection)
        except BaseException:
            self._busy.remove(me)
            raise
        if table is not None and table not in connection.tables:
            try:
                self.retry(lambda: schema.check_table(connection.raw, table, self.place), table)
            except BaseException:
                self.give(connection)
                raise
            connection.tables.add(table)
        return connection

    def _wait_for_fork(self, me: int) -> None:
        busy = self._busy
        while self._forking and busy.count(me) == 1:
            busy.remove(me)
            time.sleep(0.0002)
            busy.append(me)

    def _look(self) -> None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            raise no_file(self.place) from None
        except OSError as error:
            raise StorageError(f"{self.place} cannot be reached: {error}.") from error
        self._file, self._looked = (found.st_dev, found.st_ino), time.monotonic()

    def _open(self) -> Connection:
        file = self._file
        connection = self.retry(lambda: self._opened(file))
        self._all.add(connection)
        return connection

    def _opened(self, file: tuple[int, int]) -> Connection:
        raw = connect(self.path, "rw")
        try:
            schema.configure(raw)
            if schema.is_ours(raw, self.place):  # else it is empty, until somebody makes the first table
                schema.use_wal(raw, self.place)
        except BaseException:
            raw.close()
            raise
        return Connection(raw, file, self._pid)

    def give(self, connection: Connection) -> None:
        """Back to the others."""
        if connection.pid != self._pid:
            return  # we are a child that was forked while it was in use: it is the parent's
        if connection in self._all and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            self._all.discard(connection)
            connection.raw.close()
        self._busy.remove(threading.get_ident())

    @contextlib.contextmanager
    def lend(self, table: str | None = None) -> Iterator[Raw]:
        """``take`` and ``give`` as a block."""
        connection = self.take(table)
        try:
            yield connection.raw
        finally:
            self.give(connection)

    def retry(self, action: Callable[[], T], table: str | None = None, patience: Patience | None = None) -> T:
        """Do it again while others have the file; SQLite's errors as ours."""
        while True:
            try:
                return action()
            except sqlite3.Error as error:
                patience = patience or Patience(self.patience_seconds)
                if not (is_busy(error) and patience.pause()):
                    raise storage_error(error, self.place, table) from error

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        if self._pid != os.getpid():
            self.forked()
        self._close_idle()
        self._all.clear()
        self.lock.close()

    def _close_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            self._all.discard(connection)
            connection.raw.close()

    # --- forks -------------------------------------------------------------------------------------------------------
    # SQLite keeps one list of the files that a process has open, and of the locks it has on them. A child inherits the
    # list but not the locks: even a new connection of its own would be without them, and two processes would damage the
    # file. So nothing is open at the moment of a fork; where that cannot be had, the child may not use this file.

    def before_fork(self) -> None:
        """Let the other threads finish what they do, and close everything."""
        self._forking = True
        me = threading.get_ident()
        until = time.monotonic() + _FORK_WAITS_SECONDS
        while any(ident != me for ident in list(self._busy)) and time.monotonic() < until:
            time.sleep(0.0002)
        self._close_idle()
        self.lock.rest()

    def after_fork(self) -> None:
        """In the parent: go on."""
        self._forking = False

    def forked(self) -> None:
        """In the child: what is still open is the parent's. It is not even closed."""
        for connection in self._all:
            self._spoilt = True
            abandon(connection)
        self._all, self._idle, self._busy = set(), [], []
        self._forking = False
        self._pid = os.getpid()
        self.lock.forked()

    def _check_process(self) -> None:
        if self._pid != os.getpid():  # a fork that did not run our hooks
            self.forked()
        if self._spoilt:
            raise StorageError(
                f"this process was forked while its parent was in the middle of a transaction on {self.place}; SQLite "
                "cannot use the file here. Fork before or after (or start processes by spawn)."
            )


def connect(path: str, mode: str) -> Raw:
    """A bare connection; ``mode`` is rw (the file must be there) or rwc."""
    schema.check_sqlite()
    raw = sqlite3.connect(
        file_uri(path, mode),
        uri=True,
        timeout=0,  # waiting is ours: see lock.py
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=Raw,
    )
    raw.seen = deque(maxlen=1)
    schema.add_functions(raw, raw.seen)
    return raw


def file_uri(path: str, mode: str) -> str:
    """SQLite's URI of a file; on Windows C:\\x is file:///C:/x."""
    path = path.replace("\\", "/") if os.name == "nt" else path
    return f"file://{'' if path.startswith('/') else '/'}{quote(os.fsencode(path))}?mode={mode}"


def abandon(connection: Connection) -> None:
    """Never close this connection, nor let it be closed: its memory and descriptors are given up.

    After a fork it is the parent's; on a deleted file, closing would remove the log of the new file of that name.
    """
    _never_closed.append(connection.raw)
    try:
        import ctypes
    except ImportError:
        return
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection.raw))  # the list is cleared when Python ends


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
