"""What the ends of attempts become: plans, writes in one request with many others, and their consequences."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from time import monotonic
from typing import Any

from statustrack.core.config import WORKER_RETRY_DELAY_SECONDS
from statustrack.core.errors import StorageError, TaskLeaseLostError, TaskOutcomeUnknownError
from statustrack.engines.protocol import ExtraFailed, TogetherOutcome, Unknown
from statustrack.tracking import finish
from statustrack.tracking.ending import Plan, plan_for
from statustrack.tracking.heartbeat import let_go
from statustrack.tracking.trace import SILENT, log
from statustrack.worker.jobs import Work
from statustrack.worker.report import Report

#: Pauses between resends while the storage does not answer.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 5.0


class Outcomes:
    """The attempts of one table that have ended and are not yet known to be recorded."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.ready: list[Work] = []  #: with their plans, to be sent at once
        self.unknown: list[Work] = []  #: sent, and not answered
        self._pause = FIRST_PAUSE_SECONDS
        self._resend_at = 0.0

    @property
    def next_resend(self) -> float:
        """When (monotonic) to send again what was not answered."""
        return self._resend_at if self.unknown else float("inf")

    def add(self, work: Work) -> bool:
        """An attempt has ended: plan its write. False: nothing is to be recorded."""
        if work.plan is None:
            error = work.error
            if isinstance(error, TaskLeaseLostError) and error.task is work.task:
                self._after_loss(work, error)
                return False
            work.plan = plan_for(work, work.error, WORKER_RETRY_DELAY_SECONDS)
        self.ready.append(work)
        return True

    def take(self) -> list[Work]:
        """What is to be sent now."""
        taken, self.ready = self.ready, []
        if self.unknown and monotonic() >= self._resend_at:
            taken += self.unknown
            self.unknown = []
        return taken

    def settle(self, works: Sequence[Work], outcomes: Sequence[TogetherOutcome]) -> list[Work]:
        """Draw the consequences; the works whose attempts are over (their holds let go)."""
        over: list[Work] = []
        cause: StorageError | None = None
        for work, outcome in zip(works, outcomes, strict=True):
            if isinstance(outcome, Unknown) and work._hold.left_ms() > 0:
                cause = outcome.cause
                self.unknown.append(work)
                continue
            if settle(work, outcome, self._report):
                over.append(work)
            else:
                self.ready.append(work)  # refused for its content: something else is to be recorded
        if cause is None:
            self._pause = FIRST_PAUSE_SECONDS
        else:
            log(
                logging.WARNING, "outcomes_resend", self.unknown[0]._hold.key, outcomes=len(self.unknown),
                cause=str(cause), pause_seconds=round(self._pause, 2),
            )  # fmt: skip
            self._resend_at = monotonic() + self._pause * (0.5 + random.random())
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        return over

    def _after_loss(self, work: Work, error: TaskLeaseLostError) -> None:
        """The handler stopped because its lease is lost: whoever took the task over goes on with it."""
        try:
            finish.after_loss(work, error, SILENT)
        except StorageError as cause:
            log(logging.WARNING, "release_failed", work._hold.key, cause=str(cause))
        self._report.lost += 1
        let_go(work._hold)


def deliver_with_extra(work: Work, report: Report) -> None:
    """An attempt that commits together with writes of its own goes alone; in the thread that ran it."""
    plan: Plan | None = work.plan or plan_for(work, work.error, WORKER_RETRY_DELAY_SECONDS)
    while plan is not None:
        work.plan = plan
        try:
            outcome = finish.deliver(work, plan)
        except StorageError as error:
            outcome = Unknown(error)
        if isinstance(outcome, ExtraFailed):
            work._extra, work.error = None, outcome.error
            plan = plan_for(work, work.error, WORKER_RETRY_DELAY_SECONDS)
            continue
        plan = None if settle(work, outcome, report) else work.plan


def settle(work: Work, outcome: TogetherOutcome, report: Report) -> bool:
    """True: the attempt is over, and counted. False: another plan is in its place."""
    plan: Any = work.plan
    try:
        other = finish.settle(work, plan, outcome, SILENT)
    except TaskLeaseLostError:
        report.lost += 1
    except TaskOutcomeUnknownError as error:
        report.unknown += 1
        log(logging.ERROR, "outcome_unknown_for_good", work._hold.key, error=str(error))
    except StorageError as error:  # neither the outcome nor the reason for it can be recorded: the lease runs out
        report.unknown += 1
        log(logging.ERROR, "outcome_refused", work._hold.key, error=str(error))
    else:
        if other is not None:
            work.plan = other
            return False
        count(report, work.outcome)
    let_go(work._hold)
    return True


def count(report: Report, outcome: str | None) -> None:
    """One more of these."""
    if outcome == "succeeded":
        report.succeeded += 1
    elif outcome is not None:
        setattr(report, outcome, getattr(report, outcome) + 1)
