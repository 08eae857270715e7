"""Promises 8 and 10: time is counted from before the request was sent, and the holder is told of a loss in time."""

import time

import pytest

import statustrack as st
from tests.tracking.support import step

SAYS = {
    "check": lambda ctx: ctx.check(),
    "set_data": lambda ctx: ctx.set_data({"n": 2}),
    "update": lambda ctx: ctx.update(),
    "progress": lambda ctx: ctx.progress(0.5),
    "also": lambda ctx: ctx.also(
        sql=["SELECT 1"],
        transact=[{"Delete": {"TableName": "other", "Key": {"key": {"S": "x"}}}}],
    ),
}


@pytest.fixture(autouse=True)
def no_renewals(monkeypatch):
    """The holder's own clock alone decides here."""
    from statustrack.tracking import execution

    monkeypatch.setattr(execution, "keep", lambda hold: None)


@pytest.mark.parametrize("verb", SAYS)
def test_after_a_loss_every_verb_of_the_context_raises(made, clock, verb):
    made.create("t", {"n": 1})
    with pytest.raises(st.TaskLeaseLostError) as lost, made.start("t") as ctx:
        SAYS[verb](ctx)
        assert not ctx.lease_lost
        clock.advance(made.config.lock_expire_seconds)
        assert ctx.lease_lost
        SAYS[verb](ctx)
    assert "ran out without a renewal" in str(lost.value)
    assert lost.value.task is ctx.task
    task = made.get("t")
    assert task.is_pending() or task.is_failed(), "nobody has taken it over: it was given back"
    assert task.data == ({"n": 2} if verb == "nothing" else {"n": 1})


@pytest.mark.parametrize("verb", ["check", "set_data", "update", "progress"])
def test_after_a_take_over_the_block_that_stops_changes_nothing(made, clock, verb):
    made.create("t", {"n": 1})
    with pytest.raises(st.TaskLeaseLostError), made.start("t") as ctx:
        clock.advance(made.config.lock_expire_seconds + 3)
        with made.start("t") as second:
            second.set_data({"n": "second"})
        SAYS[verb](ctx)
    task = made.get("t")
    assert task.is_succeeded() and task.data == {"n": "second"} and task.attempt == 2
    assert ctx.outcome == "lost"
    assert [late["outcome"] for late in task.late_results] == ["stopped"]


def test_the_holder_is_told_a_margin_before_others_may_take_over(store, made, clock):
    made.create("t")
    lease_ms = made.config.lease_ms
    margin, slack = store.margin_ms(lease_ms) / 1000, store.slack_ms(lease_ms) / 1000
    with pytest.raises(st.TaskLeaseLostError), made.start("t") as ctx:
        clock.advance(300 - margin - 0.1)
        assert not ctx.lease_lost
        clock.advance(0.1)
        assert ctx.lease_lost
        if slack:
            clock.advance(margin + slack - 0.1)
            with pytest.raises(st.TaskIsNotReadyToStartError), made.start("t"):
                pytest.fail("too early")
            clock.advance(0.1)
        with made.start("t"):
            pass
        ctx.check()


def test_a_wall_clock_that_jumps_ahead_ends_the_lease_for_its_holder(local, clock):
    """A laptop that slept, on a system whose boot clock does not count that."""
    local.create("t")
    with pytest.raises(st.TaskLeaseLostError), local.start("t") as ctx:
        clock.jump(299)
        ctx.check()
        clock.jump(1)
        ctx.check()


def test_a_boot_clock_that_runs_on_ends_the_lease_although_the_wall_clock_was_set_back(local, clock):
    local.create("t")
    with pytest.raises(st.TaskLeaseLostError), local.start("t") as ctx:
        clock.advance(299)
        clock.jump(-1000)
        assert not ctx.lease_lost
        clock.advance(1)
        ctx.check()


def test_the_time_of_the_claim_request_counts_against_the_lease(local, clock, faulty_local):
    faulty_local.plan = {"claim": [lambda _: clock.advance(100)]}
    local.create("t")
    with pytest.raises(st.TaskLeaseLostError), local.start("t") as ctx:
        clock.advance(199)
        assert not ctx.lease_lost
        clock.advance(1)
        ctx.check()


def test_a_loss_that_the_block_does_not_ask_about_still_records_the_outcome_if_nobody_took_the_task(local, clock):
    local.create("t")
    with local.start("t") as ctx:
        clock.advance(400)
        assert ctx.lease_lost
    assert local.get("t").is_succeeded()


