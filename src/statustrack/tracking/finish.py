"""The end of an attempt: which event an exception stands for, and the write that records it, until it is known to be
recorded."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from typing import Any

from statustrack.core import lifecycle
from statustrack.core.errors import (
    GiveUp,
    Snooze,
    StorageError,
    TaskExecutionError,
    TaskInstruction,
    TaskLeaseLostError,
    TaskOutcomeUnknownError,
)
from statustrack.core.failure import Failure, from_exception, from_reason
from statustrack.core.limits import LATE_RESULT_BYTES
from statustrack.core.payload import shorten
from statustrack.core.record import recorded_outcome
from statustrack.core.writes import Write
from statustrack.engines.protocol import Applied, Extra, ExtraFailed, Rejected, TogetherOutcome, Unknown
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.directory import directory_of
from statustrack.tracking.trace import Trace, log

#: Resends while the storage does not answer: the pauses grow from the first to the last of these.
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

_SAID = {
    "succeeded": "✅ 🔐 task succeeded, set status 'success' and unlock the task.",
    "failed": "❌ 🔐 task failed, set stats 'failed' and unlock the task.",
    "ignored": "❌ 🔐 task failed {max_retry} times already, set status 'ignore' and unlock the task.",
    "released": "↩️ 🔓 task released, set the status back and unlock the task.",
    "snoozed": "💤 🔓 task snoozed, set the status back and unlock the task.",
    "given_up": "❌ 🔐 task given up, set status 'ignore' and unlock the task.",
}


def is_failure(error: BaseException) -> bool:
    """Whether an exception of the block counts as a failure. Ctrl-C, a shutdown, a cancellation do not; ``sys.exit(1)``
    does: a script that ends so would else be released for ever."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return isinstance(error, Exception) and not isinstance(error, TaskInstruction)


