"""Several processes that start and succeed tasks in one SQLite file, for a fixed time: in all, each, and the slowest.

``python -m bench.sqlite_writers PROCESSES SECONDS`` prints JSON. Each process has tasks of its own, so that what they
share is the file: what is measured is how they take turns at it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import statustrack as st
from bench.steps import Step

MOST_PER_SECOND = 5000


class Timed:
    """An engine that remembers its slowest write: one transaction, the wait for its turn included."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.slowest = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, table: str, writes: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._inner.apply(table, writes)
        finally:
            self.slowest = max(self.slowest, time.perf_counter() - began)


def work(name: str, seconds: float) -> dict[str, Any]:
    """One process: ready, told to go, and how much it did."""
    engine = Timed(Step._engine_and_table()[0])
    st.use_engine(engine)  # type: ignore[arg-type]
    with Step.start(f"{name}-first"):
        pass
    engine.slowest = 0.0
    print("ready", flush=True)
    sys.stdin.readline()
    done, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        with Step.start(f"{name}-{done}"):
            done += 1
    return {"done": done, "slowest_ms": engine.slowest * 1000}


def main(processes: int, seconds: float) -> dict[str, Any]:
    """So many processes at once; tasks per second in all, and the shares."""
    Step.create_table(wait=True)
    each = int(MOST_PER_SECOND * seconds)
    for name in range(processes):
        Step.create_many([f"{name}-first", *(f"{name}-{number}" for number in range(each))])
    command = [sys.executable, "-m", "bench.sqlite_writers", "work"]
    workers = [
        subprocess.Popen([*command, str(name), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    reports = [json.loads(worker.communicate()[0]) for worker in workers]
    done = [report["done"] for report in reports]
    assert all(worker.returncode == 0 for worker in workers)
    assert Step.count_by_status("succeeded")["succeeded"] == sum(done) + processes
    return {
        "per_s": sum(done) / seconds,
        "done": done,
        "least_of_most": min(done) / max(done),
        "slowest_ms": max(report["slowest_ms"] for report in reports),
    }


if __name__ == "__main__":
    if sys.argv[1] == "work":
        print(json.dumps(work(sys.argv[2], float(sys.argv[3]))))
    else:
        print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]))))
