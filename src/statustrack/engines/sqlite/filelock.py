"""An advisory lock among processes that can be waited for in vain: flock, with a thread that does the waiting.

The kernel wakes a waiting flock at once and treats all alike; asking again and again in short sleeps measured up to ten
times the longest wait and half again the CPU. But a waiting flock cannot be given up, and its holder may be suspended
(Ctrl-Z, a frozen container): a suspended process would suspend all others. So a thread of its own waits, and may be
left waiting. It lives from the first wait to ``close`` or a fork.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

if sys.platform != "win32":
    import fcntl

    #: How long to wait for other processes before doing without: the holder may be suspended.
    _LONGEST_WAIT = 2.0
    #: Before that, time for whoever is writing to write some more: a change of the writer costs all that SQLite has
    #: cached, and a wake-up. It costs as much as several single writes, but not as much as a batch: of four processes
    #: with one task at a time, 0.9 of one's rate with the longer sleep and 0.78 with the shorter; of four workers, 0.8
    #: with the longer and 0.9 with the shorter.
    _POLITE_SLEEPS, _POLITE_SLEEPS_OF_MANY = (0.0001, 0.008), (0.0001, 0.003)
    #: As long as a wait was in vain the last time.
    _WAIT_IN_DOUBT = 0.02
    #: A deleted lock file is noticed after so many turns.
    _TURNS_BETWEEN_LOOKS = 100

    class FileLock:
        """The lock of one file beside the database; used by one thread at a time."""

        def __init__(self, database: str) -> None:
            self.path = database + "-lock"
            self._database = database
            self._file = -1
            self._held = False
            self._turns = 0
            self._wait = _LONGEST_WAIT
            self._reset()

        def _reset(self) -> None:
            self._state = threading.Lock()  # around the four below
            self._thread: threading.Thread | None = None
            self._asked = False  # the thread waits for the lock, or has been told to
            self._unwanted = False  # and nobody waits for it any more
            self._stop = False
            self._go = threading.Lock()
            self._go.acquire()
            self._got = threading.Lock()
            self._got.acquire()

        def acquire(self, many: bool = False) -> bool:
            """Take the lock, for a batch or a single write; False where that cannot be done (in time)."""
            if self._file < 0 or self._turns >= _TURNS_BETWEEN_LOOKS:
                self._turns = 0
                self._open()
                if self._file < 0:
                    return False
            self._turns += 1
            if not self._asked:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._held = True
                    return True
                except BlockingIOError:
                    pass
                except OSError:  # a file system without such locks
                    return False
            self._held = (not self._asked and self._be_polite(many)) or self._wait_for_it()
            self._wait = _LONGEST_WAIT if self._held else _WAIT_IN_DOUBT
            return self._held

        def release(self) -> None:
            """Give the lock to the next, if it is held."""
            if self._held:
                self._held = False
                fcntl.flock(self._file, fcntl.LOCK_UN)

        def _be_polite(self, many: bool) -> bool:
            """Sleep a little before queueing; True when the lock was free then."""
            for seconds in _POLITE_SLEEPS_OF_MANY if many else _POLITE_SLEEPS:
                time.sleep(seconds)
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
            return False

        # --- waiting -------------------------------------------------------------------------------------------------

        def _wait_for_it(self) -> bool:
            with self._state:
                if self._thread is None:
                    thread = threading.Thread(target=self._work, name="statustrack-lock", daemon=True)
                    try:
                        thread.start()
                    except RuntimeError:  # Python is ending, or there are too many threads
                        return False
                    self._thread = thread
                self._unwanted = False
                if not self._asked:
                    self._asked = True
                    self._go.release()
            try:
                if self._got.acquire(timeout=self._wait):
                    self._asked = False
                    return True
            except BaseException:
                if self._give_up():
                    fcntl.flock(self._file, fcntl.LOCK_UN)
                raise
            return self._give_up()

        def _give_up(self) -> bool:
            """Wait no longer; True when we have the lock after all."""
            with self._state:
                if self._got.acquire(blocking=False):
                    self._asked = False
                    return True
                self._unwanted = True
                return False

        def _work(self) -> None:
            """The waiting thread."""
            go, got, state = self._go, self._got, self._state
            while True:
                go.acquire()
                if self._stop:
                    self._stop = False
                    return
                with contextlib.suppress(OSError):
                    fcntl.flock(self._file, fcntl.LOCK_EX)
                with state:
                    if self._unwanted:
                        self._unwanted = self._asked = False
                        with contextlib.suppress(OSError):
                            fcntl.flock(self._file, fcntl.LOCK_UN)
                    else:
                        got.release()

        # --- the file and the thread ---------------------------------------------------------------------------------

        def _open(self) -> None:
            if self._asked:
                return
            if self._file >= 0:
                if os.fstat(self._file).st_nlink:
                    return
                self._close_file()
            # Whoever may use the database may use its lock; a descriptor that only reads can hold it too.
            mode = 0o666
            with contextlib.suppress(OSError):
                mode = os.stat(self._database).st_mode & 0o666
            for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
                with contextlib.suppress(OSError):
                    self._file = os.open(self.path, flags | os.O_CLOEXEC, mode)
                    return

        def rest(self) -> None:
            """End the thread, unless it waits: a process that forks should have no thread unknown to its user."""
            with self._state:
                thread = self._thread
                if thread is None or self._asked:
                    return
                self._thread, self._stop = None, True
                self._go.release()
            thread.join()

        def forked(self) -> None:
            """In a forked child: nothing is held. Closing what was inherited frees nothing that the parent holds, and
            keeping it would hold the parent's turn beyond its death."""
            self._held = False
            self._reset()
            self._close_file()

        def close(self) -> None:
            """Give thread and file back; the lock is not held."""
            self.rest()
            if not self._asked:
                self._close_file()

        def _close_file(self) -> None:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

else:

    class FileLock:
        """Nothing: on Windows SQLite's own lock and our short sleeps must do."""

        def __init__(self, database: str) -> None:
            pass

        def acquire(self, many: bool = False) -> bool:
            return False

        def release(self) -> None:
            pass

        def rest(self) -> None:
            pass

        def forked(self) -> None:
            pass

        def close(self) -> None:
            pass
