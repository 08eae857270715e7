"""Workers run the handlers of steps and record what comes of them, in this process and as the real command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import statustrack as st
from statustrack.tracking.handlers import handler_of
from tests.tracking.support import FIRST, SECOND, step

Make = Callable[..., type[st.BaseTask]]


@pytest.fixture
def make(tmp_path: Path, table_name: str) -> Any:
    """A step on a SQLite file of this test."""
    with st.use_engine(f"sqlite:///{(tmp_path / 'worker.db').as_posix()}"):
        yield lambda *codes, **options: step(table_name, *codes, **options)


def ready(made: type[st.BaseTask], ids: list[str], data: dict[str, Any] | None = None) -> type[st.BaseTask]:
    """The step, with these tasks."""
    made.create_table(wait=True)
    made.create_many((task_id, data) for task_id in ids)
    return made


def run(*steps: Any, **options: Any) -> Any:
    """Until everything has ended."""
    return st.Worker(*steps, **options).run(until_idle=True)


# --- handlers --------------------------------------------------------------------------------------------------------


def test_a_dict_that_a_handler_returns_is_merged_into_the_data(make: Make) -> None:
    made = ready(make(), ["a"], {"kept": 1, "changed": 1})

    @made.handler
    def work(ctx: Any) -> dict[str, Any]:
        return {"changed": 2, "new": ctx.task.task_id}

    report = run(made)
    assert (report.claimed, report.succeeded, report.stopped_by) == (1, 1, "")
    task = made.get("a")
    assert task.is_succeeded()
    assert task.data == {"kept": 1, "changed": 2, "new": "a"}


def test_a_handler_that_returns_nothing_keeps_what_it_set(make: Make) -> None:
    made = ready(make(), ["a"], {"old": 1})

    @made.handler
    def work(ctx: Any) -> None:
        ctx.set_data({"set": 1})

    assert run(made).succeeded == 1
    assert made.get("a").data == {"set": 1}


def test_coroutines_run_at_the_same_time(make: Make) -> None:
    made = ready(make(), [f"t{number}" for number in range(6)])
    met: list[str] = []

    @made.handler
    async def work(ctx: Any) -> dict[str, Any]:
        met.append(ctx.task.task_id)
        deadline = time.monotonic() + 10
        while len(met) < 6:  # one alone would wait in vain
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        return {"async": True}

    report = run(made, concurrency=6)
    assert (report.succeeded, report.failed) == (6, 0)
    assert all(made.get(f"t{number}").data == {"async": True} for number in range(6))


def test_arun_runs_coroutines_in_the_loop_of_the_caller(make: Make) -> None:
    made = ready(make(), ["a", "b"])
    loops = set()

    @made.handler
    async def work(ctx: Any) -> None:
        loops.add(asyncio.get_running_loop())

    async def main() -> tuple[Any, Any]:
        return await st.Worker(made).arun(until_idle=True), asyncio.get_running_loop()

    report, mine = asyncio.run(main())
    assert report.succeeded == 2
    assert loops == {mine}


def test_an_error_fails_the_task_and_too_many_end_it_as_ignored(make: Make) -> None:
    made = ready(make(max_retry=2, retry_delay_seconds=0), ["good", "bad"])
    tried = []

    @made.handler
    def work(ctx: Any) -> None:
        tried.append(ctx.task.task_id)
        if ctx.task.task_id == "bad":
            raise ValueError("no such invoice")

    report = run(made)
    assert (report.succeeded, report.failed, report.ignored) == (1, 1, 1)
    assert not report.is_good
    assert sorted(tried) == ["bad", "bad", "good"]
    bad = made.get("bad")
    assert bad.is_ignored()
    assert bad.retry == 2
    assert "no such invoice" in str(bad.errors)


def test_a_failed_task_is_left_failed_while_it_is_in_backoff(make: Make) -> None:
    made = ready(make(retry_delay_seconds=3600), ["bad"])

    @made.handler
    def work(ctx: Any) -> None:
        raise ValueError("boom")

    report = st.Worker(made).run(until_idle=True, max_wait=0.2)
    assert (report.claimed, report.failed, report.ignored) == (1, 1, 0)
    assert made.get("bad").is_failed()


@pytest.mark.parametrize("wrong", ["text", 7, ["a"]])
def test_what_is_no_dict_is_a_failure(make: Make, wrong: Any) -> None:
    made = ready(make(max_retry=1), ["a"])

    @made.handler
    def work(ctx: Any) -> Any:
        return wrong

    assert run(made).ignored == 1
    assert "must return a dict" in str(made.get("a").errors)


def test_a_handler_that_would_exit_the_program_fails_only_its_task(make: Make) -> None:
    made = ready(make(max_retry=1), ["a", "b"])

    @made.handler
    def work(ctx: Any) -> None:
        if ctx.task.task_id == "a":
            sys.exit(3)

    report = run(made)
    assert (report.succeeded, report.ignored) == (1, 1)
    assert made.get("a").is_ignored()


def test_a_coroutine_that_takes_too_long_is_cancelled(make: Make) -> None:
    made = ready(make(max_retry=1), ["slow"])

    @made.handler(timeout_seconds=0.1)
    async def work(ctx: Any) -> None:
        await asyncio.sleep(60)

    report = run(made)
    assert (report.ignored, report.timed_out) == (1, 1)
    assert made.get("slow").is_ignored()


def test_max_concurrency_holds(make: Make) -> None:
    made = ready(make(), [f"t{number}" for number in range(12)])
    lock, now, most = threading.Lock(), [0], [0]

    @made.handler(max_concurrency=2)
    def work(ctx: Any) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    assert run(made, concurrency=8).succeeded == 12
    assert most == [2]


def test_a_step_has_one_handler_and_may_define_it_again(make: Make) -> None:
    made = make()
    made.create_table(wait=True)

    def first(ctx: Any) -> None: ...

    def second(ctx: Any) -> None: ...

    assert made.handler(first) is first
    made.handler(first)
    found = handler_of(made)
    assert found is not None
    assert found.function is first
    with pytest.raises(st.ConfigError, match="has a handler already"):
        made.handler(second)


@pytest.mark.parametrize(
    "options", [{"max_concurrency": 0}, {"timeout_seconds": 0}, {"timeout_seconds": float("nan")}, {"kind": "fibre"}]
)
def test_options_that_cannot_work_are_refused(make: Make, options: Any) -> None:
    with pytest.raises(st.ConfigError, match=next(iter(options))):
        make().handler(**options)(print)


def test_a_step_without_handler_is_refused(make: Make) -> None:
    made = ready(make(), ["a"])
    with pytest.raises(st.ConfigError, match="has no handler"):
        run(made)
    assert made.get("a").is_pending()


# --- pipelines -------------------------------------------------------------------------------------------------------


def pipeline(table: str) -> tuple[type[st.BaseTask], type[st.BaseTask]]:
    """Two steps whose handlers leave their marks."""
    first, second = step(table, FIRST, name="First"), step(table, SECOND, name="Second")

    @first.handler
    def read(ctx: Any) -> dict[str, Any]:
        return {"first": ctx.task.task_id}

    @second.handler
    async def answer(ctx: Any) -> dict[str, Any]:
        return {"second": ctx.data["first"] + "!"}

    return first, second


def test_all_tasks_go_through_both_steps(engine_url: str, table_name: str) -> None:
    first, second = pipeline(table_name)
    with st.use_engine(engine_url):
        ready(first, [f"t{number}" for number in range(20)])
        report = run(st.Pipeline("both", first, second))
        assert (report.claimed, report.succeeded) == (40, 40)
        assert (report.failed, report.ignored, report.unknown, report.lost) == (0, 0, 0, 0)
        assert report.is_good
        assert report.requests > 0
        for number in range(20):
            task = second.get(f"t{number}")
            assert task.is_succeeded()
            assert task.data == {"first": f"t{number}", "second": f"t{number}!"}
        assert run(first, second).claimed == 0  # nothing is done twice


def test_two_workers_share_the_tasks(engine_url: str, table_name: str) -> None:
    made = step(table_name)
    seen: list[str] = []

    @made.handler
    def work(ctx: Any) -> None:
        seen.append(ctx.task.task_id)
        time.sleep(0.01)

    with st.use_engine(engine_url):
        ids = [f"t{number:02}" for number in range(30)]
        ready(made, ids)
        reports: list[Any] = []
        threads = [threading.Thread(target=lambda: reports.append(run(made, concurrency=2, batch=2))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(report.succeeded for report in reports) == 30
    assert sorted(seen) == ids


def test_steps_that_do_not_fit_are_refused(table_name: str) -> None:
    first, other = step(table_name, FIRST), step(table_name, (45, 60, 70, 80, 90))
    with pytest.raises(st.ConfigError, match="cannot follow"):
        st.Pipeline("p", first, other)
    with pytest.raises(st.ConfigError, match="has no steps"):
        st.Pipeline("p")
    with pytest.raises(st.ConfigError, match="is its name"):
        st.Pipeline("", first)


def held_up(made: type[st.BaseTask]) -> tuple[threading.Event, threading.Event]:
    """Give it a handler that waits: set when it has begun, and to set so that it goes on."""
    begun, go_on = threading.Event(), threading.Event()

    @made.handler
    def work(ctx: Any) -> None:
        begun.set()
        go_on.wait(20)

    return begun, go_on


def test_stop_gives_back_what_runs(make: Make) -> None:
    made = ready(make(), [f"t{number}" for number in range(5)])
    begun, go_on = held_up(made)
    worker = st.Worker(made, concurrency=2, grace_seconds=0)
    reports: list[Any] = []
    thread = threading.Thread(target=lambda: reports.append(worker.run()))
    thread.start()
    assert begun.wait(10)
    worker.stop()
    thread.join(10)
    ended = not thread.is_alive()
    go_on.set()
    assert ended
    assert reports[0].stopped_by == "stop()"
    assert reports[0].succeeded == 0
    counts = made.count_by_status()
    assert (counts["pending"], counts["in_progress"]) == (5, 0)
    assert made.get("t0").retry == 0


def test_a_stop_takes_no_longer_than_what_runs(make: Make) -> None:
    made = ready(make(), ["t0", "t1"])
    begun, go_on = held_up(made)
    worker = st.Worker(made, concurrency=2, grace_seconds=3600)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    assert begun.wait(10)
    worker.stop()
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    assert made.count_by_status()["in_progress"] == 0
    assert worker.report.released == 0


# --- the command -----------------------------------------------------------------------------------------------------

MODULE = """\
import pathlib, time
import statustrack as st

