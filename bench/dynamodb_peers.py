"""One client of DynamoDB, one run, in a process of its own: tasks created, then started and succeeded one by one.

``python -m bench.dynamodb_peers NAME COUNT ENDPOINT DELAY`` prints JSON. The delay (seconds) is a sleep in the client
before each request is sent: both clients send through botocore, which has an event there, and it adds exactly the same
to each of their requests; a proxy in between would add its own work on the cores that they run on.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
import uuid
from typing import Any

from bench.measure import cpu_seconds


def ours(endpoint: str) -> tuple[Any, Any, str]:
    """A step of ours, its client, its version."""
    import statustrack as st
    from bench.steps import Status

    class Step(st.BaseTask):
        class Meta:
            table_name = f"ours-{uuid.uuid4().hex[:8]}"
            region = "us-east-1"
            host = endpoint

        config = st.TrackerConfig.make("bench", status=Status, lock_expire_seconds=60)

    engine: Any = Step._engine_and_table()[0]
    return Step, engine.connection.client(), f"statustrack {st.__version__}"


def pynamodb_mate(endpoint: str) -> tuple[Any, Any, str]:
    """The same of pynamodb_mate."""
    import pynamodb_mate.api as pm

    tracker = pm.patterns.status_tracker

    class Step(tracker.BaseTask):
        class Meta:
            table_name = f"mate-{uuid.uuid4().hex[:8]}"
            region = "us-east-1"
            host = endpoint
            billing_mode = pm.constants.PAY_PER_REQUEST_BILLING_MODE

        status_and_update_time_index = tracker.StatusAndUpdateTimeIndex()
        config = tracker.TrackerConfig.make(
            use_case_id="bench",
            pending_status=10,
            in_progress_status=20,
            failed_status=30,
            succeeded_status=40,
            ignored_status=50,
            n_pending_shard=1,
            n_in_progress_shard=1,
            n_failed_shard=1,
            n_succeeded_shard=1,
            n_ignored_shard=1,
            status_zero_pad=3,
            status_shard_zero_pad=3,
            max_retry=3,
            lock_expire_seconds=60,
        )

    version = importlib.metadata.version("pynamodb_mate")
    return Step, Step._get_connection().connection.client, f"pynamodb_mate {version}"


PEERS = {"statustrack": ours, "pynamodb_mate": pynamodb_mate}


def main(name: str, count: int, endpoint: str, delay: float) -> dict[str, Any]:
    """One run of one peer."""
    step, client, version = PEERS[name](endpoint)
    step.create_table(wait=True)
    ids = [uuid.uuid4().hex for _ in range(count + 1)]
    began = time.perf_counter()
    for task_id in ids:
        step.make_and_save(task_id=task_id)
    enqueue = time.perf_counter() - began
    with step.start(ids.pop()):
        pass  # what is paid once per process is not counted
    if delay:
        client.meta.events.register("before-send.dynamodb", lambda **_: time.sleep(delay))
    executed = []
    began, cpu = time.perf_counter(), cpu_seconds()
    for task_id in ids:
        with step.start(task_id):
            executed.append(task_id)
    life, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    return {
        "version": version,
        "enqueue_per_s": count / enqueue,
        "life_per_s": count / life,
        "cpu_ms": cpu / count * 1000,
        "executed": len(executed),
        "duplicate": len(executed) - len(set(executed)),
        "lost": len(set(ids) - set(executed)),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))))
