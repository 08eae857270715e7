"""The worker of the demo, run beside its screen: told to stop, and one of its processes killed in the act."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from statustrack.core.errors import StorageError
from statustrack.worker.report import Report
from statustrack.worker.worker import Worker

#: How long the processes may take to start, on a machine that has a lot else to do.
START_SECONDS = 60.0
#: After a stop: how long a handler may go on with its document before it is given back.
GRACE_SECONDS = 1.0


class Crew:
    """A worker with several processes, in a thread; use it in a ``with``: none of them is left behind."""

    def __init__(self, steps: tuple[Any, ...], processes: int, log: Path) -> None:
        # One document at a time in each: whoever is killed takes one with it. A real job claims in larger batches.
        self._worker = Worker(*steps, processes=processes, concurrency=1, batch=1, grace_seconds=GRACE_SECONDS)
        self._worker._in_processes = True  # also a single one: it is killed, and the demo is not
        self._worker._together = True
        self._size = processes
        # The library's log goes to a file: the terminal is the screen's.
        self._log = logging.FileHandler(log, encoding="utf-8", delay=True)
        self._log.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
        self._thread = threading.Thread(target=self._run, name="demo-worker", daemon=True)
        self.report: Report | None = None
        self._error: BaseException | None = None
        self.pids: list[int] = []

    def __enter__(self) -> Crew:
        logging.getLogger("statustrack").addHandler(self._log)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        logging.getLogger("statustrack").removeHandler(self._log)
        self._log.close()

    def _run(self) -> None:
        try:
            self.report = self._worker.run(until_idle=True)
        except BaseException as error:
            self._error = error

    def start(self) -> None:
        """Start, and wait until all processes are at work.

        :raises StatusTrackError: they cannot work; their words.
        """
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while len(self.pids) < self._size and self._thread.is_alive():
            if time.monotonic() > deadline:
                raise StorageError(f"the worker processes did not start within {START_SECONDS:g} s.")
            time.sleep(0.01)
            self.pids = self._worker.pids
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def changes(self) -> tuple[list[int], list[int]]:
        """The processes that have come and gone since the last look.

        :raises StatusTrackError: the worker cannot go on.
        """
        self._check()
        now = self._worker.pids
        came, went = [pid for pid in now if pid not in self.pids], [pid for pid in self.pids if pid not in now]
        if came or self.is_done:  # one that has gone is told of together with who takes its place
            self.pids = now
            return came, went
        return [], []

    @property
    def is_done(self) -> bool:
        """Whether the worker has found nothing left to do."""
        return not self._thread.is_alive()

    def kill_one_that(self, holds: Callable[[int], Any]) -> tuple[int, Any] | None:
        """SIGKILL a process at the very moment at which it holds a task; None: none did just now.

        Each is frozen, looked at, and killed only if ``holds(its pid)`` finds a task; else it goes on. Where a process
        cannot be frozen (Windows) it may have finished meanwhile: the caller looks again.
        """
        for process in multiprocessing.active_children():
            pid = process.pid
            if pid is None or pid not in self._worker.pids:
                continue
            with _frozen(pid):
                held = holds(pid)
                if held is not None:
                    process.kill()
            if held is not None:
                return pid, held
        return None

    def stop(self) -> None:
        """End all: after their document, or giving it back."""
        if self._thread.ident is not None:
            while self._thread.is_alive():  # again: one that has only just begun does not hear the first
                self._worker.stop()
                self._thread.join(1.0)


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    if sys.platform != "win32":
        try:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            time.sleep(0.003)  # until it stands still
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    else:
        yield
