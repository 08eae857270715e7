"""How a swarm scales on one SQLite file: empty handlers with one and four processes, and handlers that burn CPU.

    python -m bench.worker_processes --tasks 20000 --rounds 3

Two rates: *steady* from the first claim to the last recorded success as the tasks themselves tell it, and *whole* with
the start and the end of the processes. CPU is that of all worker processes. The CPU handlers are compared with the same
work without any tracking, on all cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from typing import Any, NamedTuple

import statustrack as st
from bench.measure import cpu_seconds, median

BURN = 200_000


class Step(st.BaseTask):
    class Meta:
        table_name = "jobs"

    config = st.TrackerConfig.make("bench", 10, 20, 30, 40, 50)


class Burning(Step):
    config = st.TrackerConfig.make("burn", 10, 20, 30, 40, 50)


def burn(_: Any = None) -> None:
    """A few milliseconds of CPU."""
    total = 0
    for number in range(BURN):
        total += number


Step.handler(lambda ctx: None)
Burning.handler(burn)


class Run(NamedTuple):
    """What one run has come to."""

    steady: float  #: tasks per second from the first claim to the last success
    whole: float  #: tasks per second from run() to its report
    cpu_ms: float  #: for each task, in all processes
    requests: float  #: transactions for each task
    refused: float  #: claims in which another was quicker, for each task
    shares: tuple[int, ...]  #: how many tasks each process had


def run(step: type[st.BaseTask], tasks: int, processes: int) -> Run:
    """One run on a fresh file; no task is executed twice."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        with st.use_engine(f"sqlite:///{folder}/tasks.db"):
            step.create_table(wait=True)
            step.create_many(f"task-{number:07}" for number in range(tasks))
            cpu, began = cpu_seconds(), time.perf_counter()
            report = st.Worker(step, processes=processes).run(until_idle=True)
            whole, cpu = time.perf_counter() - began, cpu_seconds() - cpu
            assert report.succeeded == report.claimed == tasks, report
            done = step.query_by_status("succeeded", auto_refresh=True)
            ended = [attempt for task in done for attempt in task.attempts]
    assert len(ended) == tasks, "a task was executed twice"
    first = min(each.start_ms for each in ended)
    last = max(each.start_ms + each.duration_ms for each in ended)
    workers = [each.worker for each in ended]
    shares = tuple(sorted((workers.count(name) for name in set(workers)), reverse=True))
    return Run(
        tasks / (last - first) * 1000, tasks / whole, cpu / tasks * 1000, report.requests / tasks,
        report.refused / tasks, shares,
    )  # fmt: skip


def bare(tasks: int, processes: int) -> float:
    """The same burning without tracking."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(burn, range(processes * 4), chunksize=1)
        began = time.perf_counter()
        pool.map(burn, range(tasks), chunksize=50)
        return tasks / (time.perf_counter() - began)


def main() -> None:
    """Print rates and ratios, round by round, and their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--only", choices=("empty", "burning"))
    given = parser.parse_args()
    cores = os.cpu_count() or 2
    steady, whole, tracked = [], [], []
    for _ in range(given.rounds):
        if given.only != "burning":
            runs = {number: run(Step, given.tasks, number) for number in (1, given.processes)}
            for number, each in runs.items():
                print(
                    f"empty, {number} processes: steady {each.steady:6.0f}/s, whole {each.whole:6.0f}/s, "
                    f"{each.cpu_ms:.4f} ms CPU, {each.requests:.3f} transactions, {each.refused:.3f} refused per task, "
                    f"shares {each.shares}",
                    flush=True,
                )
            steady.append(runs[given.processes].steady / runs[1].steady)
            whole.append(runs[given.processes].whole / runs[1].whole)
        if given.only != "empty":
            plain, mine = bare(given.tasks // 10, cores), run(Burning, given.tasks // 10, cores)
            tracked.append(mine.steady / plain)
            print(f"burning on {cores} cores: bare {plain:.0f}/s, tracked {mine.steady:.0f}/s", flush=True)
    if steady:
        print(f"{given.processes} processes to one: steady x{median(steady):.2f}, whole x{median(whole):.2f}")
    if tracked:
        print(f"tracked to bare: x{median(tracked):.2f}")


if __name__ == "__main__":
    main()
