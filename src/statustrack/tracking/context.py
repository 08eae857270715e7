"""ExecutionContext: what user code may see and do while it holds a task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from statustrack.core import lifecycle, times
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError, StorageUnavailableError, TaskExecutionError, TaskLeaseLostError
from statustrack.core.limits import PROGRESS_TEXT
from statustrack.core.payload import decode, encode, encode_data, shorten
from statustrack.core.record import fence_of
from statustrack.engines.protocol import Applied, Extra, Refused, SqlStep, Unknown
from statustrack.tracking.heartbeat import Hold
from statustrack.tracking.threads import run_shielded

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: Progress is written at most so often; what comes in between goes with the next write.
PROGRESS_EVERY_SECONDS = 1.0


class ExecutionContext(Generic[T]):
    """One attempt at one task: made by ``Task.start(...)``, not by users.

    ``task`` is the task as the claim returned it, and, when the block has ended, as it was recorded.
    """

    outcome: str | None = None  #: once ended: succeeded, failed, ignored, released, snoozed, lost or unknown
    _extra: Extra | None = None
    _progress_sent = 0

    def __init__(self, task: T, hold: Hold, config: TrackerConfig) -> None:
        self.task: T = task
        self._hold = hold
        hold.attempt, hold.task = task._row.get("attempt", 0), task
        self._config = config
        self._pending: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"ExecutionContext({self._name()}, attempt={self.attempt})"

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} holds a lease of this process and cannot be pickled. Send ctx.task (a value) or "
            f"ctx.task.task_id instead."
        )

    def _name(self) -> str:
        return TaskExecutionError.to_task(self.task.use_case_id, self.task.task_id)

    # --- what is known -----------------------------------------------------------------------------------------------

    @property
    def attempt(self) -> int:
        """The number of this attempt: 1 for the first claim of the task; it only grows."""
        return self.task.attempt

    @property
    def data(self) -> dict[str, Any]:
        """The task's data as it would be stored now: what was set last, else what the task came with. A fresh dict."""
        pending = self._pending.get("data")
        if pending is None:
            pending = self.task._row.get("data")
        found: dict[str, Any] = decode(pending, {})
        return found

    @property
    def fence(self) -> int:
        """The fencing token: a number that is larger in every later attempt. Hand it to other systems, and let them
        refuse
        writes with a smaller one than they have seen."""
        return fence_of(self.task._row)

    @property
    def lock_token(self) -> str:
        """The lock token (a uuid in hexadecimal): only its holder can end the attempt."""
        return self._hold.token

    @property
    def lease_until(self) -> datetime:
        """When the lease ends unless it is renewed (service time)."""
        return times.micros_to_datetime(self._hold.until_ms * 1000)

    @property
    def lease_lost(self) -> bool:
        """Whether the task is no longer this worker's: its outcome will not be recorded. Stop, and undo what you
        can."""
        return self._hold.is_lost

    def check(self) -> None:
        """Raise :class:`TaskLeaseLostError` if the lease is lost; call it between the steps of long work."""
        if self._hold.is_lost:
            raise self._lost_error()

    def _lost_error(self, current: Any = None) -> TaskLeaseLostError:
        error = TaskLeaseLostError(
            f"{self._name()}: attempt {self.attempt} lost its lease: {self._hold.reason()}. Its outcome is not "
            f"recorded; another "
            "worker goes on from the task as it was."
        )
        error.task, error.current = self.task, current
        return error

    # --- what is set -------------------------------------------------------------------------------------------------

    def set_data(self, data: dict[str, Any] | None) -> ExecutionContext[T]:
        """Replace the task's data when the block succeeds (or at the next :meth:`update`); dropped when it fails.

        :raises InvalidDataError: not a dict, not JSON (the path is named) or more than 352 KB.
        :raises TaskLeaseLostError: the lease is lost.
        """
        self.check()
        self._pending["data"] = encode_data(data)
        return self

    def progress(self, fraction: Any = None, message: str = "") -> None:
        """Say how far the work is (0 to 1), for people who look; written at most once a second, and no index write.

        :raises ConfigError: a fraction outside 0 to 1.
        :raises TaskLeaseLostError: the lease is lost.
        """
        self.check()
        if fraction is not None:
            if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not math.isfinite(fraction):
                raise ConfigError(f"progress fraction {fraction!r} must be a number from 0 to 1, or None.")
            if not 0 <= fraction <= 1:
                raise ConfigError(f"progress fraction {fraction!r} must be from 0 to 1.")
        text = encode(
            {
                "fraction": fraction,
                "message": shorten(str(message), PROGRESS_TEXT),
                "time": times.to_text(self._hold.engine.now()),
            }
        )
        self._pending["progress"] = text
        boot = self._hold.engine.clock.boot()
        if boot - self._progress_sent >= PROGRESS_EVERY_SECONDS * 1_000_000:
            self._progress_sent = boot
            self._send({"progress": self._pending.pop("progress")})

    def update(self) -> None:
        """Store what was set so far now, before the block ends; it stays also when the block fails. Renews the lease.

        :raises TaskLeaseLostError: the lease is lost; nothing was stored.
        :raises StorageUnavailableError: the storage did not answer; call it again, or go on without.
        """
        self.check()
        self._send(dict(self._pending))
        self._pending.clear()

    async def aprogress(self, fraction: Any = None, message: str = "") -> None:
        """Async twin of :meth:`progress`."""
        await run_shielded(self.progress, fraction, message)

    async def aupdate(self) -> None:
        """Async twin of :meth:`update`."""
        await run_shielded(self.update)

    def _send(self, changes: dict[str, Any]) -> None:
        hold = self._hold
        with hold.lock:
            boot, wall = hold.engine.clock.boot(), hold.engine.clock.wall()
            now = hold.engine.now()
            until = hold.next_until(now)
            write = lifecycle.update(
                self._config,
                hold.key,
                token=hold.token,
                now=now,
                until_ms=until,
                changes=changes,
                attempt=hold.attempt,
            )
            outcome = hold.engine.apply(hold.table, [write])[0]
            if isinstance(outcome, Applied):
                hold.sent(until, boot, wall)
                self.task._take(outcome.row)
                return
            if isinstance(outcome, Refused):
                hold.refused(outcome.current)
                if hold.why_lost is None:
                    hold.lose("its state was changed by another")
                raise self._lost_error(outcome.current)
        if isinstance(outcome, Unknown):
            raise StorageUnavailableError(
                f"{self._name()}: the update was not confirmed: {outcome.cause}. The task is still held; try again."
            ) from outcome.cause
        raise StorageUnavailableError(f"{self._name()}: the storage refuses this update: {outcome.reason}")

    def also(self, *, transact: Iterable[dict[str, Any]] = (), sql: Iterable[SqlStep] = ()) -> None:
        """Writes of your own that commit in the same transaction as the success of this task: all or nothing.

        Each engine takes its own kind, so one block may give both. Several calls add up. They are sent when the block
        has come to its end; when your part fails then (its condition, its SQL), the attempt is recorded as failed and
        the error is raised.

        :param transact: DynamoDB TransactItems (at most 99) in the low-level form of boto3's client.
        :param sql: for SQLite: statements, (statement, parameters) pairs, or functions of a cursor, in the same file.
        :raises ConfigError: the engine takes neither kind, or not so much, or it is the task's own row.
        :raises TaskLeaseLostError: the lease is lost.
        """
        self.check()
        before = self._extra or Extra()
        extra = Extra((*before.transact, *transact), (*before.sql, *sql))
        self._hold.engine.check_together(self._hold.table, self._hold.key, extra)
        self._extra = extra

    @contextmanager
    def begin_update(self) -> Iterator[ExecutionContext[T]]:
        """A block after whose exception everything that it set is forgotten again."""
        before = dict(self._pending)
        try:
            yield self
        except BaseException:
            self._pending = before
            raise

    def to_update_actions(self) -> list[tuple[str, Any]]:
        """What is set and not yet stored, as (attribute, stored value) pairs."""
        return list(self._pending.items())
