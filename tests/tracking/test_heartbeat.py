"""The lease renews itself while the block runs: for one task or for very many, from one background thread."""

import threading
import time

import pytest

import statustrack as st
from statustrack.core import lifecycle
from statustrack.engines.protocol import Refused
from statustrack.tracking.heartbeat import Heartbeat, renew
from tests.tracking.support import Faulty, run_child, silent, step


def until(condition, seconds=10.0):
    """Give the background thread the time to see a clock that was moved."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the heartbeat did not come"
        time.sleep(0.005)


def test_a_long_block_keeps_its_lease(made, clock):
    made.create("t")
    with made.start("t") as ctx:
        first = ctx.lease_until
        for _ in range(5):
            before = ctx.lease_until
            clock.advance(100)
            until(lambda before=before: ctx.lease_until > before)
            assert not ctx.lease_lost
        assert (ctx.lease_until - first).total_seconds() > 490
        stored = made.get("t")
        assert stored.lease_until == ctx.lease_until
        assert stored.update_time == ctx.task.update_time, "a heartbeat is no index write"
        with pytest.raises(st.TaskIsNotReadyToStartError), made.start("t"):
            pytest.fail("two holders")
    assert made.get("t").attempt == 1


def test_in_real_time_another_process_cannot_claim_a_long_task(engine_url, real, table_name):
    seconds = 1.0 if real.name == "sqlite" else 2.0
    task = step(table_name, lock_expire_seconds=seconds)
    task.create_table(wait=True)
    task.create("t")
    code = """
        Step = step(sys.argv[1], lock_expire_seconds=float(sys.argv[2]))
        try:
            with Step.start("t"):
                print("ran")
        except st.TaskIsNotReadyToStartError as error:
            print(error.reason)
    """
    with task.start("t") as ctx:
        time.sleep(2.5 * seconds)
        assert run_child(code, engine_url, table_name, str(seconds)) == "locked\n"
        ctx.check()
    ended = task.get("t")
    assert ended.is_succeeded() and ended.attempt == 1


def test_the_heartbeats_of_many_contexts_go_in_batches(local, clock, sqlite):
    faulty = Faulty(sqlite)
    names = [f"t-{n}" for n in range(100)]
    local.create_many(names)
    with st.use_engine(faulty):
        starts = [local.start(name) for name in names]
        contexts = [start.__enter__() for start in starts]
        before = [ctx.lease_until for ctx in contexts]
        clock.advance(100)
        until(lambda: all(ctx.lease_until > old for ctx, old in zip(contexts, before, strict=True)))
        batches = [request for request in faulty.requests if "heartbeat" in request]
        assert sum(map(len, batches)) == 100
        assert len(batches) <= 8 and max(map(len, batches)) <= 25
        for start in starts:
            start.__exit__(None, None, None)
    assert local.count_by_status("succeeded") == {"succeeded": 100}


def test_one_thread_renews_all_leases(local, clock):
    local.create_many(f"t-{n}" for n in range(20))
    starts = [local.start(f"t-{n}") for n in range(20)]
    for start in starts:
        start.__enter__()
    named = [thread for thread in threading.enumerate() if thread.name == "statustrack-heartbeat"]
    assert len(named) == 1 and named[0].daemon
    for start in starts:
        start.__exit__(None, None, None)


def test_a_heartbeat_without_a_reply_is_tried_again_before_the_lease_ends(local, clock, faulty_local):
    faulty_local.plan = {"heartbeat": ["drop", "lose", "drop"]}
    local.create("t")
    with local.start("t") as ctx:
        before = ctx.lease_until
        clock.advance(100)
        for _ in range(4):
            sent = faulty_local.sent("heartbeat")
            until(lambda sent=sent: faulty_local.sent("heartbeat") > sent)
            clock.advance(2)
        until(lambda: ctx.lease_until > before)
        assert not ctx.lease_lost
    assert local.get("t").is_succeeded()


def test_an_engine_that_raises_does_not_end_the_heartbeat(local, clock, faulty_local):
    faulty_local.plan = {"heartbeat": [st.StorageError("broken"), RuntimeError("very broken")]}
    local.create("t")
    with local.start("t") as ctx:
        before = ctx.lease_until
        clock.advance(100)
        for _ in range(3):
            sent = faulty_local.sent("heartbeat")
            until(lambda sent=sent: faulty_local.sent("heartbeat") > sent)
            clock.advance(2)
        until(lambda: ctx.lease_until > before)
    assert local.get("t").is_succeeded()


def test_heartbeats_that_never_get_a_reply_end_in_a_loss_when_the_lease_is_over(local, clock, faulty_local):
    faulty_local.plan = {"heartbeat": lambda _: [silent()]}
    local.create("t")
    with pytest.raises(st.TaskLeaseLostError), local.start("t") as ctx:
        clock.advance(300)
        until(lambda: ctx._hold.why_lost is not None)
        ctx.check()


@pytest.mark.parametrize("what", ["taken over", "deleted", "given back by hand"])
def test_a_heartbeat_that_finds_the_task_taken_away_tells_the_holder(made, clock, what):
    made.create("t")
    said = {"taken over": "taken over by somebody", "deleted": "deleted", "given back by hand": "taken away"}[what]
    with pytest.raises(st.TaskLeaseLostError, match=said) as lost, made.start("t") as ctx:
        row = made.get("t")
        if what == "deleted":
            row.delete(force=True)
        else:
            row.lock = "a" * 32 if what == "taken over" else "__not_locked__"
            row.worker = "somebody"
            row.save(force=True)
        clock.advance(100)
        until(lambda: ctx.lease_lost)
        ctx.check()
    assert lost.value.__cause__ is None, "check() told, not the end of the block"


def test_a_late_duplicate_of_a_heartbeat_changes_nothing(made, store, clock):
    made.create("t")
    with made.start("t") as ctx:
        old, *_ = ctx._hold.renewal()
        clock.advance(1)
        ctx.set_data({"n": 1}).update()
        lease = made.get("t").lease_until
        assert isinstance(store.apply(made.Meta.table_name, [old])[0], Refused)
        assert made.get("t").lease_until == lease and not ctx.lease_lost
    assert isinstance(store.apply(made.Meta.table_name, [old])[0], Refused)
    assert made.get("t").is_succeeded() and not made.get("t").is_locked()


def test_a_heartbeat_refused_because_the_task_has_ended_is_no_loss(local):
    local.create("t")
    start = local.start("t")
    ctx = start.__enter__()
    engine, table = local._engine_and_table()
    engine.apply(table, [lifecycle.succeed(local.config, ctx.task._row, now=engine.now())])
    ctx._hold.due = 0
    renew([ctx._hold])
    assert ctx._hold.why_lost is None
    start.__exit__(None, None, None)
    assert ctx.outcome == "succeeded"


def test_nothing_is_renewed_after_the_block(local, clock, faulty_local):
    local.create("t")
    with local.start("t"):
        pass
    clock.advance(1000)
    time.sleep(0.1)
    assert faulty_local.sent("heartbeat") == 0


def test_tasks_of_two_engines_are_renewed_side_by_side(tmp_path, clock):
    from statustrack import testing

    with testing.engine(clock=clock, folder=str(tmp_path)) as one:
        first, second = step("one"), step("two")
        first.create_table()
        first.create("t")
        with first.start("t") as outer, testing.engine(clock=clock, folder=str(tmp_path)) as two:
            second.create_table()
            second.create("t")
            with second.start("t") as inner:
                before = [outer.lease_until, inner.lease_until]
                clock.advance(100)
                until(lambda: outer.lease_until > before[0] and inner.lease_until > before[1])
            assert one is not two
        assert first.get("t").is_succeeded()


def test_a_lost_lease_does_not_keep_the_background_thread_busy(local, clock, monkeypatch):
    beats = []
    original = Heartbeat._beat
    monkeypatch.setattr(Heartbeat, "_beat", lambda self, holds: beats.append(1) or original(self, holds))
    local.create("t")
    start = local.start("t")
    ctx = start.__enter__()
    local.get("t").delete(force=True)
    clock.advance(100)
    until(lambda: ctx._hold.why_lost is not None)
    beats.clear()
    time.sleep(0.5)
    count = len(beats)
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    assert count < 20
