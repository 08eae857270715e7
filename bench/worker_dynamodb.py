"""Empty handlers on DynamoDB Local with a delay added to each request, side by side in one run, in rounds:

    python -m bench.worker_dynamodb --tasks 2000 --rounds 3 --peer-python /path/to/venv/with/pynamodb_mate/bin/python

- ours: one worker process with default settings;
- bare: the very requests that our worker sent, sent again by boto3 one after the other, on a fresh table;
- theirs: pynamodb_mate 6 in a loop: query what is pending, start() each.

The delay is a sleep before each request leaves, so that round trips cost what they do on a network. CPU is that of the
client alone. DynamoDB Local carries out one request at a time, so rates say little beyond the ratio to theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import ROOT, median

TABLE = "bench"
CODES = (10, 20, 30, 40, 50)


def delayed(seconds: float) -> None:
    """Every request of botocore, whoever sends it, waits so long before it leaves."""
    from botocore.httpsession import URLLib3Session

    send = URLLib3Session.send

    def slowly(self: Any, request: Any) -> Any:
        time.sleep(seconds)
        return send(self, request)

    URLLib3Session.send = slowly  # type: ignore[method-assign]


def measured(act: Callable[[], None]) -> dict[str, float]:
    """Seconds of wall and CPU."""
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def our_step(engine: Any) -> Any:
    """The step, on a fresh table."""
    import statustrack as st

    class Step(st.BaseTask):
        class Meta:
            table_name = TABLE

        config = st.TrackerConfig.make("bench", *CODES)

    if engine.exists(TABLE):
        engine.drop_table(TABLE)
    Step.create_table(wait=True)
    return Step


def ours(given: argparse.Namespace) -> dict[str, float]:
    """A worker; with ``--requests`` its requests are kept in a file."""
    import botocore.client

    import statustrack as st

    kept: list[Any] = []
    with st.use_engine(given.url) as engine:
        step = our_step(engine)

        @step.handler  # type: ignore[untyped-decorator]
        def work(ctx: Any) -> None:
            if given.work:
                time.sleep(given.work)

        step.create_many(f"task-{number:06}" for number in range(given.tasks))
        if given.requests:
            call = botocore.client.BaseClient._make_api_call

            def keeping(self: Any, name: str, parameters: Any) -> Any:
                kept.append((name, parameters))
                return call(self, name, parameters)

            botocore.client.BaseClient._make_api_call = keeping
        delayed(given.delay)
        before = engine.meter.requests
        worker = st.Worker(step, concurrency=given.concurrency)
        reports: list[Any] = []
        result = measured(lambda: reports.append(worker.run(until_idle=True)))
        assert reports[0].succeeded == reports[0].claimed == given.tasks, reports
        result["requests"] = (engine.meter.requests - before) / given.tasks
    if given.requests:
        Path(given.requests).write_bytes(pickle.dumps(kept))
    return result


def bare(given: argparse.Namespace) -> dict[str, float]:
    """The same requests on the same table, by nobody but boto3."""
    import boto3

    import statustrack as st

    with st.use_engine(given.url) as engine:
        our_step(engine).create_many(f"task-{number:06}" for number in range(given.tasks))
    kept = pickle.loads(Path(given.requests).read_bytes())
    client: Any = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=given.endpoint)
    delayed(given.delay)

    def act() -> None:
        for name, parameters in kept:
            client._make_api_call(name, parameters)

    return measured(act)


def theirs(given: argparse.Namespace) -> dict[str, float]:
    """The loop of somebody who has pynamodb_mate."""
    import pynamodb_mate.api as pm

    tracker = pm.patterns.status_tracker

    class Task(tracker.BaseTask):  # type: ignore[misc, name-defined]
        class Meta:
            table_name = f"theirs_{uuid.uuid4().hex[:8]}"
            region = "us-east-1"
            host = given.endpoint
            billing_mode = pm.constants.PAY_PER_REQUEST_BILLING_MODE

        status_and_update_time_index = tracker.StatusAndUpdateTimeIndex()
        config = tracker.TrackerConfig.make("bench", *CODES, **{f"n_{each}_shard": 1 for each in (
            "pending", "in_progress", "failed", "succeeded", "ignored")})  # fmt: skip

    Task.create_table(wait=True)
    for number in range(given.tasks):
        Task.make_and_save(f"task-{number:06}")
    delayed(given.delay)
    done = 0

    def act() -> None:
        nonlocal done
        while done < given.tasks:
            for task in list(Task.query_by_status(Task.config.pending_status, limit=100)):
                with Task.start(task.task_id):
                    done += 1

    result = measured(act)
    assert done == given.tasks
    return result


def side(python: str, name: str, given: argparse.Namespace, endpoint: str, requests: str = "") -> dict[str, float]:
    """One side in a process of its own."""
    out = subprocess.run(
        [
            python, "-m", "bench.worker_dynamodb", "--side", name, "--endpoint", endpoint, "--requests", requests,
            "--tasks", str(given.tasks), "--delay", str(given.delay), "--work", str(given.work),
            "--concurrency", str(given.concurrency),
        ],
        check=True, text=True, stdout=subprocess.PIPE, cwd=ROOT,
    ).stdout  # fmt: skip
    return dict(json.loads(out.splitlines()[-1]))


def main() -> None:
    """Interleave the sides, and print what they took in each round and the medians of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.005)
    parser.add_argument("--work", type=float, default=0.0, help="seconds that each handler of ours waits")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--peer-python", help="a Python that has pynamodb_mate 6, and statustrack")
    parser.add_argument("--side", choices=("ours", "bare", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", default="", help=argparse.SUPPRESS)
    parser.add_argument("--requests", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    from tests import dynamodb_local

    os.environ.update(dynamodb_local.CREDENTIALS)
    if given.side:
        given.url = dynamodb_local.endpoint_url(given.endpoint)
        print(json.dumps(globals()[given.side](given)))
        return
    server = dynamodb_local.DynamoDBLocal()
    wall, above, cpu, asked = [], [], [], []
    python = given.peer_python or sys.executable
    try:
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(given.rounds):
                endpoint, kept = server.endpoint(), os.path.join(folder, "requests")
                mine, plain = side(python, "ours", given, endpoint, kept), side(python, "bare", given, endpoint, kept)
                # Once more without keeping the requests, which costs something.
                mine = side(python, "ours", given, endpoint)
                each = 1000 / given.tasks
                line = (
                    f"ours {given.tasks / mine['wall']:.0f}/s, {mine['requests']:.3f} requests, "
                    f"{mine['cpu'] * each:.3f} ms CPU per task; bare {plain['cpu'] * each:.3f} ms"
                )
                above.append((mine["cpu"] - plain["cpu"]) * each)
                asked.append(mine["requests"])
                if given.peer_python:
                    peer = side(python, "theirs", given, endpoint)
                    line += f"; theirs {given.tasks / peer['wall']:.0f}/s, {peer['cpu'] * each:.3f} ms"
                    wall.append(peer["wall"] / mine["wall"])
                    cpu.append(peer["cpu"] / mine["cpu"])
                print(line, flush=True)
    finally:
        server.stop()
    print(f"{median(asked):.3f} requests per task, {median(above):.3f} ms CPU per task above bare boto3")
    if wall:
        print(f"pynamodb_mate takes {median(wall):.1f} times our wall time and {median(cpu):.1f} times our CPU")
    assert threading.active_count() < 10


if __name__ == "__main__":
    main()
