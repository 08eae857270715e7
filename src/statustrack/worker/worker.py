"""Worker: what users make and run; one process by itself, or the parent of several."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from statustrack.core.errors import ConfigError
from statustrack.tracking.trace import log
from statustrack.worker.coroutines import Coroutines
from statustrack.worker.idle import Idle
from statustrack.worker.interrupts import Signals
from statustrack.worker.jobs import Job
from statustrack.worker.loop import Loop
from statustrack.worker.pipeline import check_sources, steps_of
from statustrack.worker.report import Report
from statustrack.worker.shutdown import finish

#: How often ``on_progress`` is called.
NOTE_SECONDS = 0.5


class Worker:
    """Runs the handlers of steps on their tasks::

        st.Worker(Step1, Step2, concurrency=16).run()

    :param steps: task classes with handlers, and pipelines.
    :param concurrency: handlers at a time in each process.
    :param processes: worker processes; more than one are started by spawn (steps must be importable).
    :param batch: claims per request while tasks take long (up to four times as many when they are quick).
    :param grace_seconds: how long running handlers may go on after SIGTERM, Ctrl-C or ``stop()``; the rest is given
        back.
    :raises ConfigError: a step without a handler, steps that do not fit, a number that cannot work.
    """

    def __init__(
        self,
        *steps: Any,
        concurrency: int = 16,
        processes: int = 1,
        batch: int = 25,
        grace_seconds: float = 10.0,
    ) -> None:
        self.steps = steps_of(steps)
        self.concurrency = _whole("concurrency", concurrency, 1, 10_000)
        self.processes = _whole("processes", processes, 1, 256)
        self.batch = _whole("batch", batch, 1, 100)
        self.grace_seconds = _seconds("grace_seconds", grace_seconds)
        self.report = Report()
        self._stop_wanted = ""
        self._release_now = False
        self._loop: Loop | None = None
        self._swarm: Any = None
        self._running = False
        self._has_siblings = False  # others begin at the same moment with the same tasks: not at their head, then
        self._in_processes = self.processes > 1
        self._together = False  # whether the processes wait for each other before they begin
        self._siblings: frozenset[str] = frozenset()  # their names, as far as we were told

    def __repr__(self) -> str:
        return f"Worker({', '.join(step.__name__ for step in self.steps)}, concurrency={self.concurrency})"

    def run(
        self,
        *,
        until_idle: bool = False,
        max_wait: float | None = None,
        on_progress: Callable[[Report], None] | None = None,
    ) -> Report:
        """Work until told to stop (a signal, :meth:`stop`); returns what was done.

        In the main thread SIGTERM and Ctrl-C stop it: nothing more is claimed, running handlers have ``grace_seconds``,
        the rest is given back uncounted; a second signal gives back at once. Works in any other thread too, where it
        leaves signals alone.

        :param until_idle: return when every task has ended (those in backoff and those that others hold are waited
            for).
        :param max_wait: with ``until_idle``: how long to wait while nothing can be claimed.
        :param on_progress: called about every half second with the report so far.
        """
        if self._in_processes:
            from statustrack.worker.swarm import Swarm

            self._swarm = Swarm(self, until_idle, max_wait)
            with Signals(self._signalled):
                try:
                    report: Report = self._swarm.run(on_progress)
                    return report
                finally:
                    self._swarm = None
        with Signals(self._signalled):
            return self._run(until_idle, max_wait, Coroutines(), on_progress)

    async def arun(
        self,
        *,
        until_idle: bool = False,
        max_wait: float | None = None,
        on_progress: Callable[[Report], None] | None = None,
    ) -> Report:
        """As :meth:`run`, inside a running event loop (a notebook, a web server): coroutine handlers run in that loop.
        When the awaiting task is cancelled the worker is stopped first."""
        import asyncio

        if self.processes > 1:
            raise ConfigError("arun() works in this process: use run() for processes > 1, or a worker of its own.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Report] = loop.create_future()

        def settle(report: Report | None, error: BaseException | None) -> None:
            if not done.done():
                if error is not None:
                    done.set_exception(error)
                elif report is not None:
                    done.set_result(report)

        def work() -> None:
            report: Report | None = None
            failed: BaseException | None = None
            try:
                report = self._run(until_idle, max_wait, Coroutines(loop), on_progress)
            except BaseException as error:
                failed = error
            loop.call_soon_threadsafe(settle, report, failed)

        threading.Thread(target=work, name="statustrack-worker", daemon=True).start()
        cancelled: asyncio.CancelledError | None = None
        while not done.done():
            try:
                await asyncio.shield(done)
            except asyncio.CancelledError as error:
                if cancelled is not None:
                    self._release_now = True
                cancelled = error
                self.stop()
            except BaseException:
                break
        if cancelled is not None:
            raise cancelled
        return done.result()

    @property
    def pids(self) -> list[int]:
        """With several processes: the ids of those that are at work now."""
        swarm = self._swarm
        return [] if swarm is None else list(swarm.pids)

    def stop(self, now: bool = False) -> None:
        """Ask a running worker to stop, from any thread: claim nothing more, wait ``grace_seconds`` for what runs, give
        the rest back. ``now``: give back at once."""
        self._stop_wanted = self._stop_wanted or "stop()"
        self._release_now = self._release_now or now
        self._ring()

    def _signalled(self, name: str) -> None:
        if self._stop_wanted:
            self._release_now = True
        self._stop_wanted = self._stop_wanted or name
        self._ring()

    def _ring(self) -> None:
        loop, swarm = self._loop, self._swarm
        if loop is not None:
            loop.bell.ring()
        if swarm is not None:
            swarm.ring()

    # --- one process -------------------------------------------------------------------------------------------------

    def _run(
        self,
        until_idle: bool,
        max_wait: float | None,
        coroutines: Coroutines,
        on_progress: Callable[[Report], None] | None = None,
    ) -> Report:
        if self._running:
            raise ConfigError("this worker is running already: make another one for another thread.")
        if max_wait is not None:
            _seconds("max_wait", max_wait)
        self._running = True
        try:
            began = monotonic()
            self.report = report = Report()
            jobs = [Job(step) for step in self.steps]
            check_sources(self.steps)
            engines = {id(job.engine): job.engine for job in jobs}
            before = {key: engine.meter.requests for key, engine in engines.items()}
            if self._has_siblings:
                for job in jobs:
                    job.source.jump(job.engine.now())
            self._loop = loop = Loop(jobs, self.concurrency, self.batch, report, coroutines)
            log(logging.INFO, "worker_started", ", ".join(step.__name__ for step in self.steps))

            def note() -> None:
                report.seconds = monotonic() - began
                report.requests = sum(engine.meter.requests - before[key] for key, engine in engines.items())

            idle = Idle(loop, max_wait) if until_idle else None
            next_note = began + NOTE_SECONDS if on_progress is not None else float("inf")
            try:
                while not self._stop_wanted and not (idle is not None and idle.is_over()):
                    look = None if idle is None else idle.next_look()
                    for job in jobs:
                        job.source.siblings = self._siblings
                    loop.turn(next_note if look is None else min(look, next_note))
                    if on_progress is not None and monotonic() >= next_note:
                        next_note = monotonic() + NOTE_SECONDS
                        note()
                        on_progress(report)
                finish(loop, self.grace_seconds, lambda: self._release_now)
            finally:
                loop.close()
                coroutines.close()
                self._loop = None
            # A killed process may not be reaped yet; its thread is about to end.
            report.stuck = sum(1 for work in list(loop.threads.stuck) if work.job.children is None)
            report.stopped_by = self._stop_wanted
            note()
            log(logging.INFO, "worker_stopped", ", ".join(step.__name__ for step in self.steps), by=self._stop_wanted)
            return report
        finally:
            self._running = False
            self._stop_wanted, self._release_now = "", False


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}={value!r} must be a whole number from {least} to {most}.")
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ConfigError(f"{name}={value!r} must be a number of seconds of 0 or more.")
    return float(value)
