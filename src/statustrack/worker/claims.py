"""Claims in batches: which tasks, the writes, and what comes of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from statustrack.core import lifecycle
from statustrack.core.errors import StorageError
from statustrack.core.record import last_was_lost
from statustrack.core.writes import Write
from statustrack.engines.protocol import Applied, Outcome, Refused, Rejected, Unknown
from statustrack.tracking.claiming import Claim
from statustrack.tracking.heartbeat import Hold, keep
from statustrack.tracking.identity import new_token, worker_name
from statustrack.tracking.trace import log
from statustrack.worker.jobs import Job, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A larger part of a batch than this refused means that rivals work at the same place.
CROWDED = 0.05


class Claims:
    """The claims of one job that go out in one request."""

    def __init__(self, job: Job, keys: Sequence[str], alone: bool = False) -> None:
        engine = job.engine
        self.job = job
        self.alone = alone
        self.keys = keys
        self.now = engine.now()  # first: on DynamoDB the very first reading asks the service for the time
        self.boot, self.wall = engine.clock.boot(), engine.clock.wall()
        self.tokens = [new_token() for _ in keys]
        self.writes: list[Write] = lifecycle.claims(
            job.config,
            keys,
            self.tokens,
            worker=worker_name(),
            now=self.now,
            slack_ms=engine.slack_ms(job.config.lease_ms),
            lease_ms=job.lease_ms,
            statuses=job.statuses,
        )
        #: What came of it, filled by :meth:`settle`.
        self.works: list[Work] = []
        self.refused = 0  #: because a rival was quicker
        self.suspects: list[str] = []
        self.back: list[Write] = []
        self.doubtful: list[tuple[str, str]] = []
        self.cause: StorageError | None = None

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Sort what came back: tasks to work on, suspects and late answers to give back, claims in doubt."""
        job, boot, wall = self.job, self.boot, self.wall
        engine, table, config, lease_ms = job.engine, job.table, job.config, job.lease_ms
        until = self.now // 1000 + lease_ms
        make, source, me = job.step._from_row, job.source, worker_name()
        late = False
        for key, token, outcome in zip(self.keys, self.tokens, outcomes, strict=True):
            if outcome.__class__ is Applied:
                row: Any = outcome.row
                hold = Hold(engine, table, config, key, token, lease_ms)
                hold.sent(until, boot, wall)
                late = late or (not self.works and hold.left_ms() <= 0)
                if late:
                    self.back.append(lifecycle.give_back(config, row, now=engine.now()))
                    continue
                suspect = last_was_lost(row)
                if suspect and not self.alone:
                    self.back.append(lifecycle.give_back(config, row, now=engine.now()))
                    self.suspects.append(key)
                    continue
                keep(hold)
                self.works.append(Work(job, make(row, engine, table), hold, suspect))
            elif isinstance(outcome, Refused):
                if outcome.current is None or outcome.current.get("worker") != me:
                    self.refused += 1
                source.refused(key, outcome.current, self.now)
            elif isinstance(outcome, Unknown):
                self.doubtful.append((key, token))
                self.cause = outcome.cause
            elif isinstance(outcome, Rejected):
                end_too_large(job, key, outcome.reason)
        if late:
            log(logging.WARNING, "claims_late", self.keys[0], claims=len(self.keys), lease_seconds=lease_ms / 1000)

    @property
    def is_crowded(self) -> bool:
        """Whether rivals were quicker with more than a few."""
        return self.refused > max(1, CROWDED * len(self.keys))


def end_too_large(job: Job, key: str, reason: str) -> None:
    """The row is so large that not even a claim fits: it ends as ignored with the reason."""
    claim = Claim(job.engine, job.table, job.config, key, job.lease_ms, job.statuses, job.step)
    try:
        claim.end_too_large(reason)
    except StorageError as error:
        log(logging.ERROR, "too_large", key, cause=str(error))
