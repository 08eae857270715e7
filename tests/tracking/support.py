"""Task classes, a storage that misbehaves on request, and child processes: what the tests of this folder share."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import statustrack as st
from statustrack.core import lifecycle
from statustrack.core.failure import from_reason
from statustrack.core.record import ended_attempt, with_attempt, with_error
from statustrack.core.writes import Write
from statustrack.engines.protocol import Applied, Engine, Outcome, Unknown
from statustrack.tracking.heartbeat import let_go

SHARDS = ("n_pending_shard", "n_in_progress_shard", "n_failed_shard", "n_succeeded_shard", "n_ignored_shard")


#: Pending, in_progress, failed, succeeded, ignored of a step, of the step that goes on where it succeeds, of a third.
FIRST, SECOND, RESCUE = (10, 20, 30, 40, 50), (40, 60, 70, 80, 90), (110, 120, 130, 140, 150)


def step(
    table: str, codes: Sequence[int] = FIRST, use_case: str = "job", name: str = "", **options: Any
) -> type[st.BaseTask]:
    """A task class with these codes."""
    config = st.TrackerConfig.make(use_case, *codes, **options)
    meta = type("Meta", (), {"table_name": table})
    return type(name or f"Step{codes[0]}", (st.BaseTask,), {"Meta": meta, "config": config, "__module__": __name__})


def silent(cause: str = "the storage does not answer") -> Unknown:
    return Unknown(st.StorageUnavailableError(cause))


class Faulty:
    """An engine that does as told before (or instead of) what the real one does.

    ``plan`` maps an event (``claim``, ``succeed``, ...) to a list of actions, each used once, or to one that is always
    used, for a request that holds a write of that event: ``drop`` (not sent, Unknown), ``lose`` (carried out, then
    Unknown), an exception (it is raised), or a function (called with the engine before the request is sent).
    """

    def __init__(self, inner: Engine, **plan: Any) -> None:
        self._inner = inner
        self.plan = plan
        self.requests: list[list[str]] = []
        self.writes: Sequence[Write] = ()  #: of the last request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        self.requests.append([write.event for write in writes])
        self.writes = writes
        for write in writes:
            actions = self.plan.get(write.event)
            if actions:
                action = actions.pop(0) if isinstance(actions, list) else actions
                return self._act(action, table, writes)
        return self._inner.apply(table, writes)

    def _act(self, action: Any, table: str, writes: Sequence[Write]) -> list[Outcome]:
        if isinstance(action, BaseException):
            raise action
        if action == "drop":
            return [silent()] * len(writes)
        if action == "lose":
            self._inner.apply(table, writes)
            return [silent()] * len(writes)
        result = action(self)
        return self._inner.apply(table, writes) if result is None else result

    def sent(self, event: str) -> int:
        """How many writes of this event were asked for."""
        return sum(request.count(event) for request in self.requests)


ROOT = Path(__file__).parents[2]
PROLOGUE = """\
import os, signal, sys, time
import statustrack as st
from tests.tracking.support import listed, step
"""


def child(code: str, url: str, *args: str) -> subprocess.Popen[str]:
    """Run code in another process, on this engine; ``sys.argv[1:]`` are the arguments."""
    source = PROLOGUE + textwrap.dedent(code)
    environment = {**os.environ, "STATUSTRACK_ENGINE": url}
    return subprocess.Popen(
        [sys.executable, "-c", source, *args],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_child(code: str, url: str, *args: str, code_expected: int | None = 0) -> str:
    """Run code in another process to its end; what it printed."""
    process = child(code, url, *args)
    out, err = process.communicate(timeout=60)
    assert code_expected is None or process.returncode == code_expected, err
    return out


def fail(step_class: type[st.BaseTask], task_id: str, error: BaseException | None = None) -> st.BaseTask:
    """Start a task and fail it; the task as recorded."""
    wanted = error or ValueError("boom")
    try:
        with step_class.start(task_id):
            raise wanted
    except type(wanted) as caught:
        assert caught is wanted
    return step_class.get(task_id)


def lose(step_class: type[st.BaseTask], task_id: str, clock: Any) -> None:
    """Claim a task as a worker that dies at once: its lease runs out."""
    start = step_class.start(task_id)
    ctx = start.__enter__()
    let_go(ctx._hold)
    clock.advance(step_class.config.lock_expire_seconds + 3)


def listed(query: Callable[[], st.Results[Any]], count: int) -> list[Any]:
    """The tasks of a listing as soon as there are so many: processes agree on DynamoDB's time within a second only,
    and a listing sees nothing that was written after it began."""
    deadline = time.monotonic() + 10
    while len(found := query().all()) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(found) == count
    return found


def failed_many(step_class: type[st.BaseTask], ids: Sequence[str], message: str = "boom", ignored: bool = False) -> str:
    """Tasks that have failed once (or are ignored), made in batches as a worker would leave them; their group."""
    config, failure = step_class._config(), from_reason("ValueError", message)
    engine, table = step_class._engine_and_table()
    step_class.create_many(ids)
    rows = list(engine.get(table, [step_class.make_key(task_id) for task_id in ids]).values())
    status = config.ignored_status if ignored else config.failed_status
    for row in rows:
        entry = ended_attempt({**row, "attempt": 1, "lock": "0" * 32, "worker": "w"}, config, "failed", engine.now())
        row.update(
            attempt=1, status=status, value=config.value(row["key"], status), retry=1, error_group=failure.group,
            error_summary=failure.summary, attempts=with_attempt(row, entry),
            errors=with_error({**row, "attempt": 1}, config, failure, 1, engine.now()),
        )  # fmt: skip
    outcomes = engine.apply(table, [lifecycle.save(row, attempt=0, forced=True) for row in rows])
    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    return failure.group
