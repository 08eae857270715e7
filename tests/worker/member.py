"""One worker process of the proofs: ``python -m tests.worker.member TABLE [OPTIONS]`` works until everything has ended.

Its engine is STATUSTRACK_ENGINE. The tasks say by their ids what their handlers do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from typing import Any

import statustrack as st
from tests.tracking.support import FIRST, SECOND, step

LEASE_SECONDS = 2
#: Workers say it when they begin and when they end.
READY, REPORT = "ready", "report "


def steps(table: str, **options: Any) -> tuple[type[st.BaseTask], type[st.BaseTask]]:
    """The two steps of the proofs, with their handlers."""
    options = {"lock_expire_seconds": LEASE_SECONDS, "retry_delay_seconds": 0.2, **options}
    first, second = step(table, FIRST, name="First", **options), step(table, SECOND, name="Second", **options)

    @first.handler
    def one(ctx: Any) -> dict[str, Any]:
        act(ctx)
        return {"one": ctx.attempt}

    @second.handler
    def two(ctx: Any) -> dict[str, Any]:
        return {"two": ctx.attempt}

    return first, second


def act(ctx: Any) -> None:
    """What the id asks for."""
    kind = ctx.task.task_id.partition("-")[0]
    if kind == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "slow":
        time.sleep(0.5)
    elif kind == "long":
        time.sleep(30)
    elif kind == "held":  # until somebody else has had it: for a process that is stopped meanwhile
        if ctx.attempt == 1:
            print("held", flush=True)
            time.sleep(1.0)
    else:
        time.sleep(0.001)


def main() -> None:
    """Work, and print the report."""
    table, options = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    worker = st.Worker(*steps(table, **options.pop("step", {})), **options)
    print(READY, flush=True)
    report = worker.run(until_idle=True)
    print(REPORT + json.dumps(vars(report)), flush=True)


if __name__ == "__main__":
    main()
