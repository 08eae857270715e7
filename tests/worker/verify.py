"""The proofs of the workers with large counts: ``python -m tests.worker.verify [NAME...]``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import statustrack as st
from statustrack.core import times
from statustrack.engines.registry import open_engine
from tests import dynamodb_local
from tests.dynamodb_local import DynamoDBLocal
from tests.tracking.support import step
from tests.worker.crowd import Crowd, check, prepare
from tests.worker.jobs import LEASE_VARIABLE

_server = DynamoDBLocal()


@contextlib.contextmanager
def place(kind: str) -> Iterator[tuple[str, str]]:
    """The URL and the table of a fresh place."""
    table = f"tasks_{uuid.uuid4().hex[:12]}"
    if kind == "dynamodb":
        os.environ.update(dynamodb_local.CREDENTIALS)
        yield dynamodb_local.endpoint_url(_server.endpoint()), table
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/tasks.db", table


def say(line: str) -> None:
    """One finding."""
    print(f"  {line}", flush=True)


def killed(kind: str, tasks: int = 5000) -> None:
    """kill -9 of a random worker every second during two-step tasks, one of which kills its own process."""
    ids = ["killer-1", *(f"t-{number:05}" for number in range(tasks))]
    with place(kind) as (url, table), Crowd(url, table, concurrency=8) as crowd:
        prepare(url, table, ids)
        crowd.start(4)
        began = time.monotonic()
        done = _until_done(url, table, crowd, every=1.0)
        seconds = time.monotonic() - began
        outcomes = check(url, table, ids, ignored=("killer-1",))
        say(f"{kind}: {tasks} tasks in {seconds:.0f} s, {crowd.killed} kills, outcomes {dict(outcomes)}, left {done}")


def _until_done(url: str, table: str, crowd: Crowd, every: float) -> int:
    """Kill one worker after the other until (nearly) all is done, then let the rest end by themselves."""
    first = step(table)
    second = step(table, (40, 60, 70, 80, 90))
    with st.use_engine(url):
        while True:
            crowd.kill_for(every, every, workers=4)
            left = sum(first.count_by_status(["pending", "in_progress", "failed"]).values())
            left += sum(second.count_by_status(["pending", "in_progress", "failed"]).values())
            if left == 0:
                break
    crowd.bury()
    crowd.wait(120)
    return left


def kill_sqlite() -> None:
    """kill -9 on SQLite."""
    killed("sqlite")


def kill_dynamodb() -> None:
    """kill -9 on DynamoDB Local."""
    killed("dynamodb", 2000)


def _made(table: str, **options: Any) -> type[st.BaseTask]:
    made = step(table, **options)
    made.create_table(wait=True)
    return made


def refused_claims() -> None:
    """8 workers, 10,000 tasks, 4 shards: refused claims below 5 %."""
    for kind in ("sqlite", "dynamodb"):
        count = 10_000
        os.environ[LEASE_VARIABLE] = "60"  # as in real life: where no lease runs out, all refusals are of rivals
        with place(kind) as (url, table), Crowd(url, table, processes=8) as crowd:
            with st.use_engine(url):
                made = _made(table, n_pending_shard=4, n_in_progress_shard=4, n_failed_shard=4)
                made.create_many(f"t-{number:05}" for number in range(count))
            crowd.start()
            crowd.wait(600)
            os.environ.pop(LEASE_VARIABLE, None)
            report = crowd.reports[0]
            share = report["refused"] / report["claimed"]
            say(f"{kind}: {report['claimed']} claims, {share:.1%} refused, {report['requests']} requests")
            assert share < 0.05


def backoff() -> None:
    """100,000 tasks in backoff and 100 ready: all 100 within 10 s; what an idle worker reads per second."""
    for kind in ("sqlite", "dynamodb"):
        count = 100_000 if kind == "sqlite" else 20_000
        with place(kind) as (url, table), st.use_engine(url) as engine:
            made = _made(table)
            made.handler(lambda ctx: None)
            now = engine.now()
            ready = now // 1000 + 3_600_000
            tasks = [
                made.make(f"wait-{number:06}", _status=30, ready_at=times.micros_to_datetime(ready * 1000), retry=1)
                for number in range(count)
            ]
            made.create_many(tasks)
            made.create_many(f"t-{number:03}" for number in range(100))
            worker = st.Worker(made)
            thread = threading.Thread(target=worker.run)
            began = time.monotonic()
            thread.start()
            while worker.report.succeeded < 100 and time.monotonic() - began < 60:
                time.sleep(0.02)
            took = time.monotonic() - began
            time.sleep(12)
            units, requests, at = engine.meter.read_units, engine.meter.requests, time.monotonic()
            time.sleep(10)
            passed = time.monotonic() - at
            worker.stop()
            thread.join(20)
            units = (engine.meter.read_units - units) / passed
            say(f"{kind}: 100 ready among {count}: {took:.1f} s; idle: {units:.1f} units/s, "
                f"{(engine.meter.requests - requests) / passed:.1f} requests/s")  # fmt: skip
            assert took < 10
            assert units < 50


def rescue_reads() -> None:
    """10,000 healthy long tasks, 20 workers: rescue reads under 1 per task and lease in total."""
    count, lease, workers = 2000, 20, 20
    with place("dynamodb") as (url, table), st.use_engine(url):
        made = _made(table, lock_expire_seconds=lease)
        made.create_many(f"t-{number:05}" for number in range(count))
        engine = open_engine(url)
        gets: list[int] = [0]
        get = engine.get

        def counted(table: str, keys: Any, *args: Any, **options: Any) -> Any:
            gets[0] += len(keys)
            return get(table, keys, *args, **options)

        engine.get = counted  # type: ignore[method-assign]
        from statustrack.core import lifecycle
        from statustrack.worker.jobs import Job
        from statustrack.worker.report import Report
        from statustrack.worker.rescue import Rescue

        made.handler(lambda ctx: None)
        config = made.config
        keys = [made.make_key(f"t-{number:05}") for number in range(count)]
        # Held by others, who live: their leases are far ahead (as after a heartbeat), their claims long ago.
        for at in range(0, count, 500):
            chunk = keys[at : at + 500]
            now = engine.now() - (lease + 5) * 1_000_000
            writes = lifecycle.claims(
                config, chunk, [uuid.uuid4().hex for _ in chunk], worker=f"host:{at}:0000000{at % workers}", now=now,
                slack_ms=0, lease_ms=(lease * 4 + 30) * 1000, statuses=lifecycle.claimable(config),
            )  # fmt: skip
            for position, write in enumerate(writes):
                write.set["worker"] = f"host:{position % workers}:00000000"  # type: ignore[index]
            engine.apply(table, writes)
        rescues = [Rescue(Job(made), Report()) for _ in range(workers)]
        gets[0] = 0
        began = time.monotonic()
        while time.monotonic() - began < 2 * lease:
            for each in rescues:
                if time.monotonic() >= each.next_at:
                    assert each.slice() == []
            time.sleep(0.05)
        share = gets[0] / count / 2
        say(f"dynamodb: {gets[0]} reads of {count} healthy tasks in 2 leases by {workers} workers: {share:.2f} each")
        assert share < 1


def memory() -> None:
    """A worker over 1,000,000 tasks in SQLite stays under 200 MB."""
    code = """
