"""Exactly once beside the task: of a stale holder and its heir one commits its ``ctx.also``, whoever comes first."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import statustrack as st
from statustrack.core.writes import Write
from statustrack.engines.protocol import Engine
from tests.engines.contract.places import Place, place_of
from tests.tracking.support import child, step
from tests.tracking.test_one_holder import stale_start

ROUNDS = 15


@pytest.fixture
def place(engine_url: str) -> Iterator[Place]:
    """The user's own table beside the tasks: one row for each effect that was committed."""
    place = place_of(engine_url)
    yield place
    place.clear()


def also(ctx: st.ExecutionContext[Any], place: Place, who: str) -> None:
    """The effect of an attempt, under the name of its task and of who has it."""
    extra = place.insert(f"{ctx.task.task_id} {who}")
    ctx.also(transact=extra.transact, sql=extra.sql)


def effects(place: Place) -> dict[str, list[str]]:
    """Whose effects were committed, by task."""
    found: dict[str, list[str]] = {}
    for name in place.names():
        task_id, who = name.split()
        found.setdefault(task_id, []).append(who)
    return found


def winner(task: st.BaseTask) -> str:
    """Who succeeded, as the task tells it."""
    (attempt,) = [entry.attempt for entry in task.attempts if entry.outcome == "succeeded"]
    return {1: "stale", 2: "heir"}[attempt]


def test_the_heir_that_has_claimed_commits_and_the_stale_holder_does_not(made: Any, clock: Any, place: Place) -> None:
    made.create("t")
    start, ctx = stale_start(made, "t", clock, lambda ctx: also(ctx, place, "stale"))
    with made.start("t") as heir:
        also(heir, place, "heir")
        with pytest.raises(st.TaskLeaseLostError):
            start.__exit__(None, None, None)
        assert effects(place) == {}
    assert effects(place) == {"t": ["heir"]} and winner(made.get("t")) == "heir"
    assert ctx.outcome == "lost"


def test_a_stale_holder_that_commits_before_anybody_takes_over_is_the_one(made: Any, clock: Any, place: Place) -> None:
    made.create("t")
    start, _ = stale_start(made, "t", clock, lambda ctx: also(ctx, place, "stale"))
    start.__exit__(None, None, None)
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t"):
        pytest.fail("done twice")
    assert refused.value.reason == "succeeded"
    assert effects(place) == {"t": ["stale"]} and winner(made.get("t")) == "stale"


class Meeting:
    """An engine where one write of each of two threads waits for the other: they are sent at the same moment."""

    def __init__(self, inner: Engine, **events: str) -> None:
        self._inner = inner
        self._events = events  #: the event that a thread is held up at, by the thread's name
        self._barrier = threading.Barrier(2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _meet(self, write: Write) -> None:
        who = threading.current_thread().name
        if self._events.get(who) == write.event:
            del self._events[who]
            self._barrier.wait(30)

    def apply(self, table: str, writes: Any) -> Any:
        self._meet(writes[0])
        return self._inner.apply(table, writes)

    def apply_together(self, table: str, write: Write, *args: Any) -> Any:
        self._meet(write)
        return self._inner.apply_together(table, write, *args)


def in_threads(**work: Callable[[], None]) -> None:
    """Run each in a thread of its name, to the end of all."""
    threads = [threading.Thread(target=function, name=name) for name, function in work.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("heirs_event", ["take_over", "succeed"])
def test_at_the_same_moment_one_of_them_commits(
    store: Any, made: Any, clock: Any, place: Place, heirs_event: str
) -> None:
    """The stale success meets the take-over itself, and then the success of an heir that has taken over."""
    for number in range(ROUNDS):
        task_id = f"t-{number}"
        with st.use_engine(Meeting(store, stale="succeed", heir=heirs_event)):  # type: ignore[arg-type]
            made.create(task_id)
            start, ctx = stale_start(made, task_id, clock, lambda ctx: also(ctx, place, "stale"))
            said = []

            def stale(start: Any = start, said: list[str] = said) -> None:
                with contextlib.suppress(st.TaskLeaseLostError):
                    start.__exit__(None, None, None)
                    said.append("stale")

            def heir(task_id: str = task_id, said: list[str] = said) -> None:
                with contextlib.suppress(st.TaskIsNotReadyToStartError):
                    with made.start(task_id) as ctx:
                        also(ctx, place, "heir")
                    said.append("heir")

            in_threads(stale=stale, heir=heir)
        assert effects(place)[task_id] == said == [winner(made.get(task_id))]
        if heirs_event == "succeed":
            assert said == ["heir"] and ctx.outcome == "lost"
            assert [late["outcome"] for late in made.get(task_id).late_results] == ["succeeded"]


BEGIN = """
import json
table, seconds, extras = sys.argv[1:]
Step, extras, said = step(table, lock_expire_seconds=float(seconds)), json.loads(extras), {}

def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""
END = """
print(json.dumps(said))
"""
STALE = """
from statustrack.tracking.heartbeat import let_go
starts = {}
for task_id, extra in extras.items():
    starts[task_id] = Step.start(task_id)
    ctx = starts[task_id].__enter__()
    ctx.also(**extra)
    let_go(ctx._hold)  # as of a process that was suspended: nothing renews its leases
    ctx._hold.released = False
ready()
for task_id, start in starts.items():
    try:
        start.__exit__(None, None, None)
        said[task_id] = "stale"
    except st.TaskLeaseLostError:
        pass
"""
HEIR = """
listed(Step.query_for_unfinished, len(extras))  # all leases are over, as this process sees it
ready()
for task_id, extra in extras.items():
    try:
        with Step.start(task_id) as ctx:
            ctx.also(**extra)
        said[task_id] = "heir"
    except st.TaskIsNotReadyToStartError as refused:
        assert refused.reason == "succeeded", refused
"""


def test_of_two_processes_one_commits_each(real: Any, engine_url: str, table_name: str, place: Place) -> None:
    """A process that was suspended wakes up while another takes its tasks over; both go through them from the first."""
    ids = [f"t-{n}" for n in range(20)]
    lease = real.min_lease_seconds
    made = step(table_name, lock_expire_seconds=lease)
    made.create_table(wait=True)
    made.create_many(ids)
    processes = []
    try:
        for who, code in (("stale", STALE), ("heir", HEIR)):
            extras = {task_id: dataclasses.asdict(place.insert(f"{task_id} {who}")) for task_id in ids}
            process = child(BEGIN + code + END, engine_url, table_name, str(lease), json.dumps(extras))
            processes.append(process)
            assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
        for process in processes:
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        said = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    done = {task_id: [who] for each in said for task_id, who in each.items()}
    assert sorted(done) == sorted(ids) and len(said[0]) + len(said[1]) == len(ids)
    assert effects(place) == done
    assert {task_id: [winner(made.get(task_id))] for task_id in ids} == done
