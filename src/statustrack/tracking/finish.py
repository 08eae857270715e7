"""The end of an attempt, sent until it is known to be recorded, and what comes of it for the holder."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from typing import Any

from statustrack.core import lifecycle
from statustrack.core.errors import (
    ConfigError,
    StorageError,
    TaskExecutionError,
    TaskInstruction,
    TaskLeaseLostError,
    TaskOutcomeUnknownError,
)
from statustrack.core.failure import from_exception
from statustrack.core.limits import LATE_RESULT_BYTES
from statustrack.core.payload import shorten, size_of
from statustrack.core.record import recorded_outcome
from statustrack.core.writes import apply
from statustrack.engines.protocol import Applied, Engine, ExtraFailed, Refused, Rejected, TogetherOutcome, Unknown
from statustrack.tracking import hooks, wakeup
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.ending import Plan, plan_after_rejection, plan_for, plan_release
from statustrack.tracking.heartbeat import Hold
from statustrack.tracking.trace import Trace, log, logger

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


def end(ctx: ExecutionContext[Any], error: BaseException | None, trace: Trace) -> bool:
    """Record what the end of the block means; True when the exception was an instruction, and is done with.

    :raises TaskLeaseLostError: the lease was lost; what would have been recorded is kept as a late result.
    :raises TaskOutcomeUnknownError: the storage did not answer until the lease ended.
    :raises StorageError: the storage refuses for good.
    """
    if isinstance(error, TaskLeaseLostError) and error.task is ctx.task:
        after_loss(ctx, error, trace)
        return False
    plan: Plan | None = plan_for(ctx, error)
    extra_error: Exception | None = None
    while plan is not None:
        outcome = deliver(ctx, plan)
        if isinstance(outcome, ExtraFailed):
            extra_error = outcome.error
        plan = settle(ctx, plan, outcome, trace)
    if extra_error is not None:
        raise extra_error
    return isinstance(error, TaskInstruction)


def deliver(ctx: ExecutionContext[Any], plan: Plan) -> TogetherOutcome:
    """Send a plan until the storage says what came of it, or the lease has ended."""
    hold = ctx._hold
    if plan.extra is None:
        return _send(hold, plan)
    with hold.lock:  # no heartbeat of this task may meet the transaction: it would cancel it
        try:
            return _send(hold, plan)
        except ConfigError as refused:  # too many items, another engine's kind, the task's own row: nothing was sent
            return ExtraFailed(refused)


def _send(hold: Hold, plan: Plan) -> TogetherOutcome:
    engine, pause = hold.engine, FIRST_PAUSE_SECONDS
    began = engine.clock.boot()
    while True:
        outcome: TogetherOutcome
        if plan.extra is None:
            outcome = engine.apply(hold.table, [plan.write])[0]
        else:
            outcome = engine.apply_together(hold.table, plan.write, plan.extra, hold.lease_ms / 3000)
        if not isinstance(outcome, Unknown):
            return outcome
        # Heartbeats may get through where this write does not: they must not make it try for ever.
        left = min(hold.left_ms(), hold.lease_ms - (engine.clock.boot() - began) // 1000) / 1000
        if left <= 0:
            return outcome
        log(logging.WARNING, "outcome_resend", hold.key, cause=str(outcome.cause), lease_left_seconds=round(left, 1))
        engine.clock.wait(threading.Event(), min(pause * (0.5 + random.random()), left))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def settle(ctx: ExecutionContext[Any], plan: Plan, outcome: TogetherOutcome, trace: Trace) -> Plan | None:
    """Draw the consequences of an outcome; another plan where this one cannot be recorded and something else must be.

    :raises TaskLeaseLostError, TaskOutcomeUnknownError, StorageError: as :func:`end`.
    """
    hold = ctx._hold
    if isinstance(outcome, Applied):
        row = outcome.row
        ctx.outcome = "ignored" if plan.wanted == "given_up" else plan.wanted
        if not row:  # the engine did not read it back: nobody else changes a held row, so it is what we make of it
            row = apply(plan.write, ctx.task._row) or {}
            if hold.renewed_at is not None:
                row["lock_time"] = hold.renewed_at
        elif row.get("attempts") != plan.write.set.get("attempts"):  # landed before, and the task has moved on
            entry = recorded_outcome(row, hold.token)
            ctx.outcome = entry.outcome if entry is not None else ctx.outcome
        hold.released = True
        ctx.task._take(row)
        if ctx.outcome in ("failed", "released") and "ready_at" not in row:
            wakeup.tell()
        _tell(ctx, plan.wanted if plan.wanted == "given_up" else ctx.outcome, trace)
        return None
    if isinstance(outcome, ExtraFailed):
        ctx._extra = None
        return plan_for(ctx, outcome.error)
    name = TaskExecutionError.to_task(ctx.task.use_case_id, ctx.task.task_id)
    if isinstance(outcome, Rejected):
        if plan.write.event == "too_large":
            raise StorageError(f"{name}: the storage refuses to record {plan.wanted}: {outcome.reason}") from plan.error
        return plan_after_rejection(ctx, plan, outcome.reason)
    if isinstance(outcome, Unknown):
        ctx.outcome = "unknown"
        log(logging.ERROR, "outcome_unknown", hold.key, wanted=plan.wanted, cause=str(outcome.cause))
        unknown = TaskOutcomeUnknownError(
            f"{name}: whether attempt {ctx.attempt} was recorded as {plan.wanted} is not known: {outcome.cause}. It "
            f"was "
            "sent until the lease ended. Look at the task when the storage answers again: either it is recorded, or it "
            "will be taken over."
        )
        unknown.task = ctx.task
        raise unknown from (plan.error or outcome.cause)
    ctx.outcome = "lost"
    if hold.why_lost is None:
        hold.refused(outcome.current)
    keep_late_result(ctx, plan.wanted, plan.error)
    trace.say("❌ task lost its lease, the outcome is not recorded.")
    raise ctx._lost_error(outcome.current) from plan.error


def after_loss(ctx: ExecutionContext[Any], error: TaskLeaseLostError, trace: Trace) -> None:
    """The block stopped because its lease is lost. Nobody may have taken the task over yet: then it is given back."""
    ctx.outcome = "lost"
    hold = ctx._hold
    plan = plan_release(ctx)
    outcome = hold.engine.apply(hold.table, [plan.write])[0]
    if isinstance(outcome, Applied):
        ctx.outcome = "released"
        ctx.task._take(outcome.row or apply(plan.write, ctx.task._row) or {})
        _tell(ctx, "released", trace)
    elif isinstance(outcome, Refused):
        if hold.why_lost is None:  # known by the clock only, so far
            hold.refused(outcome.current)
        keep_late_result(ctx, "stopped", error)


def keep_late_result(ctx: ExecutionContext[Any], wanted: str, error: BaseException | None) -> None:
    """Evidence for the question whether a task ran twice; never more important than the loss itself."""
    hold, config, row = ctx._hold, ctx._config, ctx.task._row
    engine: Engine = hold.engine
    now = engine.now()
    if error is None:
        detail = str(ctx._pending.get("data", ""))
    else:
        detail = from_exception(error, 0).error
    text = lifecycle.late_entry(row, config, wanted, now, shorten(detail, 500))
    if size_of(text) > LATE_RESULT_BYTES:
        text = lifecycle.late_entry(row, config, wanted, now, "")
    log(logging.WARNING, "late_result", hold.key, wanted=wanted, attempt=ctx.attempt)
    with contextlib.suppress(StorageError):
        engine.apply(hold.table, [lifecycle.late_result(hold.key, text)])


def _tell(ctx: ExecutionContext[Any], outcome: str, trace: Trace) -> None:
    if trace.debug:
        trace.say(_SAID[outcome].format(max_retry=ctx._config.max_retry))
    if hooks.registered:
        hooks.fire("gave_up" if outcome == "given_up" else outcome, ctx.task)
    level = logging.WARNING if ctx.outcome == "ignored" else logging.INFO
    if not logger.isEnabledFor(level):
        return
    row = ctx.task._row
    failed = outcome in ("failed", "ignored", "given_up")
    log(
        level,
        ctx.outcome or outcome,
        ctx._hold.key,
        attempt=ctx.attempt,
        retry=row.get("retry"),
        status=row.get("status"),
        error=row.get("error_summary") if failed else None,
    )
