"""A storage that does not answer, loses replies or refuses for a while: the worker waits, and nothing is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

import statustrack as st
from statustrack.core.errors import StorageError
from statustrack.core.writes import Write
from statustrack.engines.protocol import Engine, Outcome
from statustrack.engines.registry import open_engine
from tests.tracking.support import silent, step


class Flaky:
    """An engine whose storage misbehaves between two instants."""

    def __init__(self, inner: Engine, how: str) -> None:
        self._inner = inner
        self._how = how
        self.since = self.until = 0.0
        self.hits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def _is_down(self) -> bool:
        return self.since <= time.monotonic() < self.until

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        if not self._is_down:
            return self._inner.apply(table, writes)
        self.hits += 1
        if self._how == "refuses":
            raise StorageError("no permission, for a while")
        if self._how == "drops":
            return [silent()] * len(writes)
        outcomes = self._inner.apply(table, writes)
        if self._how == "loses":
            return [silent()] * len(writes)
        return [each if random.random() < 0.5 else silent("throttled") for each in outcomes]

    def page(self, *args: Any, **options: Any) -> Any:
        return self._read("page", *args, **options)

    def get(self, *args: Any, **options: Any) -> Any:
        return self._read("get", *args, **options)

    def count(self, *args: Any, **options: Any) -> Any:
        return self._read("count", *args, **options)

    def _read(self, verb: str, *args: Any, **options: Any) -> Any:
        if self._is_down and self._how != "throttles":
            raise st.StorageUnavailableError("it does not answer")
        return getattr(self._inner, verb)(*args, **options)


@pytest.mark.parametrize("how", ["drops", "loses", "throttles", "refuses"])
def test_trouble_is_waited_out(engine_url: str, table_name: str, how: str) -> None:
    engine = Flaky(open_engine(engine_url), how)
    runs: Counter[str] = Counter()
    made = step(table_name, lock_expire_seconds=30)
    guard = threading.Lock()

    @made.handler
    def work(ctx: Any) -> dict[str, Any]:
        with guard:
            runs[ctx.task.task_id] += 1
        time.sleep(0.02)
        return {"by": ctx.attempt}

    ids = [f"t{number:03}" for number in range(150)]
    with st.use_engine(engine):  # type: ignore[arg-type]
        made.create_table(wait=True)
        made.create_many(ids)
        engine.since = time.monotonic() + 0.2
        engine.until = engine.since + 1.5
        report = st.Worker(made, concurrency=4, batch=5).run(until_idle=True)
        assert engine.hits
        assert made.count_by_status()["succeeded"] == len(ids)
    assert (report.succeeded, report.failed, report.lost, report.unknown) == (len(ids), 0, 0, 0)
    assert set(runs.values()) == {1}, [key for key, count in runs.items() if count > 1]


def test_an_outcome_that_stays_unknown_is_reported(
    tmp_path: Any, table_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Flaky(open_engine(f"sqlite:///{tmp_path.as_posix()}/t.db"), "drops")
    made = step(table_name, lock_expire_seconds=1)

    @made.handler
    def work(ctx: Any) -> None:
        if ctx.attempt == 1:
            engine.since, engine.until = time.monotonic(), time.monotonic() + 2.0

    with st.use_engine(engine):  # type: ignore[arg-type]
        made.create_table(wait=True)
        made.create("a")
        report = st.Worker(made).run(until_idle=True)
        assert made.get("a").is_succeeded()
    assert (report.unknown, report.succeeded, report.rescued) == (1, 1, 1)
    assert "outcome_unknown" in caplog.text