class Read(st.BaseTask):
    class Meta:
        table_name = "TABLE"
    config = st.TrackerConfig.make("doc", 10, 20, 30, 40, 50, max_retry=1)

class Answer(Read):
    config = st.TrackerConfig.make("doc", 40, 60, 70, 80, 90, max_retry=1)

@Read.handler
def read(ctx):
    if ctx.task.task_id == "bad":
        raise ValueError("unreadable")
    return {"read": True}

@Answer.handler
def answer(ctx):
    return {"answered": True}

class Slow(st.BaseTask):
    class Meta:
        table_name = "TABLE"
    config = st.TrackerConfig.make("slow", 10, 20, 30, 40, 50)

@Slow.handler
def slow(ctx):
    pathlib.Path("begun-" + ctx.task.task_id).touch()
    time.sleep(60)

both = st.Pipeline("both", Read, Answer)
"""


class Folder:
    """A folder with a module of the user's, and the real command in it."""

    def __init__(self, path: Path, url: str, table: str) -> None:
        self.path = path
        self.environment = {**os.environ, "STATUSTRACK_ENGINE": url}
        path.mkdir()
        (path / "jobs.py").write_text(MODULE.replace("TABLE", table))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "statustrack", *arguments],
            cwd=self.path, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def make_table(self, table: str) -> None:
        with st.use_engine(self.environment["STATUSTRACK_ENGINE"]):
            step(table).create_table(wait=True)

    def __call__(self, *arguments: str, given: str = "", code: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(given, timeout=60)
        assert process.returncode == code, out + err
        return out + err


ON_SQLITE = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path, engine_url: str, table_name: str) -> Folder:
    return Folder(tmp_path / "user", engine_url, table_name)


