"""For tests of code that uses statustrack: an engine of its own, a clock to move, and one call that runs a handler."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from statustrack.core.errors import TaskExecutionError
from statustrack.engines.clock import Clock, MovableClock, SystemClock
from statustrack.engines.protocol import Engine
from statustrack.engines.registry import open_engine, sqlite_url
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.location import use_engine
from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound=BaseTask)

__all__ = ["MovableClock", "engine", "run"]


@contextmanager
def engine(*tasks: type[BaseTask], clock: Clock | None = None, folder: str | None = None) -> Iterator[Engine]:
    """Every task class on a fresh SQLite file for the time of a block; the tables of the given classes are made.

    ::

        clock = MovableClock()
        with testing.engine(Step1, clock=clock):
            Step1.create("t-1")
            clock.advance(3600)

    :param clock: a :class:`MovableClock` to decide what time it is (leases, backoff).
    :param folder: where to put the file (default: a temporary folder, removed at the end).
    """
    home = folder if folder is not None else tempfile.mkdtemp(prefix="statustrack-")
    made = open_engine(sqlite_url(os.path.join(home, f"{uuid.uuid4().hex[:8]}.db")), clock=clock or SystemClock())
    try:
        with use_engine(made):
            for task in tasks:
                task.create_table(wait=True)
            yield made
    finally:
        made.close()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def run(
    step: type[T],
    handler: Callable[[ExecutionContext[T]], Any],
    data: dict[str, Any] | None = None,
    task_id: str | None = None,
) -> T:
    """Run a handler once on a fresh task, as a worker would, and return the task as it was recorded.

    An exception of the handler is recorded, not raised: look at ``task.status_name``, ``task.errors``, ``task.data``.
    A dict that the handler returns is merged into the data. Needs an engine: use it inside :func:`engine`.
    """
    name = task_id if task_id is not None else f"test-{uuid.uuid4().hex[:8]}"
    if not step.exists():
        step.create_table(wait=True)
    step.create(name, data)
    try:
        with step.start(name) as ctx:
            returned = handler(ctx)
            if isinstance(returned, dict):
                ctx.set_data({**ctx.data, **returned})
    except TaskExecutionError:
        raise  # ours: the lease, the storage
    except Exception:
        pass  # the handler's own: recorded
    return step.get(name)
