"""What one operation costs: requests and write units as DynamoDB Local reports them, and the CPU time of an import.

``python -m bench.costs ENDPOINT ROUNDS`` prints JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import statustrack as st
from bench.dynamodb_peers import ours
from bench.measure import median
from statustrack.engines.registry import open_engine
from statustrack.testing import MovableClock
from statustrack.tracking.heartbeat import let_go, renew

IMPORTS = {
    "import statustrack": "import statustrack",
    "import statustrack, and all that a first task needs": "import statustrack; statustrack.BaseTask",
    "for comparison: import asyncio": "import asyncio",
    "for comparison: import boto3": "import boto3",
}


def operations(endpoint: str) -> dict[str, tuple[int, float]]:
    """Requests and write units of each operation on a small task, when the process has done one before."""
    clock = MovableClock()
    engine: Any = open_engine(f"dynamodb://us-east-1?endpoint={endpoint}", clock=clock)
    step, _, _ = ours(endpoint)
    costs: dict[str, tuple[int, float]] = {}

    @contextmanager
    def cost(name: str) -> Iterator[None]:
        before = (engine.meter.requests, engine.meter.write_units)
        yield
        costs[name] = (engine.meter.requests - before[0], engine.meter.write_units - before[1])

    with st.use_engine(engine):
        step.create_table(wait=True)
        step.create("first")
        with cost("create"):
            step.create("t", {"path": "in/1.pdf"})
        begun = step.start("t")
        with cost("claim"):
            ctx = begun.__enter__()
        with cost("heartbeat"):
            renew([ctx._hold])
        with cost("refused start"), suppress(st.TaskIsNotReadyToStartError), step.start("t"):
            pass
        with cost("finish"):
            begun.__exit__(None, None, None)
        with cost("start to success"), step.start("first"):
            pass
        step.create("lost")
        let_go(step.start("lost").__enter__()._hold)
        clock.advance(120)
        with cost("take-over to success"), step.start("lost"):
            pass
    return costs


def cpu_ms(code: str) -> float:
    """User and system time of a Python that runs this code, in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def imports(rounds: int) -> dict[str, float]:
    """CPU time of each import above a bare Python, in ms: the median of interleaved runs."""
    bare: Callable[[], float] = lambda: cpu_ms("pass")  # noqa: E731
    bare()
    above: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        base = bare()
        for name, code in IMPORTS.items():
            above[name].append(cpu_ms(code) - base)
    return {name: median(values) for name, values in above.items()}


if __name__ == "__main__":
    print(json.dumps({"operations": operations(sys.argv[1]), "imports": imports(int(sys.argv[2]))}))
