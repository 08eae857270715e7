"""What the end of an attempt means: from the way the block ended to the write that records it."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from statustrack.core import lifecycle
from statustrack.core.errors import GiveUp, Snooze, TaskInstruction
from statustrack.core.failure import Failure, from_exception, from_reason
from statustrack.core.writes import Write
from statustrack.engines.protocol import Extra
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.retention import expiry
from statustrack.tracking.signals import Shutdown


class Plan(NamedTuple):
    """The write to send, what it will have recorded, the exception behind it, and the user's own writes beside it.

    ``wanted`` is succeeded, failed, ignored, given_up, released or snoozed.
    """

    write: Write
    wanted: str
    error: BaseException | None = None
    extra: Extra | None = None


def is_failure(error: BaseException) -> bool:
    """Whether an exception of the block counts as a failure. Ctrl-C, a shutdown, a cancellation do not; ``sys.exit(1)``
    does: a script that ends so would else be released for ever."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0) and not isinstance(error, Shutdown)
    return isinstance(error, Exception) and not isinstance(error, TaskInstruction)


def plan_for(ctx: ExecutionContext[Any], error: BaseException | None, default_delay_seconds: float = 0.0) -> Plan:
    """The plan for a block that ended with this exception (None: it came to its end).

    ``default_delay_seconds`` is the backoff of steps that name none (a worker's; 0 for ``start()``).
    """
    config, now = ctx._config, ctx._hold.engine.now()
    if error is None:
        write = lifecycle.succeed(
            config,
            ctx.task._row,
            now=now,
            changes=ctx._pending or None,
            expire_at=_expiry(ctx, config.succeeded_status, now),
        )
        return Plan(write, "succeeded", None, ctx._extra)
    if isinstance(error, Snooze):
        delay_ms = int(error.seconds * 1000)
        return Plan(lifecycle.snooze(config, ctx.task._row, now=now, delay_ms=delay_ms), "snoozed", error)
    if isinstance(error, GiveUp):
        write = lifecycle.give_up(
            config,
            ctx.task._row,
            now=now,
            failure=from_exception(error, config.traceback_stack_limit, kind="give_up"),
            expire_at=_expiry(ctx, config.ignored_status, now),
        )
        return Plan(write, "given_up", error)
    if is_failure(error):
        return _failed(ctx, from_exception(error, config.traceback_stack_limit), error, default_delay_seconds, now)
    return Plan(lifecycle.release(config, ctx.task._row, now=now), "released", error)


def plan_release(ctx: ExecutionContext[Any]) -> Plan:
    """The plan that gives the task back, uncounted."""
    return Plan(lifecycle.release(ctx._config, ctx.task._row, now=ctx._hold.engine.now()), "released")


def plan_timeout(ctx: ExecutionContext[Any], seconds: float, default_delay_seconds: float = 0.0) -> Plan:
    """The plan for an attempt that took longer than its handler may."""
    failure = from_reason("timeout", f"timed out after {seconds:g} s")
    return _failed(ctx, failure, None, default_delay_seconds, ctx._hold.engine.now())


def plan_after_rejection(ctx: ExecutionContext[Any], plan: Plan, reason: str) -> Plan:
    """The storage refuses the content of a plan for ever: a success becomes a failure that says why; anything else
    ends as
    ignored with as little as can be said."""
    now = ctx._hold.engine.now()
    if plan.wanted == "succeeded":
        failure = from_reason("too_large", f"the result was refused by the storage: {reason}")
        return _failed(ctx, failure, plan.error, 0.0, now)
    return Plan(lifecycle.end_too_large(ctx._config, ctx.task._row, now=now, reason=reason), "ignored", plan.error)


def _failed(
    ctx: ExecutionContext[Any], failure: Failure, error: BaseException | None, default_delay_seconds: float, now: int
) -> Plan:
    config, row = ctx._config, ctx.task._row
    retry = lifecycle.next_retry(config, row)
    progress = ctx._pending.get("progress")
    write = lifecycle.fail(
        config,
        row,
        now=now,
        failure=failure,
        delay_ms=lifecycle.backoff_ms(config, retry, random.random(), default_delay_seconds),
        changes={"progress": progress} if progress else None,
        expire_at=_expiry(ctx, config.ignored_status, now),
    )
    return Plan(write, "ignored" if write.set["status"] == config.ignored_status else "failed", error)


def _expiry(ctx: ExecutionContext[Any], status: int, now: int) -> int | None:
    return expiry(ctx._hold.engine, ctx._hold.table, ctx._config, status, now)
