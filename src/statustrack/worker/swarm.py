"""Several worker processes under one parent: started by spawn, replaced when they die, stopped together."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import TYPE_CHECKING, Any

from statustrack.core.errors import StatusTrackError
from statustrack.tracking import location
from statustrack.tracking.handlers import handler_of
from statustrack.tracking.identity import worker_name
from statustrack.tracking.trace import log
from statustrack.worker.jobs import check_importable
from statustrack.worker.report import Report, merged

if TYPE_CHECKING:
    from statustrack.worker.worker import Worker

_spawn = multiprocessing.get_context("spawn")

#: A process that dies sooner than this after its start is replaced after a pause that doubles.
SOON_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 30.0
#: Children that died at once so often in a row, without one that worked: something is wrong with all of them.
MOST_EARLY_DEATHS = 5
#: How long after grace and release a child may take to end before it is killed.
LAST_SECONDS = 10.0


class Member:
    """One worker process, seen from the parent."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.pipe, theirs = _spawn.Pipe()
        self.process = _spawn.Process(target=main, args=(settings, theirs), name="statustrack-worker", daemon=False)
        with _without_ctrl_c():
            self.process.start()
        theirs.close()  # so that either side sees the end of the other
        self.started = monotonic()
        self.report = Report()
        self.error: BaseException | None = None
        self.worked = False
        self.name = ""  #: as others see it in the rows
        self.is_listening = True
        self.is_here = True
        self.has_begun = False

    def listen(self) -> None:
        """Take what it has said."""
        try:
            while self.pipe.poll():
                kind, value = self.pipe.recv()
                if kind == "error":
                    self.error = value
                elif kind == "name":
                    self.name = value
                elif kind == "log":
                    logging.getLogger(value.name).handle(value)
                else:
                    self.report, self.worked = value, True
        except (EOFError, OSError):
            self.is_listening = False

    def tell(self, word: str, value: Any = None) -> None:
        """Stop, or release, or who its siblings are; one that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self.pipe.send((word, value))


class Swarm:
    """The parent of ``processes`` workers."""

    def __init__(self, worker: Worker, until_idle: bool, max_wait: float | None) -> None:
        for step in worker.steps:
            check_importable(step, "processes > 1")
        self._worker = worker
        forced = location._forced[-1].url if location._forced else None
        self._settings = {
            "steps": tuple(worker.steps),
            # A step may be in one module and its handler in another, which nothing else would import.
            "modules": [handler.declared_in for handler in map(handler_of, worker.steps) if handler is not None],
            "options": {
                "concurrency": worker.concurrency,
                "batch": worker.batch,
                "grace_seconds": worker.grace_seconds,
            },
            "until_idle": until_idle,
            "max_wait": max_wait,
            "engine": forced,
            "together": worker._together,
            "level": logging.getLogger("statustrack").getEffectiveLevel(),
        }
        self._members: list[Member] = []
        self._gone: list[Report] = []
        self._bell_in, self._bell_out = _spawn.Pipe(duplex=False)
        self._wanted = worker.processes
        self._replaced = 0
        self._has_begun = False
        self._early_deaths = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._start_at = 0.0

    def ring(self) -> None:
        """Wake the parent: it has been told to stop. Safe in a signal handler."""
        with contextlib.suppress(OSError):
            self._bell_out.send_bytes(b"!")

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that live now and are at work."""
        return [member.process.pid or 0 for member in list(self._members) if member.name and member.is_here]

    def run(self, on_progress: Callable[[Report], None] | None = None) -> Report:
        """Until every worker has ended by itself, or all were stopped."""
        began = monotonic()
        next_note = began + 0.5
        try:
            while True:
                self._tend()
                if self._worker._stop_wanted or not self._wanted:
                    break
                while len(self._members) < self._wanted and monotonic() >= self._start_at:
                    self._members.append(Member(self._settings))
                all_here = len(self._members) >= self._wanted
                self._wait(0.5 if all_here else max(0.01, self._start_at - monotonic()))
                if on_progress is not None and monotonic() >= next_note:
                    next_note = monotonic() + 0.5
                    on_progress(self._report(began))
            self._stop()
        finally:
            for member in self._members:
                if member.process.is_alive():
                    member.process.kill()
            stopped_by = self._worker._stop_wanted
            self._worker._stop_wanted, self._worker._release_now = "", False
            self._bell_in.close()
            self._bell_out.close()
        report = self._report(began)
        report.stopped_by = stopped_by
        self._worker.report = report
        return report

    def _report(self, began: float) -> Report:
        report = merged([*self._gone, *(member.report for member in self._members)])
        report.seconds = monotonic() - began
        report.replaced = self._replaced
        return report

    def _wait(self, seconds: float) -> None:
        sentinels: list[Any] = [member.process.sentinel for member in self._members]
        pipes = [member.pipe for member in self._members if member.is_listening]
        wait([self._bell_in, *sentinels, *pipes], timeout=seconds)
        while self._bell_in.poll():
            self._bell_in.recv_bytes()

    def _tend(self) -> None:
        """Listen to all; see who has ended, and why."""
        before = [member.name for member in self._members]
        self._tend_each()
        self._let_begin()
        names = [member.name for member in self._members]
        if names != before and not self._worker._stop_wanted:
            for member in self._members:
                if member.name:
                    member.tell("siblings", [name for name in names if name not in ("", member.name)])

    def _let_begin(self) -> None:
        """The first of them wait for each other, if that is wanted; who comes later begins at once."""
        ready = [member for member in self._members if member.name]
        if self._worker._together and not self._has_begun and len(ready) < self._wanted:
            return
        for member in ready:
            self._has_begun = True
            if not member.has_begun:
                member.has_begun = True
                member.tell("begin")

    def _tend_each(self) -> None:
        for member in list(self._members):
            dead = not member.process.is_alive()  # before listening: its last words count
            member.listen()
            if member.worked and monotonic() - member.started > SOON_SECONDS:
                self._early_deaths, self._pause = 0, FIRST_PAUSE_SECONDS
            if not dead:
                continue
            member.is_here = False
            self._members.remove(member)
            self._gone.append(member.report)
            code = member.process.exitcode
            if member.error is not None:
                raise member.error
            if code == 0:
                self._wanted -= 1  # it has ended by itself: nothing is left to do
                continue
            log(logging.WARNING, "worker_died", f"process {member.process.pid}", exit_code=code)
            if self._worker._stop_wanted:
                continue
            self._replaced += 1
            if monotonic() - member.started < SOON_SECONDS and not member.report.claimed:
                self._early_deaths += 1
                if self._early_deaths >= MOST_EARLY_DEATHS:
                    raise StatusTrackError(
                        f"{MOST_EARLY_DEATHS} worker processes in a row died before they did anything (the last with "
                        f"exit code {code}): the module of the steps cannot be imported, or the machine is out of "
                        "memory. Their own messages are above."
                    )
                self._start_at = monotonic() + self._pause
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _stop(self) -> None:
        """All stop: grace for what runs; the rest is given back; who does not end is killed."""
        told_now = False
        for member in self._members:
            member.tell("stop")
        until = monotonic() + self._worker.grace_seconds + LAST_SECONDS
        while self._members and monotonic() < until:
            if self._worker._release_now and not told_now:
                told_now = True
                for member in self._members:
                    member.tell("release")
                until = min(until, monotonic() + LAST_SECONDS)
            self._wait(0.2)
            self._tend()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process started here never sees the terminal's Ctrl-C, not even while it is still importing; ours waits."""
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # started by the first process, it would lift the mask again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by the child
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    else:
        yield


