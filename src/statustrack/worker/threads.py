"""The threads that run handlers: they take claimed tasks by themselves, and as few of them are woken as will do."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from statustrack.worker.jobs import RUNNING, WAITING, Work, run_handler


class Bell:
    """Wakes one waiting thread; safe to ring from a signal handler, which ``threading.Event`` is not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake whoever waits, or the next who will."""
        with contextlib.suppress(RuntimeError):  # it has been rung and nobody came yet
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Until it rings, at most so long."""
        return self._lock.acquire(timeout=seconds) if seconds > 0 else self._lock.acquire(blocking=False)


class Threads:
    """Up to ``most`` threads over one queue.

    A task is not handed over: each thread takes the next one when it is done with the last. So handlers that do nothing
    are all run by one thread without a switch, and ``more()``, called while the queue stays filled, wakes the others.
    """

    def __init__(self, most: int, ended: Callable[[Work], None], rest: Callable[[], None]) -> None:
        self.most = most
        self.queue: deque[Work] = deque()
        self._ended = ended
        self._rest = rest  # told when a thread has nothing to do
        self._idle: list[Bell] = []
        self._count = 0
        self._lock = threading.Lock()
        self._closed = False
        self.stuck: set[Work] = set()  #: given up, and still running

    @property
    def idle(self) -> int:
        """How many threads are free or could be made."""
        return len(self._idle) + self.most - self._count - len(self.stuck)

    def more(self, threads: int = 1) -> int:
        """Wake (or make) so many threads; how many there were."""
        woken = 0
        while woken < threads:
            try:
                self._idle.pop().ring()
            except IndexError:
                with self._lock:
                    if self._count >= self.most or self._closed:
                        break
                    self._count += 1
                threading.Thread(target=self._run, name="statustrack-handler", daemon=True).start()
            woken += 1
        return woken

    def close(self) -> None:
        """Let every thread end after its task."""
        self._closed = True
        for bell in list(self._idle):
            bell.ring()

    def _run(self) -> None:
        bell, queue, idle = Bell(), self.queue, self._idle
        while not self._closed:
            try:
                work = queue.popleft()
            except IndexError:
                idle.append(bell)
                self._rest()
                if queue and not self._closed:  # something came between the look and the line before
                    try:
                        idle.remove(bell)
                        continue
                    except ValueError:
                        pass  # somebody is waking us just now
                bell.wait(3600.0)
                continue
            self._work(work)
        with self._lock:
            self._count -= 1

    def _work(self, work: Work) -> None:
        job = work.job
        limit = job.handler.max_concurrency
        if limit is None and job.handler.timeout_seconds is None:
            work.state = RUNNING
            _begin(work)
            if work.end():
                self._ended(work)
            return
        with job.gate:
            if limit is not None and job.running >= limit:
                job.parked.append(work)
                return
            job.running += 1
        next_one: Work | None = work
        while next_one is not None:
            self._limited(next_one)
            with job.gate:
                next_one = None
                while job.parked and next_one is None:
                    next_one = job.parked.popleft()
                if next_one is None or self._closed:
                    job.running -= 1
                    return

    def _limited(self, work: Work) -> None:
        job = work.job
        with job.gate:
            if work.state != WAITING:  # given back while it was parked
                return
            work.state = RUNNING
        if job.handler.timeout_seconds is not None:
            job.deadlines.append((monotonic() + job.handler.timeout_seconds, work))
            self._rest()  # there is a deadline to watch
        _begin(work)
        if work.end():
            self._ended(work)
        else:
            self.stuck.discard(work)
            self._rest()  # its slot is free again


def _begin(work: Work) -> None:
    """Run the handler, unless the lease has ended while the task waited (a machine that slept, a stopped process)."""
    if work._hold.is_lost:
        work.error = work._lost_error()
    else:
        run_handler(work)