def counts_of(folder: Folder, table: str, codes: tuple[int, ...], use_case: str) -> dict[str, int]:
    made = step(table, codes, use_case)
    with st.use_engine(folder.environment["STATUSTRACK_ENGINE"]):
        counts: dict[str, int] = made.count_by_status()
    return counts


def test_add_and_run(folder: Folder, table_name: str) -> None:
    folder.make_table(table_name)
    assert "3 tasks created for Read" in folder("add", "jobs:Read", given='a\n\nb\n{"id": "c", "data": {"x": 1}}\n')
    assert "1 tasks created for Read, 1 existed already" in folder("add", "jobs:Read", given="a\nd\n")
    report = json.loads(folder("run", "jobs:both", "--until-idle", "--json"))
    assert (report["claimed"], report["succeeded"], report["failed"]) == (8, 8, 0)
    made = step(table_name, SECOND, "doc")
    with st.use_engine(folder.environment["STATUSTRACK_ENGINE"]):
        assert all(made.get(task_id).is_succeeded() for task_id in "abcd")
        assert made.get("c").data == {"x": 1, "read": True, "answered": True}


@ON_SQLITE
def test_run_with_two_processes_and_a_bad_task(folder: Folder, table_name: str) -> None:
    folder.make_table(table_name)
    folder("add", "jobs:Read", given="".join(f"t{number}\n" for number in range(30)) + "bad\n")
    shown = folder("run", "jobs:Read", "--until-idle", "--processes", "2", code=1)
    assert "Done: 30 succeeded, 1 ignored in " in shown
    counts = counts_of(folder, table_name, FIRST, "doc")
    assert (counts["pending"], counts["in_progress"], counts["ignored"], counts["succeeded"]) == (0, 0, 1, 30)


