"""Every comparison but the first: what is run how often, in which order, and the medians of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.measure import ROOT, child, fdatasync_ms, folder, median
from tests.dynamodb_local import DynamoDBLocal

DYNAMODB_PEERS = ("statustrack", "pynamodb_mate")
#: Seconds added to each request, as a network would.
NETWORK = 0.005


def alternating(items: tuple[Any, ...], rounds: int) -> Iterator[tuple[Any, ...]]:
    """The items once per round, every second round backwards: what drifts touches all alike."""
    for number in range(rounds):
        yield items if number % 2 == 0 else items[::-1]


def four_processes(rounds: int, seconds: float) -> dict[str, Any]:
    """Four processes on one SQLite file beside one."""
    runs: dict[int, list[dict[str, Any]]] = {1: [], 4: []}
    disk = []
    for order in alternating((1, 4), rounds):
        for processes in order:
            disk.append(fdatasync_ms())
            runs[processes].append(child("bench.sqlite_writers", processes, seconds))
    return {
        "fdatasync_ms": median(disk),
        "one_per_s": median([run["per_s"] for run in runs[1]]),
        "four_per_s": median([run["per_s"] for run in runs[4]]),
        "of_one": median([four["per_s"] / one["per_s"] for one, four in zip(runs[1], runs[4], strict=True)]),
        "least_of_most": median([run["least_of_most"] for run in runs[4]]),
        "worst_least_of_most": min(run["least_of_most"] for run in runs[4]),
        "slowest_ms": median([run["slowest_ms"] for run in runs[4]]),
        "worst_slowest_ms": max(run["slowest_ms"] for run in runs[4]),
        "slowest_ms_of_one": median([run["slowest_ms"] for run in runs[1]]),
    }


def create_many(rounds: int, there: int, count: int) -> dict[str, Any]:
    """``create_many`` with random ids, into an empty and into a large table."""
    rates: dict[int, list[float]] = {0: [], there: []}
    disk = []
    for order in alternating((0, there), rounds):
        for size in order:
            disk.append(fdatasync_ms())
            rates[size].append(child("bench.sqlite_bulk", "create", size, count)["per_s"])
    return {
        "fdatasync_ms": median(disk),
        "there": there,
        "count": count,
        "empty_per_s": median(rates[0]),
        "full_per_s": median(rates[there]),
    }


def sqlite_listing(rounds: int, tasks: int) -> dict[str, Any]:
    """1,000 failed tasks with all attributes among so many."""
    runs = [child("bench.sqlite_bulk", "list", tasks) for _ in range(rounds)]
    return {
        "tasks": tasks,
        "ms": median([run["ms"] for run in runs]),
        "raw_ms": median([run["raw_ms"] for run in runs]),
        "fdatasync_ms": fdatasync_ms(),
    }


def finished(rounds: int, tasks: int) -> dict[str, Any]:
    """By how much so many finished tasks in the same table slow each kind of work, on SQLite."""
    template = folder() / f"finished-{tasks}.db"
    child("bench.sqlite_bulk", "fill", tasks, template)
    disk, slower = [], []
    for order in alternating((str(template), "-"), rounds):
        took = {}
        for which in order:
            disk.append(fdatasync_ms())
            took[which] = child("bench.sqlite_bulk", "work", which)
        slower.append({name: full / took["-"][name] - 1 for name, full in took[str(template)].items()})
    template.unlink()
    return {
        "tasks": tasks,
        "fdatasync_ms": median(disk),
        "slower": {name: median([each[name] for each in slower]) for name in slower[0]},
    }


@contextmanager
def stub() -> Iterator[str]:
    """The endpoint of a service that answers at once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.stub"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def dynamodb_one(server: DynamoDBLocal, rounds: int, count: int) -> dict[str, Any]:
    """Start to success one by one: on DynamoDB Local, with a network's delay, and against the stub."""
    table: dict[str, Any] = {}
    with stub() as instant:
        for name, endpoint, delay, tasks in (
            ("DynamoDB Local", server.endpoint(), 0.0, count),
            ("DynamoDB Local, 5 ms per request", server.endpoint(), NETWORK, count),
            ("instant answers", instant, 0.0, 2 * count),
        ):
            runs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in DYNAMODB_PEERS}
            for order in alternating(DYNAMODB_PEERS, rounds):
                for peer in order:
                    runs[peer].append(child("bench.dynamodb_peers", peer, tasks, endpoint, delay))
            table[name] = {
                peer: {
                    "version": each[0]["version"],
                    **{key: median([run[key] for run in each]) for key in ("enqueue_per_s", "life_per_s", "cpu_ms")},
                    **{key: sum(run[key] for run in each) for key in ("executed", "duplicate", "lost")},
                }
                for peer, each in runs.items()
            }
            pairs = list(zip(*runs.values(), strict=True))
            table[name]["cpu_ratio"] = median([mine["cpu_ms"] / theirs["cpu_ms"] for mine, theirs in pairs])
            table[name]["rate_ratio"] = median([mine["life_per_s"] / theirs["life_per_s"] for mine, theirs in pairs])
    return table


def dynamodb_listing(server: DynamoDBLocal, rounds: int, tasks: int) -> dict[str, Any]:
    """1,000 failed tasks among so many on DynamoDB Local, and what finished ones cost there."""
    return child("bench.dynamodb_listing", server.endpoint(), tasks, rounds)


def costs(server: DynamoDBLocal, rounds: int) -> dict[str, Any]:
    """Requests, write units, imports."""
    return child("bench.costs", server.endpoint(), rounds)
