"""An engine in use: its declared attributes, its clock, its meter, closing it, and forking with it."""

from __future__ import annotations

import json
import math
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from statustrack.core.writes import Write
from statustrack.engines.clock import MovableClock, SystemClock
from statustrack.engines.protocol import Applied, Engine, Extra, TableOptions
from statustrack.engines.registry import open_engine
from tests.engines.contract.places import Place
from tests.engines.contract.racer import count
from tests.engines.contract.rows import PRESENT, create, one, put, row_of, stored


def test_an_engine_declares_what_differs(engine: Engine, engine_url: str) -> None:
    assert engine.name == engine_url.partition(":")[0]
    assert engine.url == engine_url
    assert isinstance(engine.page_is_full, bool)
    assert isinstance(engine.parallel_reads, bool)
    assert isinstance(engine.batch, int) and engine.batch >= 1
    assert engine.min_lease_seconds >= 1
    assert repr(engine).count(engine.name) or engine.name in repr(engine).lower()


def test_an_engine_is_opened_once_in_a_process(engine: Engine, engine_url: str) -> None:
    assert open_engine(engine_url) is engine
    other = open_engine(engine_url, clock=SystemClock())
    assert other is not engine
    other.close()


def test_an_engine_is_not_sent_to_another_process_by_mistake(engine: Engine) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(engine)


# --- time ------------------------------------------------------------------------------------------------------------


def test_service_time_is_near_the_wall_clock_and_goes_on(engine: Engine, table: str) -> None:
    readings = []
    for _ in range(5):
        engine.get(table, ["a"])
        before = time.time_ns() // 1000
        readings.append(engine.now())
        assert abs(readings[-1] - before) < 1_500_000
    assert readings[-1] > readings[0] - 1_000_000
    assert all(isinstance(reading, int) for reading in readings)


def test_a_given_clock_is_the_service_time(engine_url: str, engine: Engine) -> None:
    clock = MovableClock(wall=1_716_444_446_444_861)
    moved = open_engine(engine_url, clock=clock)
    assert moved.clock is clock
    assert abs(moved.now() - 1_716_444_446_444_861) < 1000
    clock.advance(3600)
    assert abs(moved.now() - 1_716_448_046_444_861) < 1000
    moved.close()


@pytest.mark.parametrize("seconds", [0, 1, 10, 300, 86_400])
def test_margins_leave_most_of_a_lease(engine: Engine, seconds: int) -> None:
    engine.now()
    lease_ms = max(1, int((engine.min_lease_seconds + seconds) * 1000))
    margin, slack = engine.margin_ms(lease_ms), engine.slack_ms(lease_ms)
    assert isinstance(margin, int) and isinstance(slack, int)
    assert 0 <= margin <= slack  # a lease is over for its holder before it is over for others
    assert margin <= lease_ms / 2
    assert slack <= max(lease_ms / 2, 2500)


# --- the meter -------------------------------------------------------------------------------------------------------

ASKED: dict[str, Callable[[Engine, str], Any]] = {
    "write": lambda engine, table: one(engine, table, create(row_of("new"))),
    "refused write": lambda engine, table: one(engine, table, create(row_of("a", data="other"))),
    "several writes": lambda engine, table: engine.apply(table, [create(row_of(key)) for key in "xyz"]),
    "apply_together": lambda engine, table: engine.apply_together(
        table, Write("update", "a", PRESENT, set={"data": ""}), Extra()
    ),
    "get": lambda engine, table: engine.get(table, ["a"]),
    "get several": lambda engine, table: engine.get(table, ["a", "b"]),
    "page": lambda engine, table: engine.page(table, row_of("a")["value"], limit=5),
    "count": lambda engine, table: engine.count(table, row_of("a")["value"]),
    "scan": lambda engine, table: list(engine.scan(table)),
}


@pytest.mark.parametrize("ask", list(ASKED.values()), ids=list(ASKED))
def test_every_request_is_counted(engine: Engine, table: str, ask: Callable[[Engine, str], Any]) -> None:
    put(engine, table, row_of("a"))
    meter = engine.meter
    before = (meter.requests, sum(meter.by_operation.values()), meter.read_units + meter.write_units)
    ask(engine, table)
    requests = meter.requests - before[0]
    assert 1 <= requests <= 4
    assert sum(meter.by_operation.values()) - before[1] == requests
    assert meter.read_units + meter.write_units >= before[2]


