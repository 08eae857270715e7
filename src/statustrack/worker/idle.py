"""When a worker with ``until_idle`` is done: every task has ended, or it has waited long enough."""

from __future__ import annotations

import logging
from time import monotonic

from statustrack.core import lifecycle
from statustrack.core.errors import StorageError
from statustrack.tracking.directory import directory_of
from statustrack.tracking.trace import log
from statustrack.worker.jobs import Job
from statustrack.worker.loop import Loop

#: Looks at the counts that must find nothing: an index may lag.
LOOKS = 2
LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.2, 2.0


class Idle:
    """Whether everything has ended. Counts are asked for only when the worker itself knows of nothing."""

    def __init__(self, loop: Loop, max_wait: float | None) -> None:
        self._loop = loop
        self._max_wait = max_wait
        self._since: float | None = None
        self._looks = 0
        self._next_look = 0.0
        self._pause = LOOK_SECONDS

    def is_over(self) -> bool:
        """Whether the worker may end."""
        loop, intake = self._loop, self._loop.intake
        if loop.held or loop.done or not intake.is_resting():
            self._since, self._looks, self._pause = None, 0, LOOK_SECONDS
            return False
        now = monotonic()
        if self._since is None:
            self._since, self._next_look = now, now
        if self._max_wait is not None and now - self._since >= self._max_wait:
            return True
        if now < self._next_look:
            return False
        if self._anything_left():
            self._looks = 0
            # Tasks in backoff may be done by others; the longer that takes, the less often we ask.
            self._next_look = now + self._pause
            self._pause = min(self._pause * 1.5, LONGEST_LOOK_SECONDS)
            return False
        self._looks += 1
        lags = any(not job.engine.page_is_full for job in loop.jobs)
        self._next_look = now + (LOOK_SECONDS if lags else 0.0)
        return self._looks >= LOOKS

    def next_look(self) -> float | None:
        """When the loop should let us look again, if it has nothing better to do."""
        if self._since is None:
            return None
        until = max(self._next_look, monotonic() + 0.001)
        return until if self._max_wait is None else min(until, self._since + self._max_wait)

    def _anything_left(self) -> bool:
        try:
            return any(_has_any(job) for job in self._loop.jobs)
        except StorageError as error:
            log(logging.WARNING, "storage_trouble", self._loop.jobs[0].table, cause=str(error))
            return True


def _has_any(job: Job) -> bool:
    """Whether any task of this step can be claimed, now or later, or is held by anybody."""
    config, engine = job.config, job.engine
    directory = directory_of(engine, job.table).read(30.0)
    for code in (*lifecycle.claimable(config), config.in_progress_status):
        shards = max(config.status_shards.get(code, 1), directory.shards(config.use_case_id, code), 1)
        for shard in range(1, shards + 1):
            if engine.count(job.table, config.partition(code, shard), most=1):
                return True
    return False
