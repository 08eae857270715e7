"""Pages of a partition: in order of time, both ways, bounded, filtered, and every row once."""

from __future__ import annotations

from typing import Any

import pytest

from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Cursor, Engine
from tests.engines.contract.rows import Chance, on_page, put, row_of

PARTITION = "job____000____001"
LIMITS = [1, 2, 7, 29, 30, 31, 1000]
WAYS = pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])


def time_of(number: int) -> str:
    return f"2024-05-23T06:07:{number:02}.000000+0000"


def through(engine: Engine, table: str, **how: Any) -> list[Row]:
    """All pages, one after the other."""
    rows: list[Row] = []
    after: Cursor | None = None
    for _ in range(1000):
        page = engine.page(table, PARTITION, after=after, **how)
        assert len(page.rows) <= how["limit"]
        rows += page.rows
        after = page.after
        if after is None:
            return rows
    raise AssertionError("the pages come to no end")


@pytest.fixture
def rows(engine: Engine, table: str) -> list[Row]:
    """Thirty rows, of which up to six share a time; others beside them."""
    rows = [row_of(f"task {n}", update_time=time_of(n % 11), attempt=n, data="{}", worker="w") for n in range(30)]
    rows += [row_of(f"tie {n}", update_time=time_of(5)) for n in range(3)]
    Chance(5).random.shuffle(rows)
    others = [row_of(f"other {n}", value=PARTITION + end, update_time=time_of(n)) for n, end in enumerate("x1 %")]
    put(engine, table, *rows, *others, {"key": "bare"}, {"key": "no time", "value": PARTITION})
    return rows


@WAYS
@pytest.mark.parametrize("limit", LIMITS)
def test_the_pages_have_every_row_once_in_the_order_of_time(
    engine: Engine, table: str, rows: list[Row], limit: int, newest_first: bool
) -> None:
    read = through(engine, table, limit=limit, newest_first=newest_first)
    assert sorted(read, key=lambda row: row["key"]) == sorted(
        (on_page(engine, row) for row in rows), key=lambda row: row["key"]
    )
    moments = [row["update_time"] for row in read]
    assert moments == sorted(moments, reverse=newest_first)


def test_rows_of_one_time_have_one_order_whatever_the_pages(engine: Engine, table: str, rows: list[Row]) -> None:
    orders = [[row["key"] for row in through(engine, table, limit=limit)] for limit in LIMITS]
    assert all(order == orders[0] for order in orders)
    backwards = [row["key"] for row in through(engine, table, limit=4, newest_first=True)]
    assert backwards == orders[0][::-1]


@WAYS
@pytest.mark.parametrize("bounds", [(None, None), (3, None), (None, 5), (3, 5), (4, 4), (5, 3), (20, None), (None, -1)])
def test_both_bounds_are_inclusive(
    engine: Engine, table: str, rows: list[Row], bounds: tuple[int | None, int | None], newest_first: bool
) -> None:
    since, until = (None if each is None else time_of(each) if each >= 0 else "2023" for each in bounds)
    wanted = {
        row["key"]
        for row in rows
        if (since is None or row["update_time"] >= since) and (until is None or row["update_time"] <= until)
    }
    for limit in (2, 100):
        read = through(engine, table, limit=limit, since=since, until=until, newest_first=newest_first)
        assert len(read) == len(wanted)
        assert {row["key"] for row in read} == wanted


@WAYS
def test_rows_that_are_not_ready_are_left_out(engine: Engine, table: str, newest_first: bool) -> None:
    ready: dict[str, int | None] = {"a": None, "b": 99, "c": 100, "d": 101, "e": 2**53, "f": 0}
    put(
        engine,
        table,
        *(
            row_of(key, update_time=time_of(number), **({} if at is None else {"ready_at": at}))
            for number, (key, at) in enumerate(ready.items())
        ),
    )
    for limit in (1, 3, 100):
        read = through(engine, table, limit=limit, ready_ms=100, newest_first=newest_first)
        assert [row["key"] for row in read] == sorted("abcf", reverse=newest_first)
    bounded = through(engine, table, limit=2, ready_ms=100, since=time_of(1), until=time_of(4))
    assert [row["key"] for row in bounded] == ["b", "c"]


def test_the_cursor_leads_on_over_rows_in_backoff(engine: Engine, table: str) -> None:
    hidden = [row_of(f"hidden {n}", update_time=time_of(n), ready_at=1000) for n in range(20)]
    put(engine, table, *hidden)
    assert through(engine, table, limit=3, ready_ms=100) == []
    put(engine, table, row_of("last", update_time=time_of(30)))
    assert [row["key"] for row in through(engine, table, limit=3, ready_ms=100)] == ["last"]
    assert len(through(engine, table, limit=3, ready_ms=1000)) == 21


def test_a_cursor_is_good_after_its_row_has_gone(engine: Engine, table: str) -> None:
    put(engine, table, *(row_of(f"task {n}", update_time=time_of(n)) for n in range(9)))
    first = engine.page(table, PARTITION, limit=3)
    assert [row["key"] for row in first.rows] == ["task 0", "task 1", "task 2"]
    assert first.after == Cursor(time_of(2), "task 2")
    engine.apply(table, [Write("delete", "task 2", (), kind="delete")])
    put(engine, table, row_of("task 1", value="elsewhere"))
    second = engine.page(table, PARTITION, limit=3, after=first.after)
    assert [row["key"] for row in second.rows] == ["task 3", "task 4", "task 5"]
    backwards = engine.page(table, PARTITION, limit=3, after=first.after, newest_first=True)
    assert [row["key"] for row in backwards.rows] == ["task 0"]


def test_an_empty_partition_has_one_empty_page(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", value="elsewhere"))
    assert engine.page(table, PARTITION, limit=10) == ([], None)
    assert engine.page(table, PARTITION, limit=10, ready_ms=5, since="2024", until="2025") == ([], None)


def test_a_page_shows_what_the_index_carries_at_least(engine: Engine, table: str) -> None:
    row = Chance(3).row("a")
    row |= row_of("a", value=PARTITION)
    put(engine, table, row)
    assert engine.page(table, PARTITION, limit=10).rows == [on_page(engine, row)]


def test_a_page_of_some_attributes_has_those_alone(engine: Engine, table: str) -> None:
    rows = [row_of(f"task {n}", update_time=time_of(n), worker="w", **({"ready_at": n} if n else {})) for n in range(4)]
    put(engine, table, *rows)
    read = through(engine, table, limit=2, attributes=("ready_at",))
    assert read == [
        {name: row[name] for name in ("key", "update_time", "ready_at") if name in row} for row in rows
    ]  # fmt: skip
    ready = through(engine, table, limit=2, attributes=("ready_at",), ready_ms=2, newest_first=True)
    assert [row["key"] for row in ready] == ["task 2", "task 1", "task 0"]


def test_many_rows_of_the_very_same_time_are_all_read(engine: Engine, table: str) -> None:
    put(engine, table, *(row_of(f"task {number}") for number in range(60)))
    for newest_first in (False, True):
        read = through(engine, table, limit=7, newest_first=newest_first)
        assert sorted(row["key"] for row in read) == sorted(f"task {number}" for number in range(60))
