"""Limits of handlers: how many at a time, how long, and what is not begun when the worker goes."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import statustrack as st
from statustrack.tracking.finish import end
from statustrack.worker import processes
from statustrack.worker.jobs import RUNNING, Job, Work
from statustrack.worker.threads import Threads
from tests.tracking.support import FIRST

Make = Callable[..., Any]
PATIENCE = 10.0


class Crowded:
    """Counts how many are inside at a time."""

    def __init__(self) -> None:
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


# --- how many at a time -----------------------------------------------------------------------------------------------


def test_max_concurrency_holds_for_coroutines(make: Make) -> None:
    made, crowded = make(*(f"t{number:03}" for number in range(300))), Crowded()

    @made.handler(max_concurrency=2)
    async def work(ctx: Any) -> None:
        with crowded:
            await asyncio.sleep(0.001)

    assert st.Worker(made).run(until_idle=True).succeeded == 300
    assert crowded.most == 2


def test_max_concurrency_of_one_step_leaves_hands_to_the_other(make: Make) -> None:
    first = make(*(f"t{number:02}" for number in range(10)))
    second = type("Second", (first,), {"config": st.TrackerConfig.make("job", 40, 60, 70, 80, 90)})
    crowded, met = Crowded(), threading.Barrier(3)

    @first.handler(max_concurrency=1)
    async def one(ctx: Any) -> None:
        with crowded:
            await asyncio.sleep(0.005)

    @second.handler
    def two(ctx: Any) -> None:
        if ctx.task.task_id in ("t00", "t01", "t02"):
            met.wait(PATIENCE)

    assert st.Worker(first, second, concurrency=4).run(until_idle=True).succeeded == 20
    assert crowded.most == 1


# --- how long ---------------------------------------------------------------------------------------------------------


def quick(ctx: Any) -> None:
    """Nothing, in another process."""


class Quick(st.BaseTask):
    class Meta:
        table_name = "quick"

    config = st.TrackerConfig.make("job", *FIRST, max_retry=1)


def test_the_time_that_a_process_takes_to_start_is_not_the_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = processes.Child.__init__

    def slow_start(self: Any, job: Job) -> None:
        start(self, job)
        time.sleep(0.5)

    monkeypatch.setattr(processes.Child, "__init__", slow_start)
    with st.use_engine(f"sqlite:///{(tmp_path / 'worker.db').as_posix()}"):
        Quick.create_table(wait=True)
        Quick.create_many("ab")
        Quick.handler(kind="process", max_concurrency=1, timeout_seconds=0.4)(quick)
        report = st.Worker(Quick).run(until_idle=True)
    assert (report.succeeded, report.timed_out) == (2, 0)


def test_a_slot_whose_handler_ends_while_it_is_given_up_is_not_lost(make: Make) -> None:
    """The thread may come to its end at any moment while the loop gives its attempt up."""
    made = make("a")
    made.handler(timeout_seconds=60)(lambda ctx: None)
    job = Job(made)
    start = made.start("a")
    ctx = start.__enter__()
    threads = Threads(2, lambda work: None, lambda: None)

    class Ending(Work):
        """Ends at the very moment at which it is given up."""

        def abandon(self) -> bool:
            given_up = super().abandon()
            if given_up:
                threads._over(self)  # the thread is quicker than the loop
            return given_up

    work = Ending(job, ctx.task, ctx._hold)
    work.state = RUNNING
    assert threads.give_up(work)
    assert threads.idle == 2
    assert not threads.stuck
    assert not threads.give_up(work)
    assert threads.idle == 2
    end(ctx, None, start._trace)


# --- what is not begun when the worker goes ---------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, None])
def test_coroutines_that_have_not_begun_are_given_back_uncounted(make: Make, limit: int | None) -> None:
    """They wait for their turn (max_concurrency), or for a loop that somebody blocks."""
    made = make(*(f"t{number}" for number in range(6)))
    begun, stopped = threading.Event(), threading.Event()

    @made.handler(max_concurrency=limit)
    async def work(ctx: Any) -> None:
        begun.set()
        if limit is None:
            stopped.wait(PATIENCE)
        else:
            await asyncio.sleep(PATIENCE)

    worker = st.Worker(made, grace_seconds=0)
    reports: list[Any] = []
    thread = threading.Thread(target=lambda: reports.append(worker.run()))
    thread.start()
    assert begun.wait(PATIENCE)
    worker.stop()
    thread.join(PATIENCE)
    ended = not thread.is_alive()
    stopped.set()
    assert ended
    assert made.count_by_status()["pending"] == 6
    attempts = [made.get(f"t{number}").attempts for number in range(6)]
    assert sorted(len(each) for each in attempts) == [0, 0, 0, 0, 0, 1]
    assert (reports[0].claimed, reports[0].released) == (1, 1)


# --- a process that cannot start --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raises", "dies"])
def test_a_process_that_cannot_import_its_handler_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It works in this process, and not in the next: a device that is taken, say."""
    ends = "raise RuntimeError('the device is taken')" if how == "raises" else "os._exit(9)"
    (tmp_path / "only_here.py").write_text(
        "import os, statustrack as st\n"
        f"if os.getpid() != {os.getpid()}: {ends}\n"
        "class Step(st.BaseTask):\n"
        "    class Meta:\n        table_name = 'here'\n"
        "    config = st.TrackerConfig.make('job', 10, 20, 30, 40, 50, max_retry=1)\n"
        "@Step.handler(kind='process')\n"
        "def work(ctx): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    try:
        with st.use_engine(f"sqlite:///{(tmp_path / 'worker.db').as_posix()}"):
            only_here.Step.create_table(wait=True)
            only_here.Step.create("a")
            report = st.Worker(only_here.Step).run(until_idle=True)
            task = only_here.Step.get("a")
    finally:
        del sys.modules["only_here"]
    assert report.ignored == 1
    assert ("the device is taken" if how == "raises" else "exit code 9") in str(task.errors)


# --- handlers that burn CPU -------------------------------------------------------------------------------------------


def test_threads_that_would_only_wait_for_the_interpreter_are_not_woken() -> None:
    threads = Threads(16, lambda work: None, lambda: None)
    threads._count = 16
    seen = []
    for cores in (1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 2.0, 2.0):
        threads.pace(cores)
        threads._count = min(threads._count, threads.allowed)
        seen.append(threads.allowed)
    assert seen == [8, 4, 2, 2, 4, 8, 16, 16]


def test_a_worker_of_one_thread_keeps_it() -> None:
    threads = Threads(1, lambda work: None, lambda: None)
    threads._count = 1
    threads.pace(1.0)
    assert threads.allowed == 1
