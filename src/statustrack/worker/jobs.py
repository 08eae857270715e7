"""A step at work in this process, and one claimed task of it on its way from the claim to the recorded outcome."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from statustrack.core import lifecycle
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError
from statustrack.core.payload import encode_data
from statustrack.engines.protocol import Engine
from statustrack.tracking import claiming, hooks
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.directory import directory_of
from statustrack.tracking.handlers import Handler, handler_of
from statustrack.worker.source import Source

if TYPE_CHECKING:
    from statustrack.tracking.ending import Plan
    from statustrack.tracking.task import BaseTask

WAITING, RUNNING, ENDED, ABANDONED = range(4)


class Job:
    """One step at work: its handler, where its tasks live, and what this process holds of it."""

    def __init__(self, step: type[BaseTask]) -> None:
        handler = handler_of(step)
        if handler is None:
            raise ConfigError(
                f"{step.__name__} has no handler: write @{step.__name__}.handler above the function that works on one "
                "task (it takes the context), in a module that is imported before the worker runs."
            )
        self.step = step
        self.handler: Handler = handler
        self.function = handler.function
        self.config: TrackerConfig = step._config()
        self.engine: Engine
        self.table: str
        self.engine, self.table = step._engine_and_table()
        self.lease_ms = claiming.lease_ms_of(self.config, self.engine, None)
        self.statuses = lifecycle.claimable(self.config)
        directory_of(self.engine, self.table).ensure(self.config, step.__name__)
        self.source = Source(self.engine, self.table, self.config)
        self.follows: list[Job] = []  #: jobs that go on where this one succeeds
        self.held = 0  #: claimed and not yet recorded
        self.finished = 0  #: since the rate was looked at last
        self.rate = 0.0  #: tasks per second, lately
        self.gate = threading.Lock()  # over the states of its works, and over running and parked
        self.running = 0
        self.parked: deque[Work] = deque()
        self.children: Any = None  #: the processes of a process handler
        if handler.kind == "process":
            check_importable(step, "kind='process'")
            from statustrack.worker.processes import Children

            self.children = Children(self)
        self.deadlines: deque[tuple[float, Work]] = deque()
        self.noted: Callable[[], None] = lambda: None  #: told that there is a deadline to watch

    # --- max_concurrency: who is refused waits in ``parked``, and is taken on by whoever ends ------------------------

    def admit(self, work: Work) -> bool:
        """Whether this task may begin now; else it is parked."""
        limit = self.handler.max_concurrency
        if limit is None:
            return True
        with self.gate:
            if self.running >= limit:
                self.parked.append(work)
                return False
            self.running += 1
            return True

    def next_parked(self) -> Work | None:
        """A task that was admitted has ended: the parked one that may begin in its place."""
        if self.handler.max_concurrency is None:
            return None
        with self.gate:
            if self.parked:
                return self.parked.popleft()
            self.running -= 1
            return None

    def watch(self, work: Work) -> None:
        """The handler begins with this task now: from here its time counts."""
        if self.handler.timeout_seconds is not None:
            self.deadlines.append((monotonic() + self.handler.timeout_seconds, work))
            self.noted()

    def __repr__(self) -> str:
        return f"Job({self.step.__name__})"


class Work(ExecutionContext[Any]):
    """A claimed task: what the handler is given, with what the worker must know of it."""

    def __init__(self, job: Job, task: Any, hold: Any, suspect: bool = False) -> None:
        super().__init__(task, hold, job.config)
        self.job = job
        self.suspect = suspect
        self.state = WAITING
        self.error: BaseException | None = None
        self.plan: Plan | None = None
        self.runner: Any = None  # what runs it, where that can be stopped: an asyncio task, a process

    def merge(self, returned: Any) -> None:
        """Take what the handler returned."""
        if type(returned) is dict or isinstance(returned, dict):
            # Also when the lease is lost: what the handler found is then kept as the late result.
            self._pending["data"] = encode_data({**self.data, **returned})
        elif returned is not None:
            raise TypeError(
                f"the handler of {self.job.step.__name__} returned {type(returned).__name__}: it must return a dict "
                "(merged into the task's data) or None."
            )

    def begin(self) -> bool:
        """The handler is about to run; False: the task was given back while it waited."""
        with self.job.gate:
            if self.state != WAITING:
                return False
            self.state = RUNNING
            return True

    def withdraw(self) -> bool:
        """Take it back before it begins; False: it has begun."""
        with self.job.gate:
            if self.state != WAITING:
                return False
            self.state = ABANDONED
            return True

    def run_by(self, runner: Any) -> bool:
        """What can be stopped when the attempt is given up; False: it has been given up already."""
        with self.job.gate:
            self.runner = runner
            return self.state == RUNNING

    def end(self) -> bool:
        """The handler has come to its end; False: the worker has given the attempt up before."""
        with self.job.gate:
            if self.state != RUNNING:
                return False
            self.state = ENDED
            return True

    def abandon(self) -> bool:
        """Give the attempt up (it took too long, or the worker must go); False: it has just ended by itself."""
        with self.job.gate:
            if self.state not in (WAITING, RUNNING):
                return False
            self.state = ABANDONED
            return True


class HandlerExit(RuntimeError):
    """A handler called ``sys.exit()`` or raised something else that would end a program."""


def run_handler(work: Work) -> None:
    """Call a plain function on its task; what it raises is kept, not raised."""
    if hooks.registered:
        hooks.fire("started", work.task)
    try:
        job = work.job
        if job.children is not None:
            job.children.run(work)  # which watches its time
            return
        job.watch(work)
        returned = job.function(work)
        if returned is not None:
            work.merge(returned)
    except Exception as error:
        work.error = error
    except BaseException as error:
        work.error = exit_error(error)


def exit_error(error: BaseException) -> BaseException:
    """In a worker nothing that a handler raises ends the program; it is a failure, or the task would be claimed and
    released for ever."""
    wrapped = HandlerExit(f"the handler raised {error!r}")
    wrapped.__cause__ = error
    wrapped.__traceback__ = error.__traceback__
    return wrapped


def check_importable(step: type[BaseTask], what: str) -> None:
    """Another process must find the step, and its handler, by importing its module."""
    found: Any = sys.modules.get(step.__module__)
    for part in step.__qualname__.split("."):
        found = getattr(found, part, None)
    main_module = sys.modules["__main__"]
    in_session = step.__module__ == "__main__" and not hasattr(main_module, "__file__")
    if found is not step or in_session:
        where = "in an interactive session" if in_session else f"where {step.__module__} has no such name"
        raise ConfigError(
            f"{what} needs steps that another process can import: {step.__qualname__} was defined {where}. Put "
            "it at the top level of a module."
        )
