"""A start that is refused says why, exactly: the reason, the task, when to try again; without a second read."""

import pytest

import statustrack as st
from statustrack.engines.protocol import Refused
from statustrack.tracking.heartbeat import let_go
from tests.tracking.support import FIRST, SECOND, fail, lose, step


def snooze(task_class):
    with task_class.start("t"):
        raise st.Snooze(60)


def succeed(task_class):
    with task_class.start("t"):
        pass


def ignore(task_class):
    with task_class.start("t"):
        raise st.GiveUp("no")


REASONS = {
    "locked": (lambda step_class: step_class.start("t").__enter__(), st.TaskLockedError, "is locked"),
    "succeeded": (succeed, st.TaskAlreadySucceedError, "is already succeeded."),
    "ignored": (ignore, st.TaskIgnoredError, "is ignored."),
    "not_ready": (snooze, st.TaskIsNotReadyToStartError, "put off (snoozed)"),
    "other_step": (None, st.TaskIsNotReadyToStartError, "is not ready to start"),
    "not_initialized": (None, st.TaskIsNotInitializedError, "is not found in the table"),
}
GENERIC = "either it is locked or status is not in 'pending' or 'failed'"


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("detailed", [False, True])
def test_a_refused_start_says_why(made, store, reason, detailed):
    prepare, specific, said = REASONS[reason]
    if reason == "other_step":
        made.make("t", _status=99).save()
    elif prepare is not None:
        made.create("t", {"n": 1})
        prepare(made)
    else:
        made.create("another")  # the step is registered by its first write
        with made.start("another"), pytest.raises(st.TaskIsNotReadyToStartError):
            made.start("another").__enter__()  # once an engine has seen that a refusal carries the row, it trusts it
    before = store.meter.requests
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t", detailed_error=detailed):
        pytest.fail("entered")
    assert store.meter.requests - before == 1, "no second read"
    error = refused.value
    assert error.reason == reason
    if reason == "not_initialized":
        assert type(error) is specific, "as in the original, with or without detailed_error"
        assert error.task is None and error.retry_at is None
        assert "create=True" in str(error)
        assert made.get_one_or_none("t") is None, "no ghost"
        return
    assert type(error) is (specific if detailed else st.TaskIsNotReadyToStartError)
    assert (said if detailed else GENERIC) in str(error)
    assert "use_case_id='job', task_id='t'" in str(error)
    assert isinstance(error.task, made) and error.task.task_id == "t" and error.task.status == made.get("t").status
    if reason == "locked":
        assert error.retry_at == error.task.lease_until or store.name == "dynamodb"
        assert error.retry_at >= error.task.lease_until
    elif reason == "not_ready":
        assert error.retry_at == error.task.ready_at
    else:
        assert error.retry_at is None


def test_a_locked_task_of_another_step_is_locked_first_of_all(local):
    local.create("t")
    other = step(local.Meta.table_name, SECOND)
    with local.start("t"), pytest.raises(st.TaskLockedError), other.start("t", detailed_error=True):
        pytest.fail("entered")


def test_the_alias_of_the_originals_prose_is_the_same_class():
    assert st.TaskIsLockedError is st.TaskLockedError


def test_more_pending_status_of_a_start_takes_the_place_of_that_of_the_step(sqlite, table_name):
    task = step(table_name, FIRST, more_pending_status=[150])
    task.create_table()
    task.make("t", _status=150).save()
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, task.start("t", 40, detailed_error=True):
        pytest.fail("entered")
    assert refused.value.reason == "other_step"
    assert "the status 150 is not in the ready-to-start status [40]" in str(refused.value)
    with task.start("t"):
        pass
    assert task.get("t").is_succeeded()
    with task.start("t", more_pending_status=[40]):
        pass


def test_start_with_create_makes_the_task_once(made):
    with made.start("t", create=True, data={"n": 1}) as ctx:
        assert ctx.data == {"n": 1} and ctx.attempt == 1
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t", create=True, data={"n": 2}):
        pytest.fail("entered")
    assert refused.value.reason == "succeeded"
    assert made.get("t").data == {"n": 1}


