"""How a swarm scales on one SQLite file: empty handlers with one and four processes, and handlers that burn CPU.

    python -m bench.worker_processes --tasks 20000

Rates are counted inside the run, from the first to the last tenth of the tasks, so that the start of processes is left
out. The CPU handlers are compared with the same work without any tracking, on all cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from typing import Any

import statustrack as st

BURN = 40_000


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


def rate(step: type[st.BaseTask], tasks: int, processes: int) -> float:
    """Tasks per second in the middle of a run."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        with st.use_engine(f"sqlite:///{folder}/tasks.db"):
            step.create_table(wait=True)
            step.create_many(f"task-{number:07}" for number in range(tasks))
            report = st.Worker(step, processes=processes).run(until_idle=True)
            assert report.succeeded == report.claimed == tasks, report
            ends = sorted(task.update_time.timestamp() for task in step.query_by_status("succeeded"))
    first, last = ends[tasks // 10], ends[-tasks // 10]
    return tasks * 0.8 / (last - first)


def bare(tasks: int, processes: int) -> float:
    """The same burning without tracking."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(burn, range(processes * 4), chunksize=1)
        began = time.perf_counter()
        pool.map(burn, range(tasks), chunksize=50)
        return tasks / (time.perf_counter() - began)


def main() -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cores = os.cpu_count() or 2
    for _ in range(given.rounds):
        one, four = rate(Step, given.tasks, 1), rate(Step, given.tasks, 4)
        print(f"empty: 1 process {one:.0f}/s, 4 processes {four:.0f}/s: x{four / one:.2f}", flush=True)
        burning = given.tasks // 10
        plain, tracked = bare(burning, cores), rate(Burning, burning, cores)
        print(
            f"burning on {cores} cores: bare {plain:.0f}/s, tracked {tracked:.0f}/s: x{tracked / plain:.2f}", flush=True
        )


if __name__ == "__main__":
    main()
