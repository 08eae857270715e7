"""Many at once: one winner for each task, no count lost, whether they are threads, engines or processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from statustrack.core import lifecycle
from statustrack.core.limits import LATE_RESULTS_KEPT
from statustrack.core.writes import Write
from statustrack.engines.clock import SystemClock
from statustrack.engines.protocol import Applied, Engine, Refused
from statustrack.engines.registry import open_engine
from tests.engines.contract.racer import count, race
from tests.engines.contract.rows import PRESENT, clause, create, one, put, row_of, stored

ROOT = Path(__file__).parents[3]
KEYS = [f"task {number}" for number in range(50)]
THREADS = 8
PROCESSES = 4


def at_once(number: int, act: Callable[[int], Any]) -> list[Any]:
    """The act's results in that many threads, started together."""
    barrier = threading.Barrier(number)

    def wait_and_act(which: int) -> Any:
        barrier.wait()
        return act(which)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(wait_and_act, range(number)))


def check_winners(engine: Engine, table: str, won: dict[str, list[str]]) -> None:
    """Each task has one winner, which is the one that the row names, and was claimed once."""
    assert sorted(key for keys in won.values() for key in keys) == sorted(KEYS)
    rows = engine.get(table, KEYS)
    for name, keys in won.items():
        assert {(rows[key]["lock"], rows[key]["attempt"]) for key in keys} <= {(name, 1)}


def test_of_many_threads_one_wins_each_task(engine: Engine, table: str) -> None:
    put(engine, table, *(row_of(key) for key in KEYS))
    won = at_once(THREADS, lambda which: race(engine, table, KEYS, f"thread {which}", which))
    check_winners(engine, table, {f"thread {which}": keys for which, keys in enumerate(won)})


def test_of_many_engines_one_wins_each_task(engine: Engine, engine_url: str, table: str) -> None:
    put(engine, table, *(row_of(key) for key in KEYS))
    engines = [open_engine(engine_url, clock=SystemClock()) for _ in range(PROCESSES)]
    won = at_once(PROCESSES, lambda which: race(engines[which], table, KEYS, f"engine {which}", which))
    for each in engines:
        each.close()
    check_winners(engine, table, {f"engine {which}": keys for which, keys in enumerate(won)})


def test_of_many_processes_one_wins_each_task_and_no_count_is_lost(engine: Engine, engine_url: str, table: str) -> None:
    put(engine, table, *(row_of(key) for key in KEYS), row_of("counter", attempt=0))
    command = [sys.executable, "-m", "tests.engines.contract.racer", engine_url, table]
    processes = [
        subprocess.Popen(
            [*command, f"process {which}", json.dumps(KEYS), str(which)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for which in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    check_winners(engine, table, {f"process {which}": each["won"] for which, each in enumerate(said)})
    assert sum(each["counted"] for each in said) == PROCESSES * 20
    row = stored(engine, table, "counter")
    assert row == row_of("counter", attempt=PROCESSES * 20)


def test_counts_of_many_threads_add_up(engine: Engine, table: str) -> None:
    put(engine, table, row_of("counter"))
    counted = at_once(THREADS, lambda _: count(engine, table, "counter", 15))
    assert sum(counted) == THREADS * 15
    assert stored(engine, table, "counter") == row_of("counter", attempt=THREADS * 15)


@pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])
def test_of_many_threads_one_creates_each_task(engine: Engine, table: str, several: bool) -> None:
    keys = KEYS[:20]

    def make(which: int) -> list[bool]:
        writes = [create(row_of(key, create_id=f"thread {which}")) for key in keys]
        outcomes = engine.apply(table, writes) if several else [one(engine, table, write) for write in writes]
        return [isinstance(outcome, Applied) for outcome in outcomes]

    made = at_once(THREADS, make)
    assert [sum(column) for column in zip(*made, strict=True)] == [1] * len(keys)
    rows = engine.get(table, keys)
    for number, key in enumerate(keys):
        (winner,) = [which for which in range(THREADS) if made[which][number]]
        assert rows[key]["create_id"] == f"thread {winner}"


def test_late_results_of_many_threads_stay_bounded(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    late = at_once(THREADS, lambda which: one(engine, table, lifecycle.late_result("a", f"thread {which}")))
    assert sum(isinstance(outcome, Applied) for outcome in late) == LATE_RESULTS_KEPT
    row = stored(engine, table, "a")
    assert row is not None
    assert row["late_results"] == {f"thread {n}" for n, outcome in enumerate(late) if isinstance(outcome, Applied)}


def test_of_a_take_over_and_a_renewal_at_once_one_wins(engine: Engine, table: str) -> None:
    for round_number in range(10):
        key = f"round {round_number}"
        put(engine, table, row_of(key, lock="holder", lease_until=5))
        mine = clause("lock", "=", "holder")
        observed = (*mine, *clause("lease_until", "=", 5))
        take_over = Write("take_over", key, observed, set={"lock": "heir", "lease_until": 20})
        renew = Write("update", key, (*mine, *clause("lease_until", "<", 10)), set={"lease_until": 10})
        both = (take_over, renew)
        outcomes = at_once(2, lambda which, both=both: one(engine, table, both[which]))  # type: ignore[misc]
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Applied", "Refused"]
        won = row_of(key, lock="heir", lease_until=20), row_of(key, lock="holder", lease_until=10)
        assert stored(engine, table, key) == won[isinstance(outcomes[0], Refused)]


def test_readers_see_whole_rows_while_others_write(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", attempt=0, data="0" * 2000))
    done = threading.Event()

    def act(which: int) -> bool:
        if which == 0:
            for number in range(1, 60):
                one(engine, table, Write("update", "a", PRESENT, set={"attempt": number, "data": f"{number}" * 2000}))
            done.set()
            return True
        whole = True
        while not done.is_set():
            for row in (engine.get(table, ["a"])["a"], next(iter(engine.scan(table)))):
                whole = whole and row["data"] == str(row["attempt"]) * 2000
        return whole

    assert at_once(3, act) == [True] * 3
