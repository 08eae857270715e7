"""An engine of each kind, a table in it, and the place that it is in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from statustrack.core.writes import Write
from statustrack.engines.protocol import Engine, TableOptions
from statustrack.engines.registry import open_engine
from tests.engines.contract.places import Place, place_of
from tests.engines.contract.rows import PRESENT, row_of

_warm: set[str] = set()
_spare: dict[str, str] = {}


@pytest.fixture
def engine(engine_url: str) -> Iterator[Engine]:
    """The engine under test; what makes it slow at first is over."""
    engine = open_engine(engine_url)
    scheme = engine_url.partition("://")[0]
    if scheme == "dynamodb" and engine_url not in _warm:
        _warm.add(engine_url)
        warm_up(engine)
    yield engine
    if scheme == "sqlite":  # a file of this test alone; the other engine serves all tests
        engine.close()


def warm_up(engine: Engine) -> None:
    """A server that has just started takes seconds for its first requests: longer than an engine waits for a reply."""
    table = "warm_up"
    engine.create_table(table, TableOptions())
    rows = [row_of(f"warm {number}", attempt=0) for number in range(26)]
    for _ in range(2):
        engine.apply(table, [Write("save", row["key"], (), set=row, kind="put") for row in rows])
        engine.apply(table, [Write("create", row["key"], PRESENT, increment={"attempt": 1}) for row in rows])
        engine.apply(table, [Write("delete", rows[0]["key"], (), kind="delete")])
        engine.get(table, [row["key"] for row in rows])
        engine.page(table, rows[0]["value"], limit=10)
        list(engine.scan(table))


@pytest.fixture
def table(engine: Engine, table_name: str, place: Place) -> Iterator[str]:
    """An empty table; where making one is slow, the one of the test before, emptied."""
    name = _spare.pop(engine.url, table_name)
    engine.create_table(name, TableOptions())
    yield name
    if place.empty(name):
        _spare[engine.url] = name


@pytest.fixture
def place(engine_url: str) -> Iterator[Place]:
    """Where the engine's tables are, seen from beside it."""
    place = place_of(engine_url)
    yield place
    place.clear()
