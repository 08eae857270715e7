"""The loop of ``claim_many``: claims in batches, hands tasks out one by one, and gives back what was not begun."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from statustrack.core import lifecycle
from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError
from statustrack.core.record import last_was_lost
from statustrack.core.writes import Row
from statustrack.engines.protocol import Applied, Refused, Rejected
from statustrack.tracking import claiming
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.directory import directory_of
from statustrack.tracking.execution import Attempt
from statustrack.tracking.heartbeat import Hold, keep, let_go
from statustrack.tracking.identity import new_token, process, worker_name
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: A batch of claims; small, since whoever dies takes the unstarted ones with it until their leases end.
CLAIM_BATCH = 25


class ClaimedContext(ExecutionContext[T]):
    """A claimed task, not yet begun: enter it (``with ctx:``) to begin."""

    _attempt: Attempt[T] | None = None

    def __enter__(self) -> ClaimedContext[T]:
        self.check()
        attempt: Attempt[T] = Attempt()
        attempt._ctx, attempt._pid = self, process()
        self._attempt = attempt
        attempt._tell_started(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        assert self._attempt is not None
        return self._attempt.__exit__(kind, error, tb)

    async def __aenter__(self) -> ClaimedContext[T]:
        self.__enter__()
        assert self._attempt is not None
        self._attempt._watch(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool:
        assert self._attempt is not None
        return await self._attempt.__aexit__(kind, error, tb)


class ClaimLoop(Generic[T]):
    """One ``claim_many``: what it has claimed and not handed out, what it must take alone, what is in doubt."""

    def __init__(self, cls: type[T], limit: int | None, batch: int, lock_expire_seconds: float | None) -> None:
        self.cls: type[Any] = cls
        self.left = limit
        self.batch = batch
        self.lock_expire_seconds = lock_expire_seconds
        self.waiting: list[ClaimedContext[T]] = []
        self.suspects: list[str] = []
        self.doubtful: dict[str, str] = {}  #: key to token
        self.doubted: set[str] = set()  # released, and to be claimed once more
        self.window: list[str] = []
        self.taken: set[str] = set()  # what failed in this very loop, within the doubt of the clock, is not taken again
        self.crowded = False

    def contexts(self) -> Generator[ClaimedContext[T], None, None]:
        """The claimed tasks, each to be entered before the next one is asked for."""
        cls = self.cls
        self.config = cls._config()
        self.engine, self.table = cls._engine_and_table()
        self.lease_ms = claiming.lease_ms_of(self.config, self.engine, self.lock_expire_seconds)
        directory_of(self.engine, self.table).ensure(self.config, cls.__name__)
        self.candidates: Iterator[Any] = iter(cls.query_for_unfinished())
        current: ClaimedContext[T] | None = None
        owner = process()
        try:
            while (self.left is None or self.left > 0) and process() == owner:
                if not self.waiting and not self._fill():
                    return
                if not self.waiting:
                    continue
                ctx = self.waiting.pop(0)
                if ctx._hold.is_lost:
                    let_go(ctx._hold)
                    continue
                if self.left is not None:
                    self.left -= 1
                current = ctx
                self.taken.add(ctx._hold.key)
                yield ctx
                if ctx._attempt is None:
                    raise ConfigError(
                        "claim_many: the task was not entered. Use `with ctx:` (or `async with ctx:`) in the loop."
                    )
        finally:
            if process() == owner:  # in a forked child they are the parent's
                if current is not None and current._attempt is None:
                    self.waiting.append(current)
                self._give_back()

    def _fill(self) -> bool:
        """Claim the next batch; False when nothing is left to try."""
        self._release_doubtful()
        want = self.batch if self.left is None else min(self.batch, self.left)
        # Rivals start at the same head of the same queue: whoever was refused looks further, at random.
        size = want * 8 if self.crowded else want
        while len(self.window) + len(self.suspects) < size and (task := next(self.candidates, None)) is not None:
            if task.key not in self.taken:
                crashed = task.status == self.config.in_progress_status
                (self.suspects if crashed else self.window).append(task.key)
        if self.window:
            if self.crowded:
                random.shuffle(self.window)
            keys, self.window = self.window[:want], self.window[want:]
            self.crowded = self._claim(keys) > len(keys) // 4
        elif self.suspects:
            self._take_alone(self.suspects.pop(0))
        else:
            return False
        return True

    def _claim(self, keys: list[str]) -> int:
        """Claim these in one request; the number refused."""
        config, engine, table, lease_ms = self.config, self.engine, self.table, self.lease_ms
        now = engine.now()
        boot, wall = engine.clock.boot(), engine.clock.wall()
        holds = [Hold(engine, table, config, key, new_token(), lease_ms) for key in keys]
        writes = lifecycle.claims(
            config,
            keys,
            [hold.token for hold in holds],
            worker=worker_name(),
            now=now,
            slack_ms=engine.slack_ms(config.lease_ms),
            lease_ms=lease_ms,
            statuses=lifecycle.claimable(config),
        )
        refused = 0
        back: list[Row] = []
        too_large: list[tuple[str, str]] = []
        cause: StorageError | None = None
        for hold, outcome in zip(holds, engine.apply(table, writes), strict=True):
            hold.sent(now // 1000 + lease_ms, boot, wall)
            if isinstance(outcome, Applied):
                if hold.left_ms() <= 0:
                    back.append(outcome.row)
                elif len(keys) > 1 and last_was_lost(outcome.row):
                    back.append(outcome.row)  # a suspect: alone, later
                    self.suspects.append(hold.key)
                else:
                    self._keep(hold, outcome.row)
            elif isinstance(outcome, Refused):
                refused += 1
            elif isinstance(outcome, Rejected):
                too_large.append((hold.key, outcome.reason))
            else:
                log(logging.WARNING, "claim_in_doubt", hold.key, cause=str(outcome.cause))
                self.doubtful[hold.key] = hold.token
                cause = outcome.cause
        if back:
            engine.apply(table, [lifecycle.give_back(config, row, now=engine.now()) for row in back])
        for key, reason in too_large:
            self._single(key).end_too_large(reason)
        twice = self.doubted.intersection(self.doubtful)
        if twice:
            raise StorageUnavailableError(
                f"claim_many: the claim of {min(twice)!r} was not confirmed, twice: {cause}. It was not entered; "
                "call again when the storage answers."
            )
        if self.doubtful and self.waiting:
            with contextlib.suppress(StorageError):  # first those that we have; then it is tried again
                self._release_doubtful()
        return refused

    def _single(self, key: str) -> claiming.Claim:
        statuses = lifecycle.claimable(self.config)
        return claiming.Claim(self.engine, self.table, self.config, key, self.lease_ms, statuses, self.cls)

    def _take_alone(self, key: str) -> None:
        taken = self._single(key).take()
        if isinstance(taken, tuple):
            self._keep(*taken)

    def _keep(self, hold: Hold, row: Row) -> None:
        keep(hold)
        self.waiting.append(ClaimedContext(self.cls._from_row(row, self.engine, self.table), hold, self.config))

    def _release_doubtful(self) -> None:
        """Release what a claim in doubt may have taken; then it can be claimed like any other."""
        if self.doubtful:
            released = self.doubtful.keys()
            self.doubtful = claiming.release_doubtful(self.engine, self.table, self.config, self.doubtful)
            again = [key for key in released if key not in self.doubtful and key not in self.doubted]
            self.doubted.update(again)
            self.window = again + self.window

    def _give_back(self) -> None:
        """What was claimed (or may have been) and not begun, uncounted."""
        with contextlib.suppress(StorageError):
            self._release_doubtful()
        contexts, self.waiting = self.waiting, []
        if not contexts:
            return
        now = self.engine.now()
        for ctx in contexts:
            let_go(ctx._hold)
        writes = [lifecycle.give_back(self.config, ctx.task._row, now=now) for ctx in contexts]
        try:
            self.engine.apply(self.table, writes)
        except StorageError as error:  # their leases run out; the loop is being left, perhaps for an error of its own
            log(logging.WARNING, "give_back_failed", contexts[0]._hold.key, tasks=len(contexts), cause=str(error))
