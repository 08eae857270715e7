"""Process handlers: a few persistent child processes per step, each spoken to by the thread that runs its task."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from statustrack.core.errors import StatusTrackError
from statustrack.worker.child import serve
from statustrack.worker.jobs import Job, Work

_spawn = multiprocessing.get_context("spawn")
#: How often a thread that waits for its child looks whether the lease still stands.
LOOK_SECONDS = 0.25
#: How long a child may take to start and to import the module of its handler.
START_SECONDS = 120.0


class HandlerProcessDied(StatusTrackError):
    """The process of the handler died in the middle of a task: a crash in native code, ``os._exit``, out of memory."""


class Children:
    """The child processes of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._idle: list[Child] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, work: Work) -> None:
        """Run the handler on this task in a child; what it raises is kept in ``work.error``."""
        with self._lock:
            child = self._idle.pop() if self._idle else None
        try:
            if child is None or not child.is_alive:
                child = Child(self._job)
            if work.run_by(child):
                child.wait_until_ready(work)
                self._job.watch(work)  # importing the user's modules is not the handler's time
                child.work(work)
        except Exception as error:
            work.error = error
        finally:
            work.runner = None
            if child is not None:
                with self._lock:
                    keep = child.is_alive and not self._closed
                    if keep:
                        self._idle.append(child)
                if not keep:
                    child.stop()

    def close(self) -> None:
        """End the children that have nothing to do; the others end with their task."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.stop()


class Child:
    """One child process, seen from the worker."""

    def __init__(self, job: Job) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(
            target=serve, args=(theirs, *job.handler.name), name=f"statustrack-{job.step.__name__}", daemon=False
        )
        self._process.start()
        theirs.close()  # so that each side sees the end of the other
        self._module = job.handler.name[0]
        self._ready = False
        self._stopped = False

    @property
    def is_alive(self) -> bool:
        return not self._stopped and self._process.is_alive()

    def stop(self) -> None:
        """Kill it; from any thread."""
        self._stopped = True
        self._process.kill()

    def wait_until_ready(self, work: Work) -> None:
        """Until it has imported its handler. Raises what the import raised."""
        if self._ready:
            return
        until = monotonic() + START_SECONDS
        with self._dying("before it was ready", work):
            while not self._pipe.poll(LOOK_SECONDS):
                self._look(work)
                if monotonic() > until:
                    self.stop()
                    raise HandlerProcessDied(
                        f"the process of the handler was not ready after {START_SECONDS:g} s: it hangs while it "
                        f"imports {self._module}, or the machine has no room for it."
                    )
            kind, value = self._pipe.recv()
        if kind == "raised":
            self.stop()
            raise value
        self._ready = True

    def _look(self, work: Work) -> None:
        if work._hold.is_lost:  # whoever has the task now must not meet us at work on it
            self.stop()
            work.check()

    @contextmanager
    def _dying(self, when: str, work: Work) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join(5.0)
            work.check()
            raise HandlerProcessDied(
                f"the process of the handler died {when} (exit code {self._process.exitcode})."
            ) from None

    def work(self, work: Work) -> None:
        """One task, from the sending to the answer. Raises what the handler raised."""
        facts = {
            "attempt": work.attempt,
            "fence": work.fence,
            "lock_token": work.lock_token,
            "lease_until": work.lease_until,
        }
        message = pickle.dumps((work.task, facts))
        while True:
            with self._dying("in the middle of the task", work):
                if message:
                    self._pipe.send_bytes(message)
                    message = b""
                while not self._pipe.poll(LOOK_SECONDS):
                    self._look(work)
                kind, value = self._pipe.recv()
            if kind == "done":
                data, transact, sql = value
                if data is not None:
                    work._pending["data"] = data
                if transact or sql:
                    work.also(transact=transact, sql=sql)
                return
            if kind == "raised":
                raise value
            answer = _answer(work, kind, value)
            with self._dying("in the middle of the task", work):
                self._pipe.send(answer)


def _answer(work: Work, verb: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """What the child asked its context."""
    try:
        if verb == "lease_lost":
            return "value", work.lease_lost
        if verb == "check":
            return "value", work.check()  # type: ignore[func-returns-value]
        if verb == "progress":
            return "value", work.progress(*arguments)  # type: ignore[func-returns-value]
        if arguments[0] is not None:
            work._pending["data"] = arguments[0]
        return "value", work.update()  # type: ignore[func-returns-value]
    except Exception as error:
        return "error", error