def test_an_update_renews_the_lease_and_a_set_data_does_not(local, clock):
    local.create("t")
    with local.start("t") as ctx:
        before = ctx.lease_until
        clock.advance(200)
        ctx.set_data({"n": 1})
        assert ctx.lease_until == before
        ctx.update()
        assert (ctx.lease_until - before).total_seconds() == pytest.approx(200, abs=0.01)
        clock.advance(200)
        ctx.check()
    assert local.get("t").is_succeeded()


def test_an_update_is_stored_before_the_end_and_stays_when_the_block_fails(made):
    made.create("t", {"n": 0})
    with pytest.raises(ValueError), made.start("t") as ctx:
        with ctx.begin_update():
            ctx.set_data({"n": 1})
        ctx.update()
        assert made.get("t").data == {"n": 1} == ctx.task.data
        ctx.set_data({"n": 2})
        raise ValueError
    task = made.get("t")
    assert task.is_failed() and task.data == {"n": 1}


def test_an_update_that_meets_a_deleted_task_is_a_loss_and_makes_no_row(made):
    made.create("t")
    with pytest.raises(st.TaskLeaseLostError, match="deleted"), made.start("t") as ctx:
        made.get("t").delete(force=True)
        ctx.set_data({"n": 1}).update()
    assert made.get_one_or_none("t", consistent_read=True) is None


def test_begin_update_forgets_what_it_set_when_its_block_raises(local):
    local.create("t", {"n": 0})
    with local.start("t") as ctx:
        ctx.set_data({"n": 1})
        with pytest.raises(KeyError), ctx.begin_update() as same:
            assert same is ctx
            ctx.set_data({"n": 2})
            raise KeyError
        assert ctx.data == {"n": 1}
        assert ctx.to_update_actions() == [("data", '{"n":1}')]
    assert local.get("t").data == {"n": 1}


def test_progress_is_written_at_most_once_a_second_and_the_last_word_goes_with_the_end(local, clock, faulty_local):
    local.create("t")
    with local.start("t") as ctx:
        for n in range(10):
            ctx.progress(n / 10, f"page {n}")
        assert faulty_local.sent("update") == 1
        assert local.get("t").progress["message"] == "page 0"
        clock.advance(1)
        ctx.progress(0.95, "nearly")
        assert faulty_local.sent("update") == 2
        shown = local.get("t").progress
        assert (shown["fraction"], shown["message"]) == (0.95, "nearly")
        ctx.progress(1, "done")
    assert local.get("t").progress["message"] == "done"


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), "half", True])
def test_a_bad_fraction_of_progress_is_refused(local, fraction):
    local.create("t")
    with local.start("t") as ctx, pytest.raises(st.ConfigError, match="fraction"):
        ctx.progress(fraction)


def test_progress_without_a_fraction_and_a_long_message_are_fine(local):
    local.create("t")
    with local.start("t") as ctx:
        ctx.progress(message="x" * 100_000)
        assert len(local.get("t").progress["message"]) <= 500
    with local.start("t", more_pending_status=40):
        assert local.get("t").progress is None


def test_a_lease_can_be_given_per_start(local, clock):
    local.create("t")
    with pytest.raises(st.TaskLeaseLostError), local.start("t", lock_expire_seconds=5) as ctx:
        clock.advance(5)
        ctx.check()
    with pytest.raises(st.ConfigError, match="too short"), local.start("t", lock_expire_seconds=0.5):
        pytest.fail("entered")
    with pytest.raises(st.ConfigError, match="more than a day above"), local.start("t", lock_expire_seconds=100_000):
        pytest.fail("entered")


def test_the_shortest_lease_is_that_of_the_engine(store, table_name):
    task = step(table_name, lock_expire_seconds=1)
    task.create_table(wait=True)
    task.create("t")
    if store.min_lease_seconds <= 1:
        with task.start("t"):
            pass
    else:
        with pytest.raises(st.ConfigError, match="at least 2 s"), task.start("t"):
            pytest.fail("entered")
        assert task.get("t").is_pending()


def test_contexts_know_their_lease(local, clock):
    local.create("t")
    started = time.time()
    with local.start("t") as ctx:
        task = local.get("t")
        assert ctx.lock_token == task.lock and len(ctx.lock_token) == 32
        assert ctx.lease_until.timestamp() == pytest.approx(started + 300, abs=20)
        assert task.lease_until == ctx.lease_until
        assert repr(ctx) == "ExecutionContext(Task(use_case_id='job', task_id='t'), attempt=1)"