def test_many_writes_take_few_requests(engine: Engine, table: str) -> None:
    number = 40
    put(engine, table, *(row_of(f"task {n}", attempt=0) for n in range(number)))
    before = engine.meter.requests
    writes = [Write("claim", f"task {n}", PRESENT, set={"lock": "x"}, increment={"attempt": 1}) for n in range(number)]
    assert all(isinstance(outcome, Applied) for outcome in engine.apply(table, writes))
    assert engine.meter.requests - before <= math.ceil(number / engine.batch) + 2


# --- closing and forking ---------------------------------------------------------------------------------------------


def test_a_closed_engine_opens_itself_again(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    for number in range(3):
        engine.close()
        engine.close()
        assert one(engine, table, Write("update", "a", PRESENT, increment={"attempt": 1})) == Applied(
            row_of("a", attempt=number + 1)
        )
        engine.close()
        assert stored(engine, table, "a") == row_of("a", attempt=number + 1)


def test_an_engine_that_was_never_used_can_be_closed(engine_url: str, engine: Engine) -> None:
    fresh = open_engine(engine_url, clock=SystemClock())
    fresh.close()
    fresh.close()


def test_closing_while_others_use_it_loses_nothing(engine: Engine, table: str) -> None:
    put(engine, table, row_of("counter"))
    counted: list[int] = []
    threads = [threading.Thread(target=lambda: counted.append(count(engine, table, "counter", 20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        engine.close()
        time.sleep(0.05)
    assert sum(counted) == 60
    assert stored(engine, table, "counter") == row_of("counter", attempt=60)


def test_what_is_written_beside_the_engine_is_seen_at_once(engine: Engine, table: str, place: Place) -> None:
    put(engine, table, row_of("a"))
    for text in ("first", "second"):
        place.put(table, "a", "data", text)
        assert stored(engine, table, "a") == row_of("a", data=text)


def test_a_table_made_beside_is_found(engine: Engine, engine_url: str, table: str) -> None:
    other = open_engine(engine_url, clock=SystemClock())
    name = f"{table}_beside"
    assert not engine.exists(name)
    assert other.create_table(name, TableOptions()) is True
    other.close()
    assert engine.exists(name)
    put(engine, name, row_of("a"))
    engine.drop_table(name)


if hasattr(os, "fork"):  # there is none on Windows

    def in_a_fork(act: Callable[[], Any], seconds: float = 20) -> Any:
        """What an act gives in a forked child; fails when the child does not come to its end in time."""
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads: they are the point
            pid = os.fork()
        if pid == 0:
            try:
                os.write(write, json.dumps(act()).encode())
                os._exit(0)
            except BaseException as error:
                os.write(write, json.dumps(f"{type(error).__name__}: {error}").encode())
            finally:
                os._exit(1)
        os.close(write)
        until = time.monotonic() + seconds
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                break
            time.sleep(0.01)
        with os.fdopen(read) as pipe:
            said = pipe.read()
        assert said, "the child did not come to its end"
        return json.loads(said)

    def test_an_engine_goes_on_in_a_forked_child_and_in_the_parent(engine: Engine, table: str) -> None:
        put(engine, table, row_of("counter"), row_of("a"))
        for number in range(3):
            assert in_a_fork(lambda: count(engine, table, "counter", 5)) == 5
            assert in_a_fork(lambda: engine.now()) > 0
            assert stored(engine, table, "counter") == row_of("counter", attempt=6 * number + 5)
            assert count(engine, table, "counter", 1) == 1
        assert in_a_fork(lambda: [list(engine.get(table, ["a", "b"])), len(list(engine.scan(table)))]) == [["a"], 2]

    def test_a_fork_while_other_threads_use_the_engine_is_no_trap(engine: Engine, table: str) -> None:
        put(engine, table, row_of("parent"), row_of("child"))
        over = threading.Event()
        counted: list[int] = []

        def work() -> None:
            mine = 0
            while not over.is_set():
                mine += count(engine, table, "parent", 1)
                engine.get(table, ["parent", "child"])
            counted.append(mine)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            said = [in_a_fork(lambda: count(engine, table, "child", 3)) for _ in range(4)]
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert said == [3] * 4
        assert stored(engine, table, "child") == row_of("child", attempt=12)
        assert stored(engine, table, "parent") == row_of("parent", attempt=sum(counted))

    def test_a_child_and_its_parent_race_like_any_two(engine: Engine, table: str) -> None:
        keys = [f"task {number}" for number in range(20)]
        put(engine, table, *(row_of(key) for key in keys))
        claims = [Write("claim", key, (*PRESENT,), increment={"attempt": 1}) for key in keys]
        assert in_a_fork(lambda: len(engine.apply(table, claims))) == len(keys)
        engine.apply(table, claims)
        assert engine.get(table, keys) == {key: row_of(key, attempt=2) for key in keys}
