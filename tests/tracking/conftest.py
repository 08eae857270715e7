"""A place for tasks with a clock to move: SQLite where only logic matters, each engine where storage does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import statustrack as st
from statustrack import testing
from statustrack.engines.clock import MovableClock
from statustrack.engines.registry import open_engine
from statustrack.tracking import heartbeat
from tests.tracking.support import Faulty, step


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """A lease that a test left held is not renewed during the next one, whose clock is another."""
    yield
    heartbeat._heartbeat._held.clear()


@pytest.fixture
def clock() -> MovableClock:
    """What time it is is decided by the test."""
    return MovableClock()


@pytest.fixture
def sqlite(clock: MovableClock, tmp_path: Path) -> Iterator[Any]:
    """A fresh SQLite file for the time of a test."""
    with testing.engine(clock=clock, folder=str(tmp_path)) as engine:
        yield engine


@pytest.fixture
def store(engine_url: str, clock: MovableClock) -> Iterator[Any]:
    """Each engine in turn, with the clock of the test."""
    engine = open_engine(engine_url, clock=clock)
    with st.use_engine(engine):
        yield engine
    engine.close()


@pytest.fixture
def real(engine_url: str) -> Iterator[Any]:
    """Each engine in turn, as a process gets it (real time)."""
    engine = open_engine(engine_url)
    with st.use_engine(engine):
        yield engine
    engine.close()


@pytest.fixture
def made(store: Any, table_name: str) -> type[st.BaseTask]:
    """One step on each engine, its table made."""
    task = step(table_name)
    task.create_table(wait=True)
    return task


@pytest.fixture
def local(sqlite: Any, table_name: str) -> type[st.BaseTask]:
    """One step on SQLite, its table made."""
    task = step(table_name)
    task.create_table(wait=True)
    return task


@pytest.fixture
def faulty(store: Any, made: type[st.BaseTask]) -> Iterator[Faulty]:
    """Each engine, misbehaving as the test plans; ``made`` is its step."""
    wrapped = Faulty(store)
    with st.use_engine(wrapped):  # type: ignore[arg-type]
        yield wrapped


@pytest.fixture
def faulty_local(sqlite: Any, local: type[st.BaseTask]) -> Iterator[Faulty]:
    """SQLite, misbehaving as the test plans; ``local`` is its step."""
    wrapped = Faulty(sqlite)
    with st.use_engine(wrapped):  # type: ignore[arg-type]
        yield wrapped