def test_start_with_create_leaves_an_existing_task_its_data(local):
    local.create("t", {"n": 1})
    with local.start("t", create=True, data={"n": 2}) as ctx:
        assert ctx.data == {"n": 1}


def test_start_with_create_that_loses_the_race_of_creating_goes_on_to_claim(local, faulty_local):
    faulty_local.plan = {"create": [lambda faulty: local.create("t", {"by": "another"}) and None]}
    with local.start("t", create=True, data={"by": "me"}) as ctx:
        assert ctx.data == {"by": "another"}


def test_start_with_create_and_bad_data_writes_nothing(local):
    with pytest.raises(st.InvalidDataError), local.start("t", create=True, data={"x": object()}):
        pytest.fail("entered")
    assert local.get_one_or_none("t") is None


def test_a_start_that_is_never_entered_does_nothing(local):
    local.create("t")
    local.start("t")
    assert local.get("t").attempt == 0


def test_a_task_that_others_keep_changing_is_refused_not_waited_for_for_ever(local, faulty_local):
    local.create("t")
    row = local.get("t")._row
    faulty_local.plan = {"claim": lambda _: [Refused(dict(row))]}
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, local.start("t", detailed_error=True):
        pytest.fail("entered")
    assert refused.value.reason == "not_ready" and "others keep changing it" in str(refused.value)
    assert faulty_local.sent("claim") == 5


def test_a_take_over_that_loses_the_race_tells_of_the_winner(local, clock, faulty_local):
    local.create("t")
    lose(local, "t", clock)
    winner = []

    def race(_):
        faulty_local.plan = {}
        winner.append(local.start("t").__enter__())

    faulty_local.plan = {"take_over": [race]}
    with pytest.raises(st.TaskLockedError) as refused, local.start("t", detailed_error=True):
        pytest.fail("entered")
    assert refused.value.task.lock == winner[0].lock_token
    assert local.get("t").attempt == 2 and local.get("t").retry == 1


def test_a_lease_that_ends_while_a_start_is_being_refused_was_still_a_lock(local, clock, faulty_local):
    local.create("t")
    let_go(local.start("t").__enter__()._hold)
    clock.advance(299)

    def refused_late(faulty):
        outcome = [Refused(local.get("t")._row)]
        clock.advance(2)
        return outcome

    faulty_local.plan = {"claim": [refused_late]}
    with pytest.raises(st.TaskLockedError) as refused, local.start("t", detailed_error=True):
        pytest.fail("entered")
    assert refused.value.reason == "locked" and refused.value.retry_at == local.get("t").lease_until
    with local.start("t"):
        pass


def test_debug_prints_the_trace_of_a_refusal(local, capsys):
    local.create("t")
    fail(local, "t")
    refused = pytest.raises(st.TaskIsNotReadyToStartError)
    with local.start("t"), refused, local.start("t", debug=True, detailed_error=True):
        pytest.fail("entered")
    shown = capsys.readouterr().out
    assert "❌ task failed to get lock, because it is already locked by another worker." in shown
    assert shown.count("Task(use_case_id='job', task_id='t')") == 2


def test_debug_prints_the_trace_of_an_attempt(local, capsys):
    local.create("t")
    with local.start("t", debug=True):
        pass
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "{:-^120}".format(" ▶️ start Task(use_case_id='job', task_id='t')"),
        "🔓 set status 'in_progress' and lock the task.",
        "✅ 🔐 task succeeded, set status 'success' and unlock the task.",
        "{:-^120}".format(" ⏹️ end Task(use_case_id='job', task_id='t'), status=40)) (aka 'succeeded')"),
    ] or lines[0].strip("-").startswith(" ▶️ start Task(")


def test_without_debug_nothing_is_printed(local, capsys):
    local.create("t")
    fail(local, "t")
    assert capsys.readouterr() == ("", "")
