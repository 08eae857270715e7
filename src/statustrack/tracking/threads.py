"""Storage calls off the event loop: the pool that the async twins run in, and what cancellation means for it."""

from __future__ import annotations

import contextvars
import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from statustrack.engines.protocol import Engine

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

P = ParamSpec("P")
R = TypeVar("R")

#: Enough for the storage to be kept busy from one event loop; the engines' connection pools are larger.
THREADS = 32

_pools: dict[tuple[str, int], ThreadPoolExecutor] = {}


def _pool(name: str) -> ThreadPoolExecutor:
    key = (name, os.getpid())  # a forked child gets its own
    found = _pools.get(key)
    if found is None:
        from concurrent.futures import ThreadPoolExecutor

        found = _pools.setdefault(key, ThreadPoolExecutor(THREADS, thread_name_prefix=name))
    return found


def pool() -> ThreadPoolExecutor:
    """Where the async twins run their verbs."""
    return _pool("statustrack")


def read_pool() -> ThreadPoolExecutor:
    """Where a verb reads several pages at once. Another pool: a verb that waits for its reads must not take their
    place."""
    return _pool("statustrack-read")


def read_all(engine: Engine, calls: Sequence[Callable[[], R]]) -> list[R]:
    """The results of several reads, in order: at once where they wait on a network."""
    if not engine.parallel_reads or len(calls) < 2:
        return [call() for call in calls]
    futures = [read_pool().submit(call) for call in calls]
    return [future.result() for future in futures]


def _submit(function: Callable[..., R], *args: Any, **kwargs: Any) -> asyncio.Future[R]:
    import asyncio  # only where async code runs: it is the dearest import of all

    context = contextvars.copy_context()
    call = functools.partial(context.run, function, *args, **kwargs)
    return asyncio.get_running_loop().run_in_executor(pool(), call)


async def call_in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a storage call in the pool. When the caller is cancelled the call goes on to its end: a write may not be
    torn."""
    return await _submit(function, *args, **kwargs)


async def run_in_thread(function: Callable[[], R], undo: Callable[[R], None]) -> R:
    """Run a call in the pool; when the caller is cancelled meanwhile, its result is undone (also in the pool)."""
    import asyncio

    future = _submit(function)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not future.cancelled():
            executor = pool()

            def settle(done: asyncio.Future[R]) -> None:
                if not done.cancelled() and done.exception() is None:
                    executor.submit(undo, done.result())

            future.add_done_callback(settle)
        raise


async def run_shielded(function: Callable[..., R], *args: Any) -> R:
    """Run a call in the pool to its end, even when the caller is cancelled meanwhile (then the cancellation is raised
    afterwards)."""
    import asyncio

    future = _submit(function, *args)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            if future.cancelled():
                raise
            cancelled = error
        except BaseException:
            break
    result = future.result()
    if cancelled is not None:
        raise cancelled
    return result
