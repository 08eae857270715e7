"""What becomes of single attempts: timeouts, processes, lost leases, suspects, backoff, snoozes, instructions."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import statustrack as st
from statustrack.tracking import ending
from statustrack.worker import intake
from statustrack.worker.worker import Worker
from tests.tracking.support import FIRST

Make = Callable[..., Any]


# --- handlers in processes: module level, so that the other process can import them -----------------------------------


def in_process(ctx: Any) -> dict[str, Any]:
    """Does what the id says."""
    task_id = ctx.task.task_id
    if task_id == "dies":
        os._exit(7)
    if task_id == "hangs":
        time.sleep(60)
    if task_id == "raises":
        raise LookupError("not in the list")
    if task_id == "no-file":
        raise FileNotFoundError("scan.pdf")
    if task_id == "asks":
        ctx.check()
        ctx.progress(0.5, "half")
        ctx.set_data({"kept": 1})
        ctx.update()
        assert not ctx.lease_lost
    return {"pid": os.getpid(), "attempt": ctx.attempt}


class InProcess(st.BaseTask):
    class Meta:
        table_name = "in_process"

    config = st.TrackerConfig.make("job", *FIRST, max_retry=1)


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """The step that can be imported, with tasks."""
    with st.use_engine(f"sqlite:///{(tmp_path / 'worker.db').as_posix()}"):
        InProcess.create_table(wait=True)

        def made(*ids: str) -> type[st.BaseTask]:
            InProcess.create_many(ids)
            return InProcess

        yield made


def test_a_process_handler_runs_in_a_process_that_is_kept(other: Make) -> None:
    made = other("a", "b", "c", "asks")
    made.handler(kind="process", max_concurrency=1)(in_process)
    report = Worker(made).run(until_idle=True)
    assert report.succeeded == 4
    pids = {made.get(task_id).data["pid"] for task_id in ("a", "b", "c", "asks")}
    assert len(pids) == 1
    assert pids != {os.getpid()}
    assert made.get("asks").data["kept"] == 1
    assert made.get("a").data["attempt"] == 1


def test_a_process_handler_that_dies_fails_its_task_and_no_other(other: Make) -> None:
    made = other("dies", "a", "b", "raises", "no-file")
    made.handler(kind="process", max_concurrency=1)(in_process)
    report = Worker(made).run(until_idle=True)
    assert (report.succeeded, report.ignored, report.lost) == (2, 3, 0)
    assert "exit code 7" in str(made.get("dies").errors)
    # An OSError of the handler's is no sign of a broken pipe.
    assert made.get("no-file").errors["history"][0]["error"] == "FileNotFoundError('scan.pdf')"
    assert "not in the list" in str(made.get("raises").errors)
    assert "in_process" in made.get("raises").errors["history"][0]["traceback"]


def test_a_process_handler_that_takes_too_long_is_killed(other: Make) -> None:
    made = other("hangs", "a")
    made.handler(kind="process", timeout_seconds=1.5)(in_process)
    began = time.monotonic()
    report = Worker(made).run(until_idle=True)
    assert time.monotonic() - began < 20
    assert (report.succeeded, report.ignored, report.timed_out, report.stuck) == (1, 1, 1, 0)
    assert "timed out after 1.5 s" in str(made.get("hangs").errors)


def test_a_process_handler_must_be_importable(make: Make) -> None:
    with pytest.raises(st.ConfigError, match="top level"):
        make().handler(kind="process")(lambda ctx: None)
    made = make("a")
    made.handler(kind="process")(in_process)
    with pytest.raises(st.ConfigError, match="can import"):
        Worker(made).run(until_idle=True)
    assert made.get("a").is_pending()


# --- threads ----------------------------------------------------------------------------------------------------------


def test_a_thread_that_takes_too_long_is_told_and_its_slot_is_lost(make: Make) -> None:
    made = make("hangs", "a", "b", max_retry=1)
    told, ended = threading.Event(), threading.Event()

    @made.handler(timeout_seconds=0.2)
    def work(ctx: Any) -> None:
        if ctx.task.task_id == "hangs":
            while not ctx.lease_lost:
                time.sleep(0.01)
            told.set()
            ended.wait(10)

    report = Worker(made, concurrency=2).run(until_idle=True)
    assert told.wait(10)
    ended.set()
    assert (report.succeeded, report.ignored, report.timed_out, report.stuck) == (2, 1, 1, 1)
    assert made.get("hangs").errors["history"][0]["kind"] == "timeout"


def test_snooze_and_give_up(make: Make) -> None:
    made = make("later", "never", "good")

    @made.handler
    def work(ctx: Any) -> None:
        if ctx.task.task_id == "never":
            raise st.GiveUp("no such customer")
        if ctx.task.task_id == "later" and ctx.attempt == 1:
            raise st.Snooze(0.3)

    report = Worker(made).run(until_idle=True)
    assert (report.succeeded, report.snoozed, report.ignored, report.failed) == (2, 1, 1, 0)
    assert made.get("later").retry == 0
    assert made.get("never").is_ignored()


def test_without_a_delay_of_its_own_a_step_has_the_backoff_of_workers(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = itertools.cycle((0.2, 0.4, 0.6, 0.8))  # full jitter, without its luck
    monkeypatch.setattr(ending.random, "random", lambda: next(draws))
    made = make(*(f"t{number:02}" for number in range(20)))

    @made.handler
    def work(ctx: Any) -> None:
        raise ValueError("down")

    report = Worker(made).run(until_idle=True, max_wait=0.0)
    assert (report.claimed, report.failed) == (20, 20)
    waits = [
        (task.ready_at - task.update_time).total_seconds()
        for task in made.query_by_status("failed", auto_refresh=True)
        if task.ready_at is not None
    ]
    assert len(waits) == 20
    assert {round(wait) for wait in waits} == {1, 2, 3, 4}


def test_a_lost_lease_cancels_a_coroutine_and_is_counted_as_lost(make: Make) -> None:
    made = make("a")
    stopped = threading.Event()

    @made.handler
    async def work(ctx: Any) -> None:
        if ctx.attempt == 1:
            try:
                ctx._hold.lose("taken away by the test")
                await asyncio.sleep(30)
            finally:
                stopped.set()

    report = Worker(made).run(until_idle=True)
    assert stopped.is_set()
    assert (report.lost, report.succeeded) == (1, 1)


def test_also_commits_with_the_success(make: Make) -> None:
    made = make("a", "b")

    @made.handler
    def work(ctx: Any) -> dict[str, Any]:
        ctx.also(sql=["CREATE TABLE IF NOT EXISTS mine (id TEXT PRIMARY KEY)"])
        ctx.also(sql=[("INSERT INTO mine VALUES (?)", (ctx.task.task_id,))])
        return {"done": True}

    report = Worker(made).run(until_idle=True)
    assert (report.claimed, report.succeeded) == (2, 2)
    assert made.get("a").data == {"done": True}


def test_a_suspect_is_run_alone(make: Make) -> None:
    made = make(*(f"t{number:02}" for number in range(20)), lock_expire_seconds=1)
    start = made.start("t00")
    start.__enter__()
    from statustrack.tracking.heartbeat import let_go

    let_go(start._ctx._hold)  # as a worker that died
    time.sleep(1.1)
    running: set[str] = set()
    beside: list[int] = []
    guard = threading.Lock()

    @made.handler
    def work(ctx: Any) -> None:
        with guard:
            running.add(ctx.task.task_id)
            if "t00" in running:
                beside.append(len(running))
        time.sleep(0.05)
        with guard:
            running.discard(ctx.task.task_id)

    report = Worker(made, concurrency=4).run(until_idle=True)
    assert (report.succeeded, report.rescued) == (20, 1)
    assert beside == [1]
    assert [each.outcome for each in made.get("t00").attempts] == ["lost", "succeeded"]


# --- how a worker is run ----------------------------------------------------------------------------------------------


def test_an_idle_worker_hears_of_a_new_task_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "FIRST_POLL_SECONDS", 600.0)  # its polls are far apart
    made = make()
    seen: list[str] = []

    @made.handler
    def work(ctx: Any) -> None:
        seen.append(ctx.task.task_id)

    worker = Worker(made)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for number in range(5):
            made.create(f"t{number}")
            deadline = time.monotonic() + 20
            while len(seen) <= number and time.monotonic() < deadline:
                time.sleep(0.001)
    finally:
        worker.stop()
        thread.join(20)
    assert not thread.is_alive()
    assert seen == [f"t{number}" for number in range(5)]


def test_the_step_that_follows_is_not_polled_for(make: Make) -> None:
    first = make(*(f"t{number:02}" for number in range(50)))
    second = type("Second", (first,), {"config": st.TrackerConfig.make("job", 40, 60, 70, 80, 90)})
    first.handler(lambda ctx: None)
    second.handler(lambda ctx: None)
    began = time.monotonic()
    report = Worker(first, second).run(until_idle=True)
    assert report.succeeded == 100
    assert report.refused == 0
    assert time.monotonic() - began < 3


def test_arun_that_is_cancelled_gives_back_what_it_holds(make: Make) -> None:
    made = make("a", "b")
    begun = threading.Event()

    @made.handler
    async def work(ctx: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    async def main() -> None:
        running = asyncio.ensure_future(Worker(made, grace_seconds=0).arun())
        while not begun.is_set():
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    counts = made.count_by_status()
    assert (counts["pending"], counts["in_progress"]) == (2, 0)


def test_a_worker_runs_once_at_a_time_and_again(make: Make) -> None:
    made = make("a")
    made.handler(lambda ctx: None)
    worker = Worker(made)
    assert worker.run(until_idle=True).succeeded == 1
    made.create("b")
    assert worker.run(until_idle=True).succeeded == 1


def test_processes_need_steps_that_can_be_imported(make: Make) -> None:
    made = make("a")
    made.handler(lambda ctx: None)
    with pytest.raises(st.ConfigError, match="can import"):
        Worker(made, processes=2).run(until_idle=True)


def test_a_step_whose_pending_code_nobody_makes_is_refused(make: Make) -> None:
    first = make()
    first.create("a")
    other = type("Other", (first,), {"config": st.TrackerConfig.make("job", 45, 60, 70, 80, 90)})
    other.handler(lambda ctx: None)
    with pytest.raises(st.ConfigError, match="no step produces status 45"):
        Worker(other).run(until_idle=True)