class Finish:
    """The end of one attempt."""

    def __init__(self, ctx: ExecutionContext[Any], trace: Trace, default_delay_seconds: float = 0.0) -> None:
        self.ctx = ctx
        self.trace = trace
        self.config = ctx._config
        self.hold = ctx._hold
        self.default_delay_seconds = default_delay_seconds

    def end(self, error: BaseException | None) -> bool:
        """Record what the end of the block means; True when the exception was an instruction, and is done with.

        :raises TaskLeaseLostError: the lease was lost; what would have been recorded is kept as a late result.
        :raises TaskOutcomeUnknownError: the storage did not answer until the lease ended.
        :raises StorageError: the storage refuses for good.
        """
        if isinstance(error, TaskLeaseLostError) and error.task is self.ctx.task:
            self._after_loss(error)
            return False
        if error is None:
            self._succeed()
        elif isinstance(error, Snooze):
            self._record(self._snoozed(error), "snoozed", error)
        elif isinstance(error, GiveUp):
            self._give_up(error)
        elif is_failure(error):
            self._fail(from_exception(error, self.config.traceback_stack_limit), error)
        else:
            self._record(self._released(), "released", error)
        return isinstance(error, TaskInstruction)

    # --- the writes --------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return self.hold.engine.now()

    def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = self.ctx.task._row
        return row

    def _succeed(self) -> None:
        pending, extra = self.ctx._pending, self.ctx._extra
        write = lifecycle.succeed(
            self.config,
            self._row(),
            now=self._now(),
            changes=pending or None,
            expire_at=self._expiry(self.config.succeeded_status),
        )
        if extra is not None:
            self._succeed_together(write, extra)
            return
        outcome = self._deliver(write)
        if isinstance(outcome, Rejected):
            self._fail(from_reason("too_large", f"the result was refused by the storage: {outcome.reason}"), None)
        else:
            self._settle(outcome, "succeeded", None)

    def _succeed_together(self, write: Write, extra: Extra) -> None:
        hold = self.hold
        with hold.lock:  # no heartbeat of this task may meet the transaction: it would cancel it
            try:
                outcome = self._resend(
                    lambda: hold.engine.apply_together(hold.table, write, extra, hold.lease_ms / 3000)
                )
            except Exception as refused:  # not sent at all: too many items, another engine's kind, the task's own row
                outcome = ExtraFailed(refused)
        if isinstance(outcome, ExtraFailed):
            self._fail(from_exception(outcome.error, self.config.traceback_stack_limit), outcome.error)
            raise outcome.error
        if isinstance(outcome, Rejected):
            self._fail(from_reason("too_large", f"the result was refused by the storage: {outcome.reason}"), None)
        else:
            self._settle(outcome, "succeeded", None)

    def _fail(self, failure: Failure, error: BaseException | None) -> None:
        row = self._row()
        retry = int(row.get("retry") or 0) + 1
        delay = lifecycle.backoff_ms(self.config, retry, random.random(), self.default_delay_seconds)
        write = lifecycle.fail(
            self.config,
            row,
            now=self._now(),
            failure=failure,
            delay_ms=delay,
            changes=self._progress(),
            expire_at=self._expiry(self.config.ignored_status),
        )
        self._record(write, "ignored" if write.set["status"] == self.config.ignored_status else "failed", error)

    def _give_up(self, error: GiveUp) -> None:
        failure = from_exception(error, self.config.traceback_stack_limit, kind="give_up")
        write = lifecycle.give_up(
            self.config,
            self._row(),
            now=self._now(),
            failure=failure,
            expire_at=self._expiry(self.config.ignored_status),
        )
        self._record(write, "given_up", error)

    def _snoozed(self, error: Snooze) -> Write:
        return lifecycle.snooze(self.config, self._row(), now=self._now(), delay_ms=int(error.seconds * 1000))

    def _released(self) -> Write:
        return lifecycle.release(self.config, self._row(), now=self._now())

    def _progress(self) -> dict[str, Any] | None:
        progress = self.ctx._pending.get("progress")
        return {"progress": progress} if progress else None

    def _expiry(self, status: int) -> int | None:
        """When retention may take the task; never while a step of the directory goes on from this status."""
        config = self.config
        keep = config.keep_succeeded_seconds if status == config.succeeded_status else config.keep_ignored_seconds
        if keep is None:
            return None
        entry = directory_of(self.hold.engine, self.hold.table).read(30.0).use_cases.get(config.use_case_id)
        if entry is not None and entry.goes_on(status):
            return None
        return self._now() // 1_000_000 + int(keep)

    # --- sending and settling ----------------------------------------------------------------------------------------

    def _record(self, write: Write, wanted: str, error: BaseException | None) -> None:
        outcome = self._deliver(write)
        if isinstance(outcome, Rejected):
            small = lifecycle.end_too_large(self.config, self._row(), now=self._now(), reason=outcome.reason)
            outcome, wanted = self._deliver(small), "ignored"
        self._settle(outcome, wanted, error)

    def _deliver(self, write: Write) -> TogetherOutcome:
        hold = self.hold
        return self._resend(lambda: hold.engine.apply(hold.table, [write])[0])

    def _resend(self, send: Any) -> TogetherOutcome:
        """Send until the storage says what came of it, or the lease has ended."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            outcome: TogetherOutcome = send()
            if not isinstance(outcome, Unknown):
                return outcome
            left = self.hold.left_ms() / 1000
            if left <= 0:
                return outcome
            log(
                logging.WARNING,
                "outcome_resend",
                self.hold.key,
                cause=str(outcome.cause),
                lease_left_seconds=round(left, 1),
            )
            self.hold.engine.clock.wait(threading.Event(), min(pause * (0.5 + random.random()), left))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _settle(self, outcome: TogetherOutcome, wanted: str, error: BaseException | None) -> None:
        ctx, hold = self.ctx, self.hold
        if isinstance(outcome, Applied):
            row = outcome.row
            entry = recorded_outcome(row, hold.token)
            ctx.outcome = entry.outcome if entry is not None else ("ignored" if wanted == "given_up" else wanted)
            hold.released = True
            ctx.task._take(row)
            self._tell(wanted if wanted == "given_up" or ctx.outcome == wanted else ctx.outcome)
            return
        name = TaskExecutionError.to_task(ctx.task.use_case_id, ctx.task.task_id)
        if isinstance(outcome, Unknown):
            ctx.outcome = "unknown"
            log(logging.ERROR, "outcome_unknown", hold.key, wanted=wanted, cause=str(outcome.cause))
            unknown = TaskOutcomeUnknownError(
                f"{name}: whether attempt {ctx.attempt} was recorded as {wanted} is not known: {outcome.cause}. It "
                f"was sent until "
                "the lease ended. Look at the task when the storage answers again: either it is recorded, or it "
                "will be taken over."
            )
            unknown.task = ctx.task
            raise unknown from (error or outcome.cause)
        if isinstance(outcome, Rejected):
            raise StorageError(f"{name}: the storage refuses to record {wanted}: {outcome.reason}") from error
        assert not isinstance(outcome, ExtraFailed), "handled where it can come from"
        ctx.outcome = "lost"
        if hold.why_lost is None:
            hold.refused(outcome.current)
        self._keep_late_result(wanted, error)
        lost = ctx._lost_error(outcome.current)
        self.trace.say("❌ task lost its lease, the outcome is not recorded.")
        raise lost from error

    def _after_loss(self, error: TaskLeaseLostError) -> None:
        """The block stopped because its lease is lost. Nobody may have taken the task over yet: then it is given
        back."""
        self.ctx.outcome = "lost"
        outcome = self.hold.engine.apply(self.hold.table, [self._released()])[0]
        if isinstance(outcome, Applied):
            self.ctx.outcome = "released"
            self.ctx.task._take(outcome.row)
            self._tell("released")
        elif not isinstance(outcome, (Unknown, Rejected)):
            self._keep_late_result("stopped", error)

    def _keep_late_result(self, wanted: str, error: BaseException | None) -> None:
        """Evidence for the question whether a task ran twice; never more important than the loss itself."""
        detail = repr(error) if error is not None else self.ctx._pending.get("data", "")
        text = lifecycle.late_entry(self._row(), self.config, wanted, self._now(), shorten(detail, 500))
        if len(text.encode("utf-8", "replace")) > LATE_RESULT_BYTES:
            text = lifecycle.late_entry(self._row(), self.config, wanted, self._now(), "")
        log(logging.WARNING, "late_result", self.hold.key, wanted=wanted, attempt=self.ctx.attempt)
        with contextlib.suppress(StorageError):
            self.hold.engine.apply(self.hold.table, [lifecycle.late_result(self.hold.key, text)])

    def _tell(self, outcome: str) -> None:
        ctx = self.ctx
        self.trace.say(_SAID[outcome].format(max_retry=self.config.max_retry))
        level = logging.WARNING if ctx.outcome == "ignored" else logging.INFO
        row = ctx.task._row
        log(
            level,
            ctx.outcome or outcome,
            self.hold.key,
            attempt=ctx.attempt,
            retry=row.get("retry"),
            status=row.get("status"),
            error=row.get("error_summary") if outcome in ("failed", "ignored", "given_up") else None,
        )
