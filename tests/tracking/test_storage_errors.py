"""Promises 5 and 6: a storage error never looks like the user's error; lost replies are recognised, counted once."""

import logging

import pytest

import statustrack as st
from statustrack.core import lifecycle
from statustrack.engines.protocol import Applied, Refused
from tests.tracking.support import Faulty, lose, silent

ENDS = {
    "succeed": (None, "succeeded"),
    "fail": (ValueError("mine"), "failed"),
    "release": (KeyboardInterrupt(), "released"),
    "snooze": (st.Snooze(60), "snoozed"),
    "give_up": (st.GiveUp("never"), "ignored"),
}


def run(step, task_id, error):
    """One attempt that ends with this error; what came out of the block."""
    try:
        with step.start(task_id) as ctx:
            if error is not None:
                raise error
    except BaseException as caught:
        return ctx, caught
    return ctx, None


@pytest.mark.parametrize("event", ENDS)
@pytest.mark.parametrize("fault", ["drop", "lose"])
def test_an_outcome_without_a_reply_is_sent_again_and_counted_once(made, faulty, event, fault):
    error, outcome = ENDS[event]
    faulty.plan = {event: [fault] * 3}
    made.create("t")
    ctx, caught = run(made, "t", error)
    assert caught is (None if isinstance(error, st.TaskInstruction) else error)
    assert ctx.outcome == outcome
    assert faulty.sent(event) == 4
    task = made.get("t")
    assert [entry.outcome for entry in task.attempts] == [outcome]
    assert task.retry == (1 if event == "fail" else 0)
    assert task.attempt == 1 and not task.is_locked()
    assert len(task.errors["history"]) == (1 if event in ("fail", "give_up") else 0)


@pytest.mark.parametrize("event", ENDS)
def test_an_outcome_that_stays_unknown_until_the_lease_ends_is_an_error_of_its_own(local, clock, faulty_local, event):
    error, _ = ENDS[event]

    def silence(_):
        clock.advance(100)
        return [silent("no reply")]

    faulty_local.plan = {event: silence, "heartbeat": "drop"}
    local.create("t")
    ctx, caught = run(local, "t", error)
    assert type(caught) is st.TaskOutcomeUnknownError
    assert "no reply" in str(caught)
    assert ctx.outcome == "unknown"
    if error is not None:
        assert caught.__cause__ is error
    else:
        assert isinstance(caught.__cause__, st.StorageUnavailableError)
    assert faulty_local.sent("fail") == (faulty_local.sent(event) if event == "fail" else 0), "no made-up failure"
    assert faulty_local.sent(event) == 3, "sent until the lease of 300 s has ended"
    task = local.get("t")
    assert task.is_in_progress()
    faulty_local.plan = {}
    with local.start("t") as second:
        assert second.attempt == 2


def test_an_outcome_is_not_sent_for_ever_though_heartbeats_get_their_replies(local, clock, faulty_local):
    def silence(_):
        ctx._hold.sent(ctx._hold.until_ms + 100_000, clock.boot(), clock.wall())  # as after a heartbeat
        clock.advance(100)
        return [silent()]

    local.create("t")
    with pytest.raises(st.TaskOutcomeUnknownError), local.start("t") as ctx:
        faulty_local.plan = {"succeed": silence}
    assert faulty_local.sent("succeed") == 3, "for as long as one lease"


def test_an_outcome_that_landed_though_nobody_was_told_is_not_taken_over(local, clock, faulty_local):
    def land_silently(faulty):
        clock.advance(200)
        return None

    def silence(_):
        clock.advance(200)
        return [silent()]

    faulty_local.plan = {"succeed": [silence, land_silently], "heartbeat": "drop"}
    local.create("t")
    ctx, caught = run(local, "t", None)
    assert caught is None and ctx.outcome == "succeeded"
    assert local.get("t").is_succeeded()


def test_a_storage_that_raises_at_the_end_surfaces_as_a_storage_error_with_the_users_error_in_its_context(
    local, faulty_local
):
    refusal = st.StorageError("no permission")
    faulty_local.plan = {"fail": [refusal]}
    local.create("t")
    mine = ValueError("mine")
    _, caught = run(local, "t", mine)
    assert caught is refusal
    assert caught.__context__ is mine
    assert local.get("t").is_in_progress(), "its lease runs out, then it is taken over"


def test_a_storage_error_of_the_users_own_is_a_failure_like_any_other(local):
    local.create("t")
    mine = st.StorageUnavailableError("from another table of the user")
    _, caught = run(local, "t", mine)
    assert caught is mine
    assert local.get("t").is_failed()


