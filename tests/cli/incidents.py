"""The incidents of docs/three-in-the-morning.md, staged: for each heading a function that brings a table into that
state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import statustrack as st
from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.lifecycle import delete
from statustrack.core.writes import Write
from statustrack.engines.clock import MovableClock
from statustrack.engines.protocol import TableOptions
from statustrack.engines.registry import open_engine
from statustrack.tracking import heartbeat, identity
from tests.tracking.support import FIRST, SECOND, fail, lose, step

URL = "sqlite:///statustrack.db"
HOUR = 3600


class Staging:
    """A table ``jobs`` in the working directory, some hours ago; at the end of the block it is now."""

    def __init__(self, hours: float, **options: Any) -> None:
        self.clock = MovableClock(time.time_ns() // 1000 - int(hours * HOUR * 1_000_000))
        self.engine = open_engine(URL, clock=self.clock)
        options = {"use_case": "invoice", "max_retry": 2, **options}
        self.extract = step("jobs", FIRST, name="Extract", **options)
        self.answer = step("jobs", SECOND, name="Answer", **options)

    @contextmanager
    def now(self) -> Iterator[Staging]:
        with st.use_engine(self.engine):
            self.extract.create_table(wait=True)
            yield self
        heartbeat._heartbeat._held.clear()
        self.engine.close()

    def until(self, seconds_ago: float) -> None:
        """Let time pass until so long ago."""
        self.clock.advance((time.time_ns() // 1000 - self.clock.wall()) / 1_000_000 - seconds_ago)


def nothing_moves(_: pytest.MonkeyPatch) -> None:
    with Staging(5.2).now() as stage:
        stage.extract.create_many(f"inv-{number:03d}" for number in range(40))
        for number in range(3):
            with stage.extract.start(f"inv-{number:03d}"):
                stage.clock.advance(2)
        with stage.answer.start("inv-000"):
            stage.clock.advance(2)


def workers_run_but_nothing_gets_done(_: pytest.MonkeyPatch) -> None:
    with Staging(6.1).now() as stage:
        stage.extract.create_many(f"inv-{number:03d}" for number in range(7, 10))
        hung = stage.extract.start("inv-007").__enter__()
        hung.progress(0.4, "waiting for the printer")
        stage.until(30)
        lease = stage.clock.wall() // 1000 + 300_000  # as its heartbeat has renewed it all the time
        key = stage.extract.make_key("inv-007")
        stage.engine.apply("jobs", [Write("heartbeat", key, (), set={"lease_until": lease})])
        stage.extract.start("inv-008").__enter__()


def one_task_is_stuck(_: pytest.MonkeyPatch) -> None:
    with Staging(3.1).now() as stage:
        stage.extract.create("inv-005")
        for _ in range(2):
            fail(stage.extract, "inv-005", KeyError("author"))


def everything_fails_since_two(_: pytest.MonkeyPatch) -> None:
    with Staging(3, max_retry=1).now() as stage:
        stage.extract.create_many(f"inv-{number:03d}" for number in range(40))
        stage.until(58.5 * 60)
        for number in range(29):
            fail(stage.extract, f"inv-{number:03d}", ConnectionError("vault.internal refused the token of 2026-11"))
            stage.clock.advance(60)
        fail(stage.extract, "inv-029", ValueError("cannot parse page 7"))


def a_worker_died(monkeypatch: pytest.MonkeyPatch) -> None:
    with Staging(0.996).now() as stage:
        stage.extract.create_many(f"inv-{number:03d}" for number in range(10))
        for number in range(4):
            stage.extract.start(f"inv-{number:03d}").__enter__()
        stage.until(60)
        identity.worker_name()
        monkeypatch.setattr(identity, "_worker", "machine7:4711:0a1b2c3d")
        for number in (5, 6):
            stage.extract.start(f"inv-{number:03d}").__enter__()


def a_task_kills_its_workers(_: pytest.MonkeyPatch) -> None:
    with Staging(2, max_retry=5).now() as stage:
        for task_id in ("inv-013", "inv-014"):
            stage.extract.create(task_id)
        for _ in range(3):
            lose(stage.extract, "inv-013", stage.clock)
        stage.extract.start("inv-013").__enter__()


def did_it_run_twice(_: pytest.MonkeyPatch) -> None:
    with Staging(2).now() as stage:
        stage.extract.create("inv-021")
        late = stage.extract.start("inv-021")
        late.__enter__()
        stage.clock.advance(400)
        with stage.extract.start("inv-021"):
            stage.clock.advance(3)
        with pytest.raises(st.TaskLeaseLostError):
            late.__exit__(None, None, None)


def the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    with Staging(1).now() as stage:
        stage.extract.create("inv-001")
    usage = type("usage", (), {"free": 12_000_000})
    monkeypatch.setattr("statustrack.engines.sqlite.inspect.shutil.disk_usage", lambda _: usage)


def the_storage_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUSTRACK_ENGINE", "dynamodb://us-east-1?endpoint=http://127.0.0.1:9")
    monkeypatch.setenv("STATUSTRACK_TABLE", "jobs")


def the_table_is_gone(_: pytest.MonkeyPatch) -> None:
    pass


def tasks_seem_to_be_missing(_: pytest.MonkeyPatch) -> None:
    with Staging(1, n_pending_shard=3).now() as stage:
        stage.extract.create_many(f"inv-{number:03d}" for number in range(40))
        stage.engine.apply("jobs", [delete(DIRECTORY_KEY, forced=True)])


def the_table_is_throttled(monkeypatch: pytest.MonkeyPatch, proxied: str, table: str) -> None:
    """On DynamoDB Local, behind a proxy that refuses queries for a while."""
    engine = open_engine(proxied)
    engine.create_table(table, TableOptions("PROVISIONED", 5, 5), wait=True)
    with st.use_engine(engine):
        step(table, FIRST, name="Extract", use_case="invoice").create("inv-001")
    engine.close()
    monkeypatch.setattr("statustrack.engines.dynamodb.connection.PATIENCE_SECONDS", 0.2)
    monkeypatch.setenv("STATUSTRACK_ENGINE", proxied)
    monkeypatch.setenv("STATUSTRACK_TABLE", table)


#: By the heading's anchor.
INCIDENTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nothing-moves": nothing_moves,
    "workers-run-but-nothing-gets-done": workers_run_but_nothing_gets_done,
    "one-task-is-stuck": one_task_is_stuck,
    "everything-fails-since-two": everything_fails_since_two,
    "a-worker-died": a_worker_died,
    "a-task-kills-its-workers": a_task_kills_its_workers,
    "did-it-run-twice": did_it_run_twice,
    "the-disk-is-full": the_disk_is_full,
    "the-storage-does-not-answer": the_storage_does_not_answer,
    "the-table-is-gone": the_table_is_gone,
    "tasks-seem-to-be-missing": tasks_seem_to_be_missing,
}
