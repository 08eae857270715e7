"""``Task.start(...)``: claim a task, run the block under its lease, record the outcome."""

from __future__ import annotations

import contextlib
import logging
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from statustrack.core import lifecycle
from statustrack.core.config import check_key
from statustrack.core.errors import TaskAlreadyExistsError, TaskLeaseLostError
from statustrack.core.writes import Row
from statustrack.tracking import claiming, hooks
from statustrack.tracking.arguments import more_pending_codes
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.directory import directory_of
from statustrack.tracking.finish import end
from statustrack.tracking.heartbeat import Hold, keep, let_go
from statustrack.tracking.identity import process
from statustrack.tracking.threads import run_in_thread, run_shielded
from statustrack.tracking.trace import SILENT, Trace, log

if TYPE_CHECKING:
    import asyncio

    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")


class Attempt(Generic[T]):
    """A context manager around one held task: enters with the context, leaves with the outcome recorded.

    What ``start`` and ``claim_many`` have in common: from the claim on everything is the same.
    """

    # Of the class until an attempt knows better; most never do.
    _ctx: ExecutionContext[T] | None = None
    _pid = 0
    _async_task: asyncio.Task[Any] | None = None
    _cancelled_for_loss = False
    _leaving = False
    _trace = SILENT

    def _hold(self, cls: type[T], hold: Hold, row: Row) -> ExecutionContext[T]:
        task = cls._from_row(row, hold.engine, hold.table)
        self._ctx = ctx = ExecutionContext(task, hold, cls.config)
        self._pid = process()
        keep(hold)
        return ctx

    def _tell_started(self, ctx: ExecutionContext[T]) -> None:
        row = ctx.task._row
        log(logging.INFO, "started", ctx._hold.key, attempt=row.get("attempt"), worker=row.get("worker"))
        if hooks.registered:
            try:
                hooks.fire("started", ctx.task)
            except BaseException as error:  # Ctrl-C: the block is not entered, so nobody else would end the attempt
                self.__exit__(type(error), error, None)
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        ctx = self._ctx
        if ctx is None or self._pid != process():
            return False  # a forked child runs through the end of its parent's block: the task is the parent's
        try:
            return end(ctx, error, self._trace)
        finally:
            let_go(ctx._hold)
            if self._trace.debug:
                self._trace.ended(ctx.task.status, ctx.task.status_name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool:
        ctx = self._ctx
        self._leaving = True  # a cancellation for the loss that is queued already would hit us here
        if ctx is not None:
            ctx._hold.on_lost = None
        if self._cancelled_for_loss and ctx is not None and _is_cancellation(error):
            # We cancelled the block ourselves, because its lease is lost: for its surroundings that is an error.
            if self._async_task is not None and sys.version_info >= (3, 11):
                self._async_task.uncancel()
            lost = ctx._lost_error()
            lost.__cause__ = error
            await run_shielded(self.__exit__, TaskLeaseLostError, lost, tb)
            raise lost
        return await run_shielded(self.__exit__, kind, error, tb)

    def _watch(self, ctx: ExecutionContext[T]) -> None:
        """A lost lease cancels the asyncio task that runs the block."""
        import asyncio  # only where async code runs: it is the dearest import of all

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._async_task = task

        def cancel() -> None:
            if task is not None and not task.done() and not self._leaving and ctx.outcome is None:
                self._cancelled_for_loss = True
                task.cancel()

        def on_lost() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(cancel)

        ctx._hold.on_lost = on_lost
        if ctx._hold.why_lost is not None:  # while the loop was busy elsewhere
            on_lost()


class Start(Attempt[T]):
    """What ``Task.start(...)`` returns; claims when it is entered."""

    def __init__(
        self,
        cls: type[T],
        task_id: str,
        more_pending_status: Any = None,
        detailed_error: bool = False,
        debug: bool = False,
        create: bool = False,
        data: dict[str, Any] | None = None,
        lock_expire_seconds: float | None = None,
    ) -> None:
        if debug:
            self._trace = Trace(True, cls.config.use_case_id, task_id)
        self._cls = cls
        self._task_id = task_id
        self._more_pending = (
            None if more_pending_status is None else more_pending_codes(more_pending_status, cls.config)
        )
        self._detailed = detailed_error
        self._create = create
        self._data = data
        self._lock_expire_seconds = lock_expire_seconds

    def __enter__(self) -> ExecutionContext[T]:
        cls, more = self._cls, self._more_pending
        config = cls.config
        key = config.key(self._task_id)
        check_key(key, self._task_id)
        self._trace.started()
        engine, table = cls._engine_and_table()
        lease_ms = claiming.lease_ms_of(config, engine, self._lock_expire_seconds)
        directory_of(engine, table).ensure(config, cls.__name__)
        statuses = lifecycle.claimable(config, more)
        claim = claiming.Claim(engine, table, config, key, lease_ms, statuses, cls)
        taken = claim.take()
        if taken is None and self._create:
            with contextlib.suppress(TaskAlreadyExistsError):  # somebody was quicker: the claim decides who works on it
                cls.make_and_save(self._task_id, self._data)
            taken = claim.take()
        if isinstance(taken, tuple):
            hold, row = taken
            ctx = self._hold(cls, hold, row)
            self._tell_started(ctx)
            return ctx
        more = config.more_pending_status if more is None else more
        error, line = claiming.refusal(cls, self._task_id, taken, statuses, more, engine, self._detailed)
        self._trace.refused(line)
        raise error

    async def __aenter__(self) -> ExecutionContext[T]:
        ctx = await run_in_thread(self.__enter__, undo=self._undo)
        self._watch(ctx)
        return ctx

    def _undo(self, ctx: ExecutionContext[T]) -> None:
        """The awaiting task was cancelled while the claim was under way: give the task back."""
        import asyncio

        self.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)


def _is_cancellation(error: BaseException | None) -> bool:
    import asyncio

    return isinstance(error, asyncio.CancelledError)
