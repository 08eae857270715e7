"""Whose turn it is to write: a queue of the threads of a process, and an advisory lock beside the file among processes.

SQLite's own waiting sleeps ever longer and lets workers starve for a second. This lock is for order and speed alone:
SQLite's lock stays what keeps the file whole, so the work goes on without this one where it cannot be had.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque

if sys.platform != "win32":
    import fcntl

#: How long one process waits for the others before it turns to SQLite's own lock: the holder may be suspended.
_LONGEST_WAIT = 2.0
#: As long as a wait was in vain the last time.
_WAIT_IN_DOUBT = 0.02
#: A deleted lock file is noticed after so many turns.
_TURNS_BETWEEN_LOOKS = 100


class Patience:
    """How long one call waits in all, in short sleeps that grow."""

    __slots__ = ("_sleep", "_until", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._sleep = 0.0001

    def left(self) -> float:
        """Seconds left; the first question starts the clock."""
        now = time.monotonic()
        if not self._until:
            self._until = now + self.seconds
        return self._until - now

    def pause(self) -> bool:
        """Sleep a little; False (at once) when there is no patience left."""
        if self.left() <= 0:
            return False
        time.sleep(self._sleep)
        self._sleep = min(self._sleep * 1.5, 0.005)
        return True


class Queue:
    """A lock that is handed over in the order in which its threads came."""

    __slots__ = ("_inner", "_waiting", "owner")

    def __init__(self) -> None:
        self._inner = threading.Lock()
        self._waiting: deque[tuple[threading.Lock, int]] = deque()
        self.owner = 0  #: the thread whose turn it is; 0: nobody's

    def acquire(self, patience: Patience) -> bool:
        """False when the patience ran out first."""
        me = threading.get_ident()
        with self._inner:
            if not self.owner:
                self.owner = me
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((gate, me))
        try:
            if gate.acquire(timeout=max(0.0, patience.left())):
                return True
        except BaseException:
            if not self._leave(gate, me):
                self.release()
            raise
        return not self._leave(gate, me)

    def _leave(self, gate: threading.Lock, me: int) -> bool:
        """Stop waiting; False when it is our turn already."""
        with self._inner:
            try:
                self._waiting.remove((gate, me))
            except ValueError:
                return False
            return True

    def release(self) -> None:
        with self._inner:
            if self._waiting:
                gate, self.owner = self._waiting.popleft()
                gate.release()
            else:
                self.owner = 0


class WriteLock:
    """The turn to write to one file, among all threads of all processes."""

    def __init__(self, database: str) -> None:
        self.path = database + "-lock"
        self._database = database
        self.queue = Queue()
        self._file = -1
        self._held = False
        self._turns = 0
        self._wait = _LONGEST_WAIT

    def acquire(self, patience: Patience) -> bool:
        """False: another thread of this process had the turn all the time."""
        if not self.queue.acquire(patience):
            return False
        try:
            self._held = self._lock_file()
        except BaseException:
            self.queue.release()
            raise
        return True

    def release(self) -> None:
        """Give the turn to the next."""
        if self._held:
            self._held = False
            if sys.platform != "win32":
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self.queue.release()

    if sys.platform == "win32":  # there SQLite's lock and our own short waits must do

        def _lock_file(self) -> bool:
            return False

    else:

        def _lock_file(self) -> bool:
            """Take the lock among processes; False where that cannot be done (in time)."""
            file = self._file
            if file < 0 or self._turns >= _TURNS_BETWEEN_LOOKS:
                self._turns = 0
                file = self._open()
                if file < 0:
                    return False
            self._turns += 1
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                pass
            except OSError:  # a file system without such locks
                return False
            # Asking again and again, because a blocking flock cannot be given up: a holder that is suspended would
            # suspend everybody. The rate is the same for old and new askers: sleeps that grow are what starves.
            began = time.monotonic()
            while True:
                waited = time.monotonic() - began
                if waited > self._wait:
                    self._wait = _WAIT_IN_DOUBT
                    return False
                time.sleep(0.00005 if waited < 0.1 else 0.001)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                self._wait = _LONGEST_WAIT
                return True

        def _open(self) -> int:
            if self._file >= 0:
                if os.fstat(self._file).st_nlink:
                    return self._file
                self._close()
            # Whoever may use the database may use its lock; a descriptor that only reads can hold it too.
            mode = 0o666
            with contextlib.suppress(OSError):
                mode = os.stat(self._database).st_mode & 0o666
            for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
                with contextlib.suppress(OSError):
                    self._file = os.open(self.path, flags | os.O_CLOEXEC, mode)
                    break
            return self._file

    def forked(self) -> None:
        """In a forked child: nothing is held. Closing what was inherited frees nothing that the parent holds, and
        keeping it would hold the parent's turn beyond its death."""
        self.queue = Queue()
        self._held = False
        self._close()

    def close(self) -> None:
        """Give the file back, unless it is in use."""
        if self.queue.acquire(Patience(1.0)):
            try:
                self._close()
            finally:
                self.queue.release()

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
