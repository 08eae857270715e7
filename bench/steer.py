"""Operators' numbers: redrive of many failed tasks on each engine, and a copy from SQLite to DynamoDB Local.

python -m bench.steer --tasks 100000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from typing import Any

import statustrack as st
from bench.measure import fdatasync_ms, machine
from bench.steps import Step
from statustrack.engines.registry import open_engine, sqlite_url
from statustrack.tracking.copying import copy
from tests import dynamodb_local
from tests.dynamodb_local import DynamoDBLocal
from tests.tracking.support import failed_many

#: What counts as reading: the bound is on what a redrive asks beyond that.
READS = ("query", "getitem", "batchgetitem")


def redriven(engine: Any, tasks: int) -> str:
    """The line for a redrive of so many tasks that have failed."""
    with st.use_engine(engine):
        Step.create_table(wait=True)
        for begin in range(0, tasks, 10_000):
            failed_many(Step, [f"task-{number:07}" for number in range(begin, min(tasks, begin + 10_000))])
        before, began, cpu = dict(engine.meter.by_operation), time.perf_counter(), time.process_time()
        report = Step.redrive(why="bench")
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert report.redriven == tasks, report.redriven
    asked = {name: count - before.get(name, 0) for name, count in engine.meter.by_operation.items()}
    reads = sum(count for name, count in asked.items() if name.lower().replace("_", "") in READS)
    writes = sum(asked.values()) - reads
    return (
        f"redrive on {engine.name}: {tasks:,} tasks in {seconds:.1f} s, {cpu:.1f} s of it CPU "
        f"({tasks / seconds:,.0f}/s), {writes / tasks:.4f} requests per task beyond {reads / tasks:.4f} for reading"
    )


def copied(tasks: int, source: Any, target: Any) -> str:
    """The line for a copy of so many tasks."""
    table = f"copy_{uuid.uuid4().hex[:8]}"
    with st.use_engine(target):
        made = type("Step", (Step,), {"Meta": type("Meta", (), {"table_name": table})})
        made.create_table(wait=True)
    before, began = target.meter.requests, time.perf_counter()
    report = copy((source, Step.Meta.table_name), (target, table))
    seconds, asked = time.perf_counter() - began, target.meter.requests - before
    assert report.is_complete and report.copied + report.there == tasks, report  # a reply that was lost: it is "there"
    return (
        f"copy from {source.name} to {target.name}: {tasks:,} tasks in {seconds:.1f} s ({tasks / seconds:,.0f}/s), "
        f"{asked / tasks:.4f} requests per task"
    )


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    given = parser.parse_args()
    os.environ.update(dynamodb_local.CREDENTIALS)
    server = DynamoDBLocal()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            print(f"{machine()}; fdatasync {fdatasync_ms(folder):.2f} ms")
            here = open_engine(sqlite_url(os.path.join(folder, "bench.db")))
            there = open_engine(dynamodb_local.endpoint_url(server.endpoint()))
            print(redriven(here, given.tasks), flush=True)
            print(copied(given.tasks, here, there), flush=True)
            print(redriven(there, given.tasks), flush=True)
            here.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
