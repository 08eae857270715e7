"""Whose turn it is to write: a queue of the threads of a process, and an advisory lock beside the file among processes.

SQLite's own waiting sleeps ever longer and lets workers starve for a second. This lock is for order and speed alone:
SQLite's lock stays what keeps the file whole, so the work goes on without this one where it cannot be had.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from statustrack.engines.sqlite.filelock import FileLock


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


class WriteLock:
    """The turn to write to one file: handed over among the threads of a process in the order in which they came, and
    among processes by the file lock."""

    __slots__ = ("_inner", "_waiting", "file", "owner")

    def __init__(self, database: str) -> None:
        self.file = FileLock(database)
        self._reset()

    def _reset(self) -> None:
        self._inner = threading.Lock()
        self._waiting: deque[tuple[threading.Lock, int]] = deque()
        self.owner = 0  #: the thread whose turn it is; 0: nobody's

    def take_free(self, me: int, many: bool = False) -> bool:
        """As :meth:`acquire`, for the thread with this number, but not if another thread of this process has it."""
        with self._inner:
            if self.owner:
                return False
            self.owner = me
        self._among_processes(many)
        return True

    def acquire(self, patience: Patience, many: bool = False) -> bool:
        """Wait for the turn (for a batch, or a single write); False: another thread of this process had it all the
        time."""
        if not self._among_threads(patience):
            return False
        self._among_processes(many)
        return True

    def _among_processes(self, many: bool) -> None:
        try:
            self.file.acquire(many)
        except BaseException:
            self._hand_over()
            raise

    def _among_threads(self, patience: Patience) -> bool:
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
                self._hand_over()
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
        """Give the turn to the next."""
        self.file.release()
        self._hand_over()

    def _hand_over(self) -> None:
        with self._inner:
            if self._waiting:
                gate, self.owner = self._waiting.popleft()
                gate.release()
            else:
                self.owner = 0

    def rest(self) -> None:
        """Before a fork."""
        self.file.rest()

    def forked(self) -> None:
        """In a forked child: nobody has the turn, as far as this process goes."""
        self._reset()
        self.file.forked()

    def close(self) -> None:
        """Give the file back, unless it is in use."""
        if self._among_threads(Patience(1.0)):
            try:
                self.file.close()
            finally:
                self._hand_over()
