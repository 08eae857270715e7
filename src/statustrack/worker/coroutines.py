"""Coroutine handlers: run in one event loop, the caller's or one in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statustrack.core.errors import TaskLeaseLostError
from statustrack.tracking import hooks
from statustrack.worker.jobs import Work, exit_error

if TYPE_CHECKING:
    import asyncio


class Coroutines:
    """Where coroutine handlers run. ``loop`` is the caller's; None: one of our own, started when it is needed."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.ended: Callable[[Work], None]
        self._loop = loop
        self._thread: threading.Thread | None = None
        self._tasks: set[Any] = set()
        self._queue: deque[Work] = deque()  # claimed a little ahead; touched in the loop only
        self.most = 1  #: so many at a time

    def start(self, works: list[Work]) -> None:
        """Begin with these as soon as there is room for them."""
        if self._loop is None:
            self._loop = self._own_loop()
        if works:
            self._loop.call_soon_threadsafe(self._begin, works)

    def close(self) -> None:
        """End our own loop, if there is one."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(1.0)
            self._thread = None

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        self._thread = threading.Thread(target=run, name="statustrack-coroutines", daemon=True)
        self._thread.start()
        return loop

    def _begin(self, works: list[Work]) -> None:
        self._queue.extend(works)
        self._fill()

    def _fill(self) -> None:
        while self._queue and len(self._tasks) < self.most:
            work = self._queue.popleft()
            if work.job.admit(work):
                self._spawn(work)

    def _spawn(self, work: Work) -> None:
        assert self._loop is not None
        job = work.job

        def over(task: Any) -> None:
            self._tasks.discard(task)
            following = job.next_parked()
            if following is not None:
                self._spawn(following)
            self._fill()

        task = self._loop.create_task(self._run(work))
        self._tasks.add(task)  # the loop itself keeps no strong reference
        task.add_done_callback(over)
        work.runner = Cancel(self._loop, task)
        work._hold.on_lost = work.runner.stop

    async def _run(self, work: Work) -> None:
        import asyncio

        job = work.job
        if not work.begin():
            return
        job.watch(work)
        try:
            work.check()  # the lease may have ended while the loop was busy elsewhere
            if hooks.registered:
                hooks.fire("started", work.task)
            returned = await job.function(work)
            if returned is not None:
                work.merge(returned)
        except asyncio.CancelledError as error:
            if work._hold.is_lost:
                work.error = work._lost_error()
                work.error.__cause__ = error
                assert isinstance(work.error, TaskLeaseLostError)
            else:
                work.error = exit_error(error)
        except Exception as error:
            work.error = error
        except BaseException as error:
            work.error = exit_error(error)
        if work.end():
            if work._extra is not None and work.error is None:
                # Its transaction is a storage call: off the event loop.
                await asyncio.get_running_loop().run_in_executor(None, self.ended, work)
            else:
                self.ended(work)


class Cancel:
    """Stops one coroutine, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: Any) -> None:
        self._loop = loop
        self._task = task

    def stop(self) -> None:
        """Cancel it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
