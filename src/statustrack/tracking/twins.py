"""The async twins: every verb that touches storage, under the same name with an ``a`` before it."""

# These are parents of BaseTask whose methods are typed as BaseTask's (so that users get their own class back); mypy's
# check that "self" is a supertype does not know that nobody else inherits from them.
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.tracking.claim_loop import CLAIM_BATCH
from statustrack.tracking.results import Results
from statustrack.tracking.threads import call_in_thread, run_shielded

if TYPE_CHECKING:
    from statustrack.core.explain import Explanation
    from statustrack.tracking.bulk import CreateReport
    from statustrack.tracking.claim_loop import ClaimedContext
    from statustrack.tracking.groups import Failures
    from statustrack.tracking.operate import ActionReport
    from statustrack.tracking.redrive import RedriveReport
    from statustrack.tracking.retention import PruneReport
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: How many tasks an async listing fetches in one hop to the pool.
HOP = 100


class AsyncResults(AsyncIterator[T]):
    """The async form of :class:`Results`: ``async for task in ...``, ``await ....all()``, ``.one()``, ``.many(n)``."""

    def __init__(self, results: Results[T]) -> None:
        self._results = results
        self._ready: list[T] = []
        self._done = False

    def __aiter__(self) -> AsyncResults[T]:
        return self

    async def __anext__(self) -> T:
        if not self._ready and not self._done:
            self._ready = (await call_in_thread(self._fetch, HOP))[::-1]
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.pop()

    def _fetch(self, count: int) -> list[T]:
        items: list[T] = []
        for item in self._results:
            items.append(item)
            if len(items) == count:
                return items
        self._done = True
        return items

    async def one_or_none(self) -> T | None:
        """The next task, or None when there is none."""
        async for task in self:
            return task
        return None

    async def one(self) -> T:
        """The next task. Raises ``StopAsyncIteration`` when there is none."""
        return await self.__anext__()

    async def many(self, k: int) -> list[T]:
        """The next ``k`` tasks (fewer at the end)."""
        items: list[T] = []
        while len(items) < k and (task := await self.one_or_none()) is not None:
            items.append(task)
        return items

    async def all(self) -> list[T]:
        """All remaining tasks."""
        return [task async for task in self]


async def _handed_out(claimed: Generator[ClaimedContext[T], None, None]) -> AsyncIterator[ClaimedContext[T]]:
    try:
        while (ctx := await run_shielded(next, claimed, None)) is not None:
            yield ctx
    finally:  # the loop was left: what it has claimed and not begun goes back
        await run_shielded(claimed.close)


