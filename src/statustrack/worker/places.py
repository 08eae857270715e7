"""One table of one engine at work: what goes to it in one request, and how it is while it does not answer."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from time import monotonic

from statustrack.core import lifecycle
from statustrack.core.errors import StorageError
from statustrack.core.writes import Write
from statustrack.engines.protocol import Engine, Outcome, Unknown
from statustrack.tracking.trace import log
from statustrack.worker.jobs import Job, Work
from statustrack.worker.outcomes import Outcomes
from statustrack.worker.report import Report

#: The longest pause between polls that find nothing, and between tries while the storage does not answer.
LONGEST_PAUSE_SECONDS = {"sqlite": 2.0, "dynamodb": 5.0}


class Place:
    """One table of one engine."""

    def __init__(self, engine: Engine, table: str, report: Report) -> None:
        self.engine = engine
        self.table = table
        self.outcomes = Outcomes(report)
        self.longest_pause = LONGEST_PAUSE_SECONDS.get(engine.name, 5.0)
        self.trouble_until = 0.0  #: (monotonic) nothing is claimed or read before then
        self._pause = 0.1
        self._doubtful: list[tuple[Job, str, str, float]] = []

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes; what no other try cures counts as unknown too: it may be repaired (a permission, a table)
        while we still hold the leases."""
        try:
            return self.engine.apply(self.table, writes)
        except StorageError as error:
            return [Unknown(error)] * len(writes)

    def apply_quietly(self, writes: list[Write]) -> None:
        """Carry out writes that are a courtesy: without them leases run out."""
        for outcome in self.apply(writes):
            if isinstance(outcome, Unknown):
                log(logging.WARNING, "give_back_failed", writes[0].key, tasks=len(writes), cause=str(outcome.cause))
                return

    def give_back(self, works: Sequence[Work]) -> None:
        """Give back tasks that were claimed and not begun."""
        now = self.engine.now()
        self.apply_quietly([lifecycle.give_back(work.job.config, work.task._row, now=now) for work in works])

    def trouble(self, cause: StorageError) -> None:
        """The storage does not answer, or refuses: claim and read nothing for a while."""
        log(logging.WARNING, "storage_trouble", self.table, cause=str(cause), pause_seconds=round(self._pause, 1))
        self.trouble_until = monotonic() + self._pause * (0.5 + random.random())
        self._pause = min(self._pause * 2, self.longest_pause)

    def answered(self) -> None:
        """It works."""
        self._pause = 0.1

    # --- claims of which nothing was heard ---------------------------------------------------------------------------

    def doubt(self, job: Job, claims: Sequence[tuple[str, str]]) -> None:
        """These claims (key and token) may have landed or not: they are not entered."""
        until = monotonic() + job.lease_ms / 1000
        self._doubtful += [(job, key, token, until) for key, token in claims]

    def clear_doubts(self) -> None:
        """Give back those that did land, now that the storage answers again."""
        now = monotonic()
        doubtful, self._doubtful = [each for each in self._doubtful if each[3] > now], []
        if not doubtful or now < self.trouble_until:
            self._doubtful = doubtful
            return
        try:
            rows = self.engine.get(self.table, [key for _, key, _, _ in doubtful])
        except StorageError as error:
            self._doubtful = doubtful
            self.trouble(error)
            return
        at = self.engine.now()
        back = [
            lifecycle.give_back(job.config, rows[key], now=at)
            for job, key, token, _ in doubtful
            if key in rows and rows[key].get("lock") == token
        ]
        if back:
            self.apply_quietly(back)
