"""Hooks: each event fires once, after the storage has confirmed it, in start() and in the worker; none harms a task."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

import statustrack as st
from statustrack.tracking import hooks
from statustrack.tracking.heartbeat import let_go
from tests.tracking.support import fail, lose, silent, step


class Heard:
    """What was heard, and a way to wait for what comes from another thread."""

    def __init__(self):
        self.events = []
        self._came = threading.Condition()

    def __call__(self, event):
        with self._came:
            self.events.append(event)
            self._came.notify_all()

    def names(self):
        return [event.event for event in self.events]

    def wait_for(self, name):
        with self._came:
            assert self._came.wait_for(lambda: name in self.names(), timeout=10), self.names()
        return next(event for event in self.events if event.event == name)


@pytest.fixture
def heard():
    found = Heard()
    unsubscribe = st.on(hooks.EVENTS, found)
    yield found
    unsubscribe()
    assert hooks.registered == {}, "a test left its hook"


def test_each_end_of_an_attempt_is_one_event(made, heard, clock):
    made.create("t")
    fail(made, "t")
    with made.start("t"):
        raise st.Snooze(0)
    with pytest.raises(KeyboardInterrupt), made.start("t"):
        raise KeyboardInterrupt
    with made.start("t"):
        pass
    assert heard.names() == [
        "started", "failed", "started", "snoozed", "started", "released", "started", "succeeded",
    ]  # fmt: skip
    failed = heard.events[1]
    assert (failed.use_case_id, failed.task_id, failed.key, failed.step) == ("job", "t", made.make_key("t"), "Step10")
    assert (failed.status, failed.attempt, failed.retry, failed.error) == (30, 1, 1, "ValueError: boom")
    assert failed.error_group and failed.worker and failed.retry_at is None and failed.task.is_failed()
    assert heard.events[-1].error is None and heard.events[-1].status == 40


def test_the_ends_for_good(made, heard):
    made.create("t")
    made.create("u")
    for _ in range(made.config.max_retry):
        fail(made, "t")
    with made.start("u"):
        raise st.GiveUp("no such customer")
    ends = [event.event for event in heard.events if event.event != "started"]
    assert ends == ["failed", "failed", "ignored", "gave_up"]
    assert heard.events[-1].error.endswith("no such customer") and heard.events[-1].status == 50


def test_a_take_over_and_the_loss_of_the_other(made, heard, clock):
    made.create("t")
    start = made.start("t")
    start.__enter__()
    let_go(start._ctx._hold)
    start._ctx._hold.released = False
    clock.advance(303)
    with made.start("t"):
        pass
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    lost = heard.wait_for("lost")
    assert sorted(heard.names()) == ["lost", "started", "started", "succeeded", "taken_over"]
    assert heard.names().index("taken_over") == 1
    assert (lost.attempt, lost.task_id) == (1, "t") and "taken" in lost.error
    taken = heard.events[1]
    assert taken.attempt == 2 and "lost" in taken.error


def test_a_lease_that_runs_out_by_the_clock_is_lost_once(made, heard, clock):
    made.create("t")
    start = made.start("t")
    ctx = start.__enter__()
    let_go(ctx._hold)
    ctx._hold.released = False
    clock.advance(303)
    with pytest.raises(st.TaskLeaseLostError) as lost:
        ctx.check()
    made.release("t")
    start.__exit__(st.TaskLeaseLostError, lost.value, None)
    heard.wait_for("lost")
    assert heard.names().count("lost") == 1


def test_a_killer_task_ends_as_ignored(store, table_name, heard, clock):
    made = step(table_name, max_retry=1)
    made.create_table(wait=True)
    made.create("t")
    lose(made, "t", clock)
    with pytest.raises(st.TaskIsNotReadyToStartError), made.start("t"):
        pass
    assert heard.names() == ["started", "ignored"]


def test_claim_many_and_async_blocks_too(local, heard):
    local.create_many(["a", "b", "c"])
    for ctx in local.claim_many(limit=1):
        with ctx:
            pass

    async def work():
        async with local.start("c"):
            pass

    asyncio.run(work())
    assert heard.names() == ["started", "succeeded"] * 2


def test_nothing_is_told_before_the_storage_has_confirmed_it(faulty_local, local, heard, clock):
    local.create("t")

    def not_yet(engine):
        assert heard.names() == ["started"]

    faulty_local.plan["succeed"] = [lambda _: [silent()], not_yet]
    with local.start("t"):
        pass
    assert heard.names() == ["started", "succeeded"]


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
def test_a_hook_that_raises_harms_nothing_and_is_logged(local, heard, caplog, error):
    def broken(event):
        raise error

    unsubscribe = st.on(hooks.EVENTS, broken)
    local.create("t")
    with caplog.at_level(logging.ERROR, "statustrack"), local.start("t"):
        pass
    unsubscribe()
    assert local.get("t").is_succeeded()
    assert heard.names() == ["started", "succeeded"], "the others are told"
    assert [record.message for record in caplog.records] == [
        f"a hook of {name} raised; job____t is as it was recorded" for name in ("started", "succeeded")
    ]


def test_ctrl_c_in_a_hook_of_a_start_gives_the_task_back(local):
    local.create("t")

    def interrupt(event):
        raise KeyboardInterrupt

    unsubscribe = st.on("started", interrupt)
    with pytest.raises(KeyboardInterrupt), local.start("t"):
        pytest.fail("the block is not entered")
    unsubscribe()
    task = local.get("t")
    assert task.is_pending() and [each.outcome for each in task.attempts] == ["released"]


def test_a_hook_ends_when_it_is_told_to_and_decorates_without_a_change(local):
    heard = []
    with_both = st.on("started", heard.append)
    again = st.on(["started", "failed"], heard.append)

    def mine(event):
        heard.append("mine")

    assert st.on("gave_up")(mine) is mine
    local.create("t")
    with local.start("t"):
        pass
    assert len(heard) == 2
    with_both()
    with_both()
    assert len(hooks.registered["started"]) == 1, "the other registration of the same function stays"
    again()
    assert list(hooks.registered) == ["gave_up"]
    hooks.registered.clear()


@pytest.mark.parametrize("call", [lambda: st.on("lose"), lambda: st.on([]), lambda: st.on("failed", "print")])
def test_bad_input_is_refused(call):
    with pytest.raises(st.ConfigError):
        call()
    assert hooks.registered == {}


def test_the_worker_fires_the_same_events(store, table_name, heard, clock):
    made = step(table_name, max_retry=2, retry_delay_seconds=0)
    made.create_table(wait=True)
    made.create_many(["good", "bad", "snoozes", "gives-up"])
    seen = set()

    @made.handler
    def work(ctx):
        name = ctx.task.task_id
        if name == "bad":
            raise ValueError("boom")
        if name == "snoozes" and name not in seen:
            seen.add(name)
            raise st.Snooze(0)
        if name == "gives-up":
            raise st.GiveUp("no")

    assert st.Worker(made).run(until_idle=True).ended == 6
    by_task = {}
    for event in heard.events:
        by_task.setdefault(event.task_id, []).append(event.event)
    assert by_task == {
        "good": ["started", "succeeded"],
        "bad": ["started", "failed", "started", "ignored"],
        "snoozes": ["started", "snoozed", "started", "succeeded"],
        "gives-up": ["started", "gave_up"],
    }


def test_the_worker_fires_for_coroutines_and_rescues(store, table_name, heard, clock):
    made = step(table_name, lock_expire_seconds=10)
    made.create_table(wait=True)
    made.create("t")
    lose(made, "t", clock)

    @made.handler
    async def work(ctx):
        pass

    assert st.Worker(made).run(until_idle=True).succeeded == 1
    assert heard.names() == ["started", "taken_over", "started", "succeeded"]
    assert heard.events[1].step == "Step10" and heard.events[1].attempt == 1, "the attempt that was lost"


def test_without_hooks_an_attempt_pays_one_look(local, monkeypatch):
    monkeypatch.setattr(hooks, "fire", lambda *_: pytest.fail("nobody listens"))
    monkeypatch.setattr(hooks, "fire_apart", lambda *_: pytest.fail("nobody listens"))
    local.create("t")
    with local.start("t"):
        pass
    assert local.get("t").is_succeeded()
