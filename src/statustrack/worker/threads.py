"""The threads that run handlers: they take claimed tasks by themselves, and as few of them are woken as will do."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from statustrack.worker.jobs import Work, run_handler

#: How long (seconds) the queue may stay filled before more threads are woken.
PATIENCE_SECONDS = 0.001
#: Cores used by a process whose handlers burn CPU in Python: one, more or less.
SATURATED = 0.8, 1.2


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
        self.allowed = most  #: so many at work at a time: fewer where more would only wait for the interpreter
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

    @property
    def _active(self) -> int:
        return self._count - len(self._idle) - len(self.stuck)

    @property
    def patience(self) -> float:
        """How long (seconds) the queue may stay filled before more threads are woken: each look costs who runs."""
        return PATIENCE_SECONDS if self.allowed == self.most else PATIENCE_SECONDS * 20

    def pace(self, cores: float) -> None:
        """The process has used so many cores lately. About one: the handlers burn CPU in Python, of which one at a time
        runs; threads beyond two would hold each other up, and the recording of outcomes too."""
        if SATURATED[0] < cores < SATURATED[1]:
            self.allowed = min(self.most, max(2, min(self.allowed, self._active) // 2))
        elif self.allowed < self.most:
            self.allowed = min(self.most, self.allowed * 2)

    def more(self, threads: int = 1) -> int:
        """Wake (or make) so many threads; how many there were."""
        woken, threads = 0, min(threads, self.allowed - self._active)
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

    def give_up(self, work: Work) -> bool:
        """Give up an attempt that runs; False: it has ended. A thread cannot be killed: its slot is lost until the
        handler ends."""
        if work in self.stuck:
            return False
        self.stuck.add(work)  # before the thread can learn of it, and take it out again
        if work.abandon():
            return True
        self.stuck.discard(work)
        return False

    def close(self) -> None:
        """Let every thread end after its task."""
        self._closed = True
        for bell in list(self._idle):
            bell.ring()

    def _run(self) -> None:
        bell, queue, idle = Bell(), self.queue, self._idle
        while not self._closed:
            if self._active > self.allowed:
                idle.append(bell)
                bell.wait(3600.0)
                continue
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
        if not job.admit(work):
            return
        next_one: Work | None = work
        while next_one is not None:
            if next_one.begin():
                _run_or_tell(next_one)
            if next_one.end():
                self._ended(next_one)
            else:
                self._over(next_one)
            next_one = job.next_parked()

    def _over(self, work: Work) -> None:
        """A task that was given up, or given back, has left its thread: the slot is free again."""
        self.stuck.discard(work)
        self._rest()


def _run_or_tell(work: Work) -> None:
    """Run the handler, unless the lease has ended while the task waited (a machine that slept, a stopped process)."""
    if work._hold.is_lost:
        work.error = work._lost_error()
    else:
        run_handler(work)
