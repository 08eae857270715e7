"""Taking a task: the claim, the take-over of a lost one, and the exact reason when neither is possible."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from statustrack.core import lifecycle, times
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import (
    ConfigError,
    StorageError,
    StorageUnavailableError,
    TaskAlreadySucceedError,
    TaskExecutionError,
    TaskIgnoredError,
    TaskIsNotInitializedError,
    TaskIsNotReadyToStartError,
    TaskLockedError,
)
from statustrack.core.limits import ODD_LEASE_MS
from statustrack.core.record import NOT_LOCKED, lease_end_ms
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Outcome, Refused, Rejected, Unknown
from statustrack.tracking import hooks
from statustrack.tracking.heartbeat import Hold
from statustrack.tracking.identity import new_token, worker_name
from statustrack.tracking.retention import expiry
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: A claim that is refused although the row it was refused for could be claimed (it changed in between) is sent again.
CLAIM_TRIES = 5

_GENERIC = (
    "task is not ready to start yet, either it is locked or status is not in 'pending' or 'failed' or allowed status."
)


def lease_ms_of(config: TrackerConfig, engine: Engine, seconds: float | None) -> int:
    """The lease of one claim in ms. Raises ``ConfigError`` for one that this engine cannot keep, or that others would
    not
    believe in."""
    lease = config.lease_ms if seconds is None else int(seconds * 1000)
    if lease < engine.min_lease_seconds * 1000:
        raise ConfigError(
            f"lock_expire_seconds={lease / 1000:g} is too short: on {engine.name} a lease must be at least "
            f"{engine.min_lease_seconds:g} s "
            "to be renewed in time. It is renewed while the block runs, so it need not be as long as the work."
        )
    if lease > config.lease_ms + ODD_LEASE_MS:
        raise ConfigError(
            f"lock_expire_seconds={lease / 1000:g} is more than a day above the step's own "
            f"{config.lease_ms / 1000:g}: other workers would "
            "take it for the work of a broken clock. The lease is renewed while the block runs: a short one is enough."
        )
    return lease


class Claim:
    """One attempt to take one task; :meth:`take` returns the hold and the row, or raises why not."""

    def __init__(
        self,
        engine: Engine,
        table: str,
        config: TrackerConfig,
        key: str,
        lease_ms: int,
        statuses: tuple[int, ...],
        step: type[BaseTask],
    ) -> None:
        self.engine = engine
        self.table = table
        self.config = config
        self.key = key
        self.lease_ms = lease_ms
        self.statuses = statuses
        self.step = step

    def take(self) -> tuple[Hold, Row] | Row | None:
        """The hold and the row; or the row as a refusal found it; or None when there is no such row.

        :raises StorageUnavailableError: the claim is in doubt, or was answered after its lease: it was given back.
        """
        engine, table, config = self.engine, self.table, self.config
        slack_ms = engine.slack_ms(config.lease_ms)
        current: Row | None = None
        for _ in range(CLAIM_TRIES):
            now, boot, wall = self._clocks()
            token = new_token()
            write = lifecycle.claim(
                config,
                self.key,
                token=token,
                worker=worker_name(),
                now=now,
                slack_ms=slack_ms,
                lease_ms=self.lease_ms,
                statuses=self.statuses,
            )
            outcome = engine.apply(table, [write])[0]
            if isinstance(outcome, Refused):
                current = outcome.current
                if current is None:
                    return None
                if lifecycle.lease_is_over(config, current, now, slack_ms):
                    now, boot, wall = self._clocks()
                    token = new_token()
                    write = lifecycle.take_over(
                        config,
                        current,
                        token=token,
                        worker=worker_name(),
                        now=now,
                        lease_ms=self.lease_ms,
                        expire_at=expiry(engine, table, config, config.ignored_status, now),
                    )
                    outcome = engine.apply(table, [write])[0]
                    if isinstance(outcome, Refused):
                        current = outcome.current
                        if current is None:
                            return None
                        continue
                elif not self._could_be_claimed(current, now):
                    return current
                else:
                    continue
            taken = self._settle(outcome, write, token, now, boot, wall)
            if taken is not None:
                return taken
        return current

    def _clocks(self) -> tuple[int, int, int]:
        engine, clock = self.engine, self.engine.clock
        return engine.now(), clock.boot(), clock.wall()  # on DynamoDB the first reading of all asks the service

    def _could_be_claimed(self, row: Row, now: int) -> bool:
        return (
            row.get("status") in self.statuses
            and int(row.get("ready_at") or 0) <= now // 1000
            and lease_end_ms(row, self.config, now) + self.engine.slack_ms(self.config.lease_ms) <= now // 1000
            and ("expire_at" not in row or row["expire_at"] > now // 1_000_000)
        )

    def _settle(
        self, outcome: Outcome, write: Write, token: str, now: int, boot: int, wall: int
    ) -> tuple[Hold, Row] | Row | None:
        hold = Hold(self.engine, self.table, self.config, self.key, token, self.lease_ms)
        hold.sent(now // 1000 + self.lease_ms, boot, wall)
        if isinstance(outcome, Applied):
            row = outcome.row
            if row.get("lock") != token:  # the take-over of a task that killed its workers too often: it is ignored now
                log(logging.WARNING, "ignored", self.key, retry=row.get("retry"), error=row.get("error_summary"))
                self._fire("ignored", row)
                return row
            if hold.left_ms() <= 0:
                self._give_back(row)
                raise StorageUnavailableError(
                    f"the claim of {self.key!r} was answered after its own lease of {self.lease_ms / 1000:g} s: it "
                    f"was given back. "
                    "The storage (or this machine) is too slow for that lease."
                )
            if write.event == "take_over":
                log(logging.WARNING, "take_over", self.key, attempt=row.get("attempt"), retry=row.get("retry"))
                self._fire("taken_over", row)
            return hold, row
        if isinstance(outcome, Rejected):
            return self.end_too_large(outcome.reason)
        assert not isinstance(outcome, Refused)
        with contextlib.suppress(StorageError):  # where even that fails, the lease runs out
            release_doubtful(self.engine, self.table, self.config, {self.key: token})
        raise StorageUnavailableError(
            f"the claim of {self.key!r} was not confirmed: {outcome.cause}. It was not entered; try again."
        ) from outcome.cause

    def _fire(self, event: str, row: Row) -> None:
        if hooks.registered:
            hooks.fire(event, self.step._from_row(row, self.engine, self.table))

    def _give_back(self, row: Row) -> None:
        with contextlib.suppress(StorageError):
            self.engine.apply(self.table, [lifecycle.give_back(self.config, row, now=self.engine.now())])

    def end_too_large(self, reason: str) -> Row | None:
        """The row is so large that not even a claim fits: it ends as ignored with the reason."""
        row = self.engine.get(self.table, [self.key]).get(self.key)
        if row is None:
            return None
        write = lifecycle.end_too_large(self.config, row, now=self.engine.now(), reason=reason)
        outcome = self.engine.apply(self.table, [write])[0]
        if isinstance(outcome, Applied):
            log(logging.WARNING, "ignored", self.key, error=reason)
            self._fire("ignored", outcome.row)
            return outcome.row
        if isinstance(outcome, Refused):
            return outcome.current
        raise StorageError(f"{self.key!r} is too large for the storage, and could not be ended as ignored: {outcome}")


def release_doubtful(engine: Engine, table: str, config: TrackerConfig, tokens: Mapping[str, str]) -> dict[str, str]:
    """Claims in doubt (key to token) are not entered but released by their tokens, uncounted; returns those that
    are still in doubt.

    :raises StorageError: the storage does not answer: all of them still are.
    """
    rows = engine.get(table, list(tokens))
    landed = [row for key, row in rows.items() if row.get("lock") == tokens[key]]
    if not landed:
        return {}
    outcomes = engine.apply(table, [lifecycle.give_back(config, row, now=engine.now()) for row in landed])
    unsure = [row["key"] for row, outcome in zip(landed, outcomes, strict=True) if isinstance(outcome, Unknown)]
    return {key: tokens[key] for key in unsure}


def refusal(
    cls: type[T],
    task_id: str,
    row: Row | None,
    statuses: tuple[int, ...],
    more_pending: list[int],
    engine: Engine,
    detailed: bool,
) -> tuple[TaskIsNotReadyToStartError, str]:
    """The error for a task that could not be taken, and the line that the trace prints."""
    config = cls.config
    use_case_id = config.use_case_id
    if row is None:
        missing: TaskIsNotReadyToStartError = TaskIsNotInitializedError.make(use_case_id, task_id)
        return missing, "task failed to get lock, because it is not initialized yet."
    now = engine.now()
    status = row.get("status")
    slack = engine.slack_ms(config.lease_ms)
    end = lease_end_ms(row, config, now)
    ready = int(row.get("ready_at") or 0)
    name = TaskExecutionError.to_task(use_case_id, task_id)
    specific: TaskIsNotReadyToStartError
    retry_at: int | None = None
    # In this step's in_progress it was held when the claim was refused, even if its lease has ended since.
    held = end + slack > now // 1000 or status == config.in_progress_status
    if held and row.get("lock") not in (None, NOT_LOCKED):
        specific = TaskLockedError.make(use_case_id, task_id)
        line = "task failed to get lock, because it is already locked by another worker."
        retry_at = end + slack
    elif status == config.succeeded_status and status not in statuses:
        specific = TaskAlreadySucceedError.make(use_case_id, task_id)
        line = "task failed to get lock, because it is already succeeded."
    elif status == config.ignored_status and status not in statuses:
        specific = TaskIgnoredError.make(use_case_id, task_id)
        line = "task failed to get lock, because it is ignored."
    elif status in statuses:
        reason = "not_ready"
        if ready > now // 1000:
            retry_at = ready
            specific = TaskIsNotReadyToStartError(
                f"{name} is not ready to start before {times.micros_to_datetime(ready * 1000).isoformat()}: "
                + ("it waits after a failure (backoff)." if row.get("retry") else "it was put off (snoozed).")
            )
        elif "expire_at" in row and row["expire_at"] <= now // 1_000_000:
            specific = TaskIsNotReadyToStartError(
                f"{name} is not ready to start: its retention has ended, the storage is about to delete it. Create "
                f"it anew."
            )
        else:
            specific = TaskIsNotReadyToStartError(f"{name} is not ready to start: others keep changing it. Try again.")
        specific.reason = reason
        line = "task is not ready to start yet, either it is locked or status is not in 'pending' or 'failed'."
    else:
        if more_pending:
            specific = TaskIsNotReadyToStartError(
                f"{name} is not ready to start, the status {status} is not in the ready-to-start status {more_pending}."
            )
            line = (
                f"task is not ready to start, the status {status} is not in the ready-to-start status: {more_pending}."
            )
        else:
            specific = TaskIsNotReadyToStartError.make(use_case_id, task_id)
            line = "task is not ready to start yet, either it is locked or status is not in 'pending' or 'failed'."
        specific.reason = "other_step"
    error = specific
    if not detailed:
        error, line = TaskIsNotReadyToStartError.make(use_case_id, task_id), _GENERIC
        error.reason = specific.reason
    error.task = cls._from_row(row, engine, cls._engine_and_table()[1])
    error.retry_at = _moment(retry_at)
    return error, line


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else times.micros_to_datetime(ms * 1000)