def main(settings: dict[str, Any], pipe: Connection) -> None:
    """The life of a worker process: work as the settings say; tell the parent now and then, and at the end."""
    from statustrack.worker.coroutines import Coroutines
    from statustrack.worker.worker import Worker

    lock = threading.Lock()

    def tell(kind: str, value: Any) -> None:
        # OSError: the parent is gone; _obey stops us
        with lock, contextlib.suppress(OSError):
            pipe.send((kind, value))

    _send_log(settings["level"], lambda record: tell("log", record))
    try:
        if settings["engine"]:
            location.use_engine(settings["engine"])
        for module in settings["modules"]:
            if module != "__main__":  # that is imported already, under another name
                import_module(module)
        worker = Worker(*settings["steps"], **settings["options"])
        worker._has_siblings = True
        tell("name", worker_name())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all; the parent tells us
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGTERM, lambda *_: worker._signalled("SIGTERM"))
        begin = threading.Event()
        threading.Thread(target=_obey, args=(worker, pipe, begin), name="statustrack-parent", daemon=True).start()
        if settings["together"]:
            begin.wait()
        report = worker._run(
            settings["until_idle"], settings["max_wait"], Coroutines(), lambda report: tell("report", report)
        )
        stopped_alone = report.stopped_by == "SIGTERM"
        tell("report", report)
    except StatusTrackError as error:
        tell("error", error)
        sys.exit(1)
    pipe.close()
    sys.stdout.flush()
    # A handler that hangs in a thread must not keep the process; a worker that was told to go alone is replaced.
    os._exit(3 if stopped_alone else 0)


def _send_log(level: int, send: Callable[[logging.LogRecord], None]) -> None:
    """The log goes to the parent, whose handlers decide what becomes of it; unless the user's modules, which have been
    imported by now, have set up logging for themselves."""
    from logging.handlers import QueueHandler

    class ToParent(QueueHandler):
        def enqueue(self, record: logging.LogRecord) -> None:
            send(record)

    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(ToParent(None))  # type: ignore[arg-type]
        root.setLevel(level)


def _obey(worker: Worker, pipe: Connection, begin: threading.Event) -> None:
    """Do what the parent says; when it is gone, stop."""
    while True:
        try:
            word, value = pipe.recv()
        except (EOFError, OSError):
            word, value = "stop", None
            pipe.close()
        if word == "siblings":
            worker._siblings = frozenset(value)
            continue
        if word != "begin":
            worker.stop(now=word == "release")
        begin.set()
        if pipe.closed:
            return