@ON_SQLITE
def test_processes_find_a_handler_that_is_not_in_the_module_of_its_step(folder: Folder, table_name: str) -> None:
    folder.make_table(table_name)
    module = (folder.path / "jobs.py").read_text().partition("@Read.handler")[0]
    (folder.path / "steps_alone.py").write_text(module)
    (folder.path / "handlers_alone.py").write_text(
        "from steps_alone import Read\n@Read.handler\ndef work(ctx):\n    return {'read': True}\n"
    )
    folder("add", "handlers_alone:Read", given="a\nb\n")
    shown = folder("run", "handlers_alone:Read", "--until-idle", "--processes", "2")
    assert "Done: 2 succeeded in " in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize(
    ("engine_url", "number", "code"),
    [
        ("sqlite", signal.SIGTERM, 143),
        ("sqlite", signal.SIGINT, 130),
        pytest.param("dynamodb", signal.SIGTERM, 143, marks=pytest.mark.dynamodb),
    ],
    indirect=["engine_url"],
)
def test_a_signal_leaves_nothing_in_progress(folder: Folder, table_name: str, number: int, code: int) -> None:
    folder.make_table(table_name)
    folder("add", "jobs:Slow", given="a\nb\nc\nd\n")
    process = folder.start("run", "jobs:Slow", "--concurrency", "2", "--grace", "0.1")
    try:
        deadline = time.monotonic() + 20
        while len(list(folder.path.glob("begun-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert counts_of(folder, table_name, FIRST, "slow")["in_progress"] >= 2
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code, out + err
    assert "Stopped by " in out
    counts = counts_of(folder, table_name, FIRST, "slow")
    assert (counts["pending"], counts["in_progress"], counts["failed"]) == (4, 0, 0)


@pytest.mark.parametrize(
    ("target", "words"),
    [("jobs", "is not of the form"), ("nowhere:Read", "there is no module"), ("jobs:Raed", "Answer, Read, Slow, both")],
)
def test_a_wrong_target_is_one_message(tmp_path: Path, target: str, words: str) -> None:
    ran = Folder(tmp_path / "user", "sqlite:///x.db", "t")("run", target, code=2)
    assert ran.startswith("Error: ")
    assert words in " ".join(ran.split())