@pytest.mark.parametrize("fault", ["drop", "lose"])
def test_a_claim_in_doubt_is_not_entered_but_released_by_its_token(made, faulty, fault):
    faulty.plan = {"claim": [fault]}
    made.create("t")
    with pytest.raises(st.StorageUnavailableError, match="was not entered"), made.start("t"):
        pytest.fail("entered")
    task = made.get("t")
    assert task.is_pending() and not task.is_locked() and task.retry == 0
    assert task.attempts == []
    with made.start("t"):
        pass
    assert made.get("t").is_succeeded()


def test_a_claim_in_doubt_that_cannot_even_be_released_is_free_when_its_lease_ends(local, clock, faulty_local):
    faulty_local.plan = {"claim": ["lose"], "give_back": ["drop"]}
    local.create("t")
    with pytest.raises(st.StorageUnavailableError), local.start("t"):
        pytest.fail("entered")
    assert local.get("t").is_locked()
    clock.advance(301)
    with local.start("t"):
        pass
    assert local.get("t").is_succeeded()


def test_a_claim_answered_after_its_lease_is_not_entered_but_given_back(made, clock, faulty):
    def late(inner):
        clock.advance(0)
        outcome = inner._inner.apply(made.Meta.table_name, [late.write])
        clock.advance(301)
        return outcome

    original = faulty.apply

    def apply(table, writes):
        late.write = writes[0]
        return original(table, writes)

    faulty.apply = apply
    faulty.plan = {"claim": [late]}
    made.create("t")
    with pytest.raises(st.StorageUnavailableError, match="answered after its own lease"), made.start("t"):
        pytest.fail("entered")
    task = made.get("t")
    assert task.is_pending() and not task.is_locked()


@pytest.mark.parametrize("fault", ["drop", "lose"])
def test_a_create_without_a_reply_says_so_and_the_same_call_again_tells(made, faulty, fault):
    faulty.plan = {"create": [fault]}
    with pytest.raises(st.StorageUnavailableError, match="not confirmed"):
        made.create("t", {"n": 1})
    assert made.create("t", {"n": 1}, exist_ok=True).data == {"n": 1}
    assert made.count_tasks_by_use_case_id() == 1


def test_a_create_whose_reply_was_lost_is_recognised_as_mine_when_it_is_sent_again(made, store):
    task = made.make("t", {"n": 1})
    write = lifecycle.create(task._row)
    for _ in range(2):
        assert isinstance(store.apply(made.Meta.table_name, [write])[0], Applied)
    other = lifecycle.create(made.make("t", {"n": 2})._row)
    assert isinstance(store.apply(made.Meta.table_name, [other])[0], Refused)
    assert made.get("t").data == {"n": 1}


def test_a_take_over_whose_reply_was_lost_is_not_entered_and_counts_the_lost_attempt_once(local, clock, faulty_local):
    local.create("t")
    lose(local, "t", clock)
    faulty_local.plan = {"take_over": ["lose"]}
    with pytest.raises(st.StorageUnavailableError), local.start("t"):
        pytest.fail("entered")
    task = local.get("t")
    assert task.is_failed() and task.retry == 1
    assert [entry.outcome for entry in task.attempts] == ["lost"]


def test_an_update_without_a_reply_says_so_and_can_be_repeated(made, faulty):
    faulty.plan = {"update": ["lose", "drop"]}
    made.create("t")
    with made.start("t") as ctx:
        ctx.set_data({"n": 1})
        for _ in range(2):
            with pytest.raises(st.StorageUnavailableError, match="not confirmed"):
                ctx.update()
        ctx.update()
        assert made.get("t").data == {"n": 1}
        assert not ctx.lease_lost
    assert made.get("t").is_succeeded()


def test_every_resend_of_an_outcome_is_in_the_log(local, faulty_local, caplog):
    faulty_local.plan = {"succeed": ["drop", "drop"]}
    local.create("t")
    with caplog.at_level(logging.WARNING, "statustrack"):
        run(local, "t", None)
    assert [record.event for record in caplog.records] == ["outcome_resend"] * 2


def test_a_create_many_that_was_not_confirmed_can_be_repeated(sqlite, local):
    faulty = Faulty(sqlite, create=["lose"])
    with st.use_engine(faulty):
        with pytest.raises(st.StorageUnavailableError, match="same call again"):
            local.create_many(["a", "b"])
        report = local.create_many(["a", "b", "c"])
    assert (report.created, report.existing) == (1, 2)
