"""Empty handlers on DynamoDB Local: requests and client CPU per task, with a delay added to each request.

    python -m bench.worker_dynamodb --tasks 3000 --delay 0.005

The delay is a sleep in the client before each request, so that round trips cost what they do on a network.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
import uuid
from typing import Any

import statustrack as st
from statustrack.engines.registry import open_engine
from tests import dynamodb_local
from tests.dynamodb_local import DynamoDBLocal


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--delay", type=float, default=0.005)
    parser.add_argument("--work", type=float, default=0.0, help="seconds that each handler waits")
    parser.add_argument("--concurrency", type=int, default=16)
    given = parser.parse_args()
    os.environ.update(dynamodb_local.CREDENTIALS)
    server = DynamoDBLocal()

    class Step(st.BaseTask):
        class Meta:
            table_name = f"bench_{uuid.uuid4().hex[:8]}"

        config = st.TrackerConfig.make("bench", 10, 20, 30, 40, 50)

    @Step.handler
    def nothing(ctx: Any) -> None:
        if given.work:
            time.sleep(given.work)

    try:
        engine: Any = open_engine(dynamodb_local.endpoint_url(server.endpoint()))
        with st.use_engine(engine):
            Step.create_table(wait=True)
            Step.create_many(f"task-{number:06}" for number in range(given.tasks))
            client = engine.connection.client()
            client.meta.events.register("before-send.dynamodb", lambda **_: time.sleep(given.delay))
            worker = st.Worker(Step, concurrency=given.concurrency)
            cpu, wall, before = time.process_time(), time.perf_counter(), dict(engine.meter.by_operation)
            report = worker.run(until_idle=True)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            assert report.succeeded == given.tasks, report
            made = {name: count - before.get(name, 0) for name, count in engine.meter.by_operation.items()}
            print(
                f"{given.tasks / wall:.0f} tasks/s, {report.requests / given.tasks:.3f} requests and "
                f"{cpu / given.tasks * 1000:.3f} ms CPU per task; { ({k: v for k, v in made.items() if v}) }; "
                f"threads {threading.active_count()}"
            )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