import pathlib, resource, time
import statustrack as st
from tests.tracking.support import step
made = step("jobs"); made.create_table(wait=True)
made.create_many(f"t-{n:07}" for n in range(1_000_000))
made.handler(lambda ctx: None)
began = time.monotonic()
report = st.Worker(made).run(until_idle=True)
took, most = round(time.monotonic() - began), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = pathlib.Path("/proc/self/status")  # Linux counts what the parent had before exec into ru_maxrss
if status.exists():
    most = int(status.read_text().partition("VmHWM:")[2].split()[0])
print(report.succeeded, took, most // 1024)
"""
    with place("sqlite") as (url, _):
        out = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "STATUSTRACK_ENGINE": url}, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
    done, seconds, megabytes = map(int, out.split())
    say(f"sqlite: {done} tasks in {seconds} s ({done / seconds:.0f}/s), {megabytes} MB at most")
    assert done == 1_000_000
    assert megabytes < 200


def coroutines() -> None:
    """Coroutine handlers that wait 1 s, concurrency 500: 500 tasks/s within 10 %."""
    import asyncio

    with place("sqlite") as (url, table), st.use_engine(url):
        made = _made(table)

        @made.handler
        async def wait(ctx: Any) -> None:
            await asyncio.sleep(1)

        made.create_many(f"t-{number:05}" for number in range(5000))
        began = time.monotonic()
        report = st.Worker(made, concurrency=500).run(until_idle=True)
        rate = report.succeeded / (time.monotonic() - began)
        say(f"sqlite: {rate:.0f} tasks/s")
        assert rate > 450


PROOFS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (kill_sqlite, kill_dynamodb, refused_claims, backoff, rescue_reads, memory, coroutines)
}


def main() -> int:
    """Run the proofs that were named, else all."""
    parser = argparse.ArgumentParser(prog="python -m tests.worker.verify", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PROOFS, []], metavar="NAME", help=", ".join(PROOFS))
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    failed = 0
    try:
        for name in given.names or PROOFS:
            print(f"{name}: {PROOFS[name].__doc__}", flush=True)
            try:
                PROOFS[name]()
            except AssertionError:
                failed += 1
                say(f"FAILED: {traceback.format_exc()}")
    finally:
        _server.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
