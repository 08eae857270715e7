"""Whose turn it is to write: a queue of the threads of a process, and an advisory lock beside the file among processes.

SQLite's own waiting sleeps ever longer and lets workers starve for a second. This lock is for order and speed alone:
SQLite's lock stays what keeps the file whole, so the work goes on without this one where it cannot be had.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

try:
    import fcntl
except ImportError:  # Windows: SQLite's lock and our own waiting must do
    fcntl = None  # type: ignore[assignment]


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
        self.owner = 0

    def acquire(self, patience: Patience) -> bool:
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
            if (gate, me) in self._waiting:
                self._waiting.remove((gate, me))
                return True
            return False

    def release(self) -> None:
        with self._inner:
            if self._waiting:
                gate, self.owner = self._waiting.popleft()
                gate.release()
            else:
                self.owner = 0


class WriteLock:
    """The turn to write to one file, among all threads of all processes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.queue = Queue()
        self._file = -1
        self._held = False

    def acquire(self, patience: Patience) -> bool:
        """False: another thread of this process had the turn all the time."""
        if not self.queue.acquire(patience):
            return False
        try:
            self._held = self._lock_file(patience)
        except BaseException:
            self.queue.release()
            raise
        return True

    def release(self) -> None:
        """Give the turn to the next."""
        if self._held:
            self._held = False
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self.queue.release()

    def _lock_file(self, patience: Patience) -> bool:
        if fcntl is None:
            return False
        if self._file < 0:
            try:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:
                return False
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def forked(self) -> None:
        """In a forked child: nothing is held, nothing is inherited. Closing frees nothing that the parent holds."""
        self.queue = Queue()
        self._held = False
        self.close()

    def close(self) -> None:
        """Give the file back, unless it is in use."""
        if self.queue.acquire(Patience(1.0)):
            try:
                file, self._file = self._file, -1
                if file >= 0:
                    os.close(file)
            finally:
                self.queue.release()
