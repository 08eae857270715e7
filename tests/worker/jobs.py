"""The steps that the worker processes of the proofs run; their tasks say by their ids what the handlers do.

A module of its own: processes that are started by spawn import the steps from here, by name.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import statustrack as st
from tests.tracking.support import FIRST, SECOND, step

LEASE_SECONDS = 2
TABLE_VARIABLE, LEASE_VARIABLE = "PROOF_TABLE", "PROOF_LEASE_SECONDS"


def steps(table: str, **options: Any) -> tuple[type[st.BaseTask], type[st.BaseTask]]:
    """The two steps of the proofs, with their handlers."""
    lease = float(os.environ.get(LEASE_VARIABLE, LEASE_SECONDS))
    # With a kill per second, one task in thousands meets three of them: that says nothing of the task.
    options = {"lock_expire_seconds": lease, "retry_delay_seconds": 0.2, "max_retry": 5, **options}
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


if TABLE_VARIABLE in os.environ:
    First, Second = steps(os.environ[TABLE_VARIABLE])
    for made in (First, Second):
        made.__module__, made.__qualname__ = __name__, made.__name__