class AsyncTwins:
    """Each runs its synchronous twin in a pool of threads: the event loop is never blocked by storage."""

    @classmethod
    async def acreate(cls: type[T], task_id: str, data: dict[str, Any] | None = None, *, exist_ok: bool = False) -> T:
        """Async twin of ``create``."""
        return await call_in_thread(cls.create, task_id, data, exist_ok=exist_ok)

    @classmethod
    async def amake_and_save(cls: type[T], task_id: str, data: dict[str, Any] | None = None, **kwargs: Any) -> T:
        """Async twin of ``make_and_save``."""
        return await call_in_thread(cls.make_and_save, task_id, data, **kwargs)

    @classmethod
    async def aget(cls: type[T], task_id: str) -> T:
        """Async twin of ``get``."""
        return await call_in_thread(cls.get, task_id)

    @classmethod
    async def aget_one_or_none(cls: type[T], task_id: str, consistent_read: bool = False) -> T | None:
        """Async twin of ``get_one_or_none``."""
        return await call_in_thread(cls.get_one_or_none, task_id, consistent_read)

    async def arefresh(self: T, consistent_read: bool = True) -> None:
        """Async twin of ``refresh``."""
        await call_in_thread(self.refresh, consistent_read)

    async def asave(self: T, *, force: bool = False) -> None:
        """Async twin of ``save``."""
        await call_in_thread(self.save, force=force)

    async def adelete(self: T, *, force: bool = False) -> None:
        """Async twin of ``delete``."""
        await call_in_thread(self.delete, force=force)

    @classmethod
    async def acreate_table(cls: type[T], wait: bool = False) -> None:
        """Async twin of ``create_table``."""
        await call_in_thread(cls.create_table, wait)

    @classmethod
    async def aexists(cls: type[T]) -> bool:
        """Async twin of ``exists``."""
        return await call_in_thread(cls.exists)

    @classmethod
    async def adelete_table(cls: type[T]) -> None:
        """Async twin of ``delete_table``."""
        await call_in_thread(cls.delete_table)

    @classmethod
    async def aadopt(cls: type[T]) -> None:
        """Async twin of ``adopt``."""
        await call_in_thread(cls.adopt)

    @classmethod
    async def aforget_step(cls: type[T], use_case_id: str, codes: Sequence[int]) -> bool:
        """Async twin of ``forget_step``."""
        return await call_in_thread(cls.forget_step, use_case_id, codes)

    @classmethod
    async def acreate_many(cls: type[T], items: Iterable[Any]) -> CreateReport:
        """Async twin of ``create_many`` (the iterable is read in a thread)."""
        return await call_in_thread(cls.create_many, items)

    @classmethod
    def aclaim_many(
        cls: type[T],
        limit: int | None = None,
        *,
        batch: Any = CLAIM_BATCH,
        lock_expire_seconds: float | None = None,
    ) -> AsyncIterator[ClaimedContext[T]]:
        """Async twin of ``claim_many``: ``async for ctx in Step1.aclaim_many():``, and in it ``async with ctx:``."""
        return _handed_out(cls.claim_many(limit, batch=batch, lock_expire_seconds=lock_expire_seconds))

    @classmethod
    async def adelete_all(cls: type[T]) -> int:
        """Async twin of ``delete_all``."""
        return await call_in_thread(cls.delete_all)

    @classmethod
    async def adelete_tasks_by_use_case_id(cls: type[T], use_case_id: str | None = None, *, force: bool = False) -> int:
        """Async twin of ``delete_tasks_by_use_case_id``."""
        return await call_in_thread(cls.delete_tasks_by_use_case_id, use_case_id, force=force)

    @classmethod
    async def aredrive(cls: type[T], ids: Iterable[str] | None = None, **kwargs: Any) -> RedriveReport:
        """Async twin of ``redrive``."""
        return await call_in_thread(cls.redrive, ids, **kwargs)

    @classmethod
    async def aignore(cls: type[T], task_id: str, **kwargs: Any) -> T:
        """Async twin of ``ignore``."""
        return await call_in_thread(cls.ignore, task_id, **kwargs)

    @classmethod
    async def aignore_many(cls: type[T], ids: Iterable[str] | None = None, **kwargs: Any) -> ActionReport:
        """Async twin of ``ignore_many``."""
        return await call_in_thread(cls.ignore_many, ids, **kwargs)

    @classmethod
    async def arelease(cls: type[T], task_id: str, **kwargs: Any) -> T:
        """Async twin of ``release``."""
        return await call_in_thread(cls.release, task_id, **kwargs)

    @classmethod
    async def arelease_many(cls: type[T], ids: Iterable[str] | None = None, **kwargs: Any) -> ActionReport:
        """Async twin of ``release_many``."""
        return await call_in_thread(cls.release_many, ids, **kwargs)

    @classmethod
    async def adelete_many(cls: type[T], ids: Iterable[str] | None = None, **kwargs: Any) -> ActionReport:
        """Async twin of ``delete_many``."""
        return await call_in_thread(cls.delete_many, ids, **kwargs)

    @classmethod
    async def aprune(cls: type[T], **kwargs: Any) -> PruneReport:
        """Async twin of ``prune``."""
        return await call_in_thread(cls.prune, **kwargs)

    @classmethod
    async def aexplain(cls: type[T], task_id: str) -> Explanation:
        """Async twin of ``explain``."""
        return await call_in_thread(cls.explain, task_id)

    @classmethod
    def aquery_by_status(cls: type[T], status: Any, *args: Any, **kwargs: Any) -> AsyncResults[T]:
        """Async twin of ``query_by_status``: ``async for task in ...`` or ``await (...).all()``."""
        return AsyncResults(cls.query_by_status(status, *args, **kwargs))

    @classmethod
    def aquery_for_unfinished(cls: type[T], *args: Any, **kwargs: Any) -> AsyncResults[T]:
        """Async twin of ``query_for_unfinished``."""
        return AsyncResults(cls.query_for_unfinished(*args, **kwargs))

    @classmethod
    async def acount_by_status(
        cls: type[T], status: Any = None, use_case_id: str | None = None, *, most: int | None = None
    ) -> dict[str, int]:
        """Async twin of ``count_by_status``."""
        return await call_in_thread(cls.count_by_status, status, use_case_id, most=most)

    @classmethod
    async def acount_tasks_by_use_case_id(cls: type[T], use_case_id: str | None = None) -> int:
        """Async twin of ``count_tasks_by_use_case_id``."""
        return await call_in_thread(cls.count_tasks_by_use_case_id, use_case_id)

    @classmethod
    async def afailures(
        cls: type[T], *, since: Any = None, until: Any = None, most: int | None = 10_000, samples: int = 3
    ) -> Failures:
        """Async twin of ``failures``."""
        return await call_in_thread(cls.failures, since=since, until=until, most=most, samples=samples)
