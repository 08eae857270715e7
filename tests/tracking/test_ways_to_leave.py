"""How a block may end, and what is recorded: failed, released, snoozed or given up."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

import statustrack as st
from tests.tracking.support import step

RELEASED = {
    "SystemExit()": SystemExit(),
    "SystemExit(None)": SystemExit(None),
    "SystemExit(0)": SystemExit(0),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "CancelledError": asyncio.CancelledError(),
}
FAILED = {
    "SystemExit(1)": SystemExit(1),
    "SystemExit('message')": SystemExit("message"),
    "an exception": ValueError("boom"),
    "an assertion": AssertionError(),
    "StopIteration": StopIteration(),
    "MemoryError": MemoryError(),
    "a group": None,
}


def leave(step_class, error, **options):
    step_class.create("t", exist_ok=True)
    caught = None
    try:
        with step_class.start("t", **options) as ctx:
            ctx.set_data({"half": "done"})
            raise error
    except BaseException as raised:
        caught = raised
    return ctx, caught, step_class.get("t")


@pytest.mark.parametrize("name", RELEASED)
def test_what_is_no_failure_gives_the_task_back_uncounted(local, name):
    error = RELEASED[name]
    ctx, caught, task = leave(local, error)
    assert caught is error and ctx.outcome == "released"
    assert task.is_pending() and task.retry == 0 and task.errors == {"history": []}
    assert task.data == {}, "what was set and not stored is dropped"
    assert not task.is_locked() and task.ready_at is None
    assert task.attempt == 1 and [entry.outcome for entry in task.attempts] == ["released"]


@pytest.mark.parametrize("name", FAILED)
def test_what_is_a_failure_is_recorded_and_goes_on(local, name):
    error = FAILED[name]
    if error is None:
        if not hasattr(__builtins__, "ExceptionGroup") and "ExceptionGroup" not in dir(__import__("builtins")):
            pytest.skip("Python 3.10 has no exception groups")
        error = __import__("builtins").ExceptionGroup("two", [ValueError(1), ValueError(2)])
    ctx, caught, task = leave(local, error)
    assert caught is error and ctx.outcome == "failed"
    assert task.is_failed() and task.retry == 1 and len(task.errors["history"]) == 1
    assert task.data == {}


def test_a_release_goes_back_to_where_the_task_was_claimed_from(sqlite, table_name):
    task = step(table_name, more_pending_status=[150])
    task.create_table()
    task.create("t")
    for error in (ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), task.start("t"):
            raise error
    assert task.get("t").is_failed() and task.get("t").retry == 1
    other = task.make("u", _status=150)
    other.save()
    before = task.get("u").value
    with pytest.raises(KeyboardInterrupt), task.start("u"):
        raise KeyboardInterrupt
    assert task.get("u").status == 150 and task.get("u").value == before


def test_a_generator_that_is_closed_inside_the_block_gives_the_task_back(local):
    local.create("t")

    def rows():
        with local.start("t"):
            yield 1
            yield 2

    generator = rows()
    assert next(generator) == 1
    generator.close()
    assert local.get("t").is_pending()


def test_a_snooze_puts_the_task_off_uncounted_and_ends_the_block_without_an_error(made, clock):
    ctx, caught, task = leave(made, st.Snooze(60, "rate limited"))
    assert caught is None and ctx.outcome == "snoozed"
    assert task.is_pending() and task.retry == 0 and task.attempt == 1
    assert task.errors == {"history": []}
    assert 59.9 <= (task.ready_at - task.update_time).total_seconds() <= 60
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t"):
        pytest.fail("snoozed")
    assert refused.value.reason == "not_ready" and refused.value.retry_at == task.ready_at
    clock.advance(61)
    with made.start("t"):
        assert made.get("t").ready_at is None
    assert made.get("t").is_succeeded()


def test_a_task_can_be_snoozed_any_number_of_times(local, clock):
    local.create("t")
    for _ in range(25):
        with local.start("t"):
            raise st.Snooze(1)
        clock.advance(2)
    task = local.get("t")
    assert task.is_pending() and task.retry == 0 and task.attempt == 25
    assert len(task.attempts) == 10


def test_a_snooze_after_a_failure_goes_back_to_failed(local, clock):
    local.create("t")
    with contextlib.suppress(ValueError), local.start("t"):
        raise ValueError
    with local.start("t"):
        raise st.Snooze(5)
    task = local.get("t")
    assert task.is_failed() and task.retry == 1


def test_the_longest_snooze_is_366_days_and_the_shortest_none(local):
    _, _, task = leave(local, st.Snooze(366 * 86_400))
    assert task.ready_at - task.update_time > timedelta(days=365.9)
    local.get("t").delete()
    leave(local, st.Snooze(0))
    with local.start("t"):
        pass


@pytest.mark.parametrize("seconds", [-1, 366 * 86_400 + 1, float("nan"), float("inf"), "60", None, True])
def test_a_snooze_of_bad_seconds_is_refused_where_it_is_made_and_the_attempt_fails(local, seconds):
    local.create("t")
    with pytest.raises(st.ConfigError, match="Snooze") as refused, local.start("t"):
        raise st.Snooze(seconds)
    assert repr(seconds) in str(refused.value)
    assert local.get("t").is_failed()


def test_giving_up_ignores_the_task_at_once_with_the_reason(made):
    ctx, caught, task = leave(made, st.GiveUp("the document is empty"))
    assert caught is None and ctx.outcome == "ignored"
    assert task.is_ignored() and task.attempt == 1
    assert task.errors["history"][0]["kind"] == "give_up"
    assert "the document is empty" in task.errors["history"][0]["error"]
    assert "the document is empty" in task.error_summary
    with pytest.raises(st.TaskIgnoredError), made.start("t", detailed_error=True):
        pytest.fail("given up")


@pytest.mark.parametrize("reason", ["", None, 5, "x" * 1_000_000])
def test_any_reason_for_giving_up_is_taken(local, reason):
    _, caught, task = leave(local, st.GiveUp(reason))
    assert caught is None and task.is_ignored()


def test_an_instruction_of_a_subclass_works_too_and_one_wrapped_in_an_error_does_not(local):
    class NotNow(st.Snooze):
        def __init__(self):
            super().__init__(30)

    _, caught, task = leave(local, NotNow())
    assert caught is None and task.is_pending()
    task.delete()
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = st.GiveUp("inner")
    _, caught, task = leave(local, wrapped)
    assert caught is wrapped and task.is_failed()


def test_a_block_may_be_left_early_and_that_is_a_success(local):
    local.create("t")

    def work():
        with local.start("t") as ctx:
            ctx.set_data({"n": 1})
            return "early"

    assert work() == "early"
    assert local.get("t").is_succeeded() and local.get("t").data == {"n": 1}


def test_a_lease_lost_error_of_another_task_is_a_failure_like_any_other(local):
    error = st.TaskLeaseLostError("of another task")
    _, caught, task = leave(local, error)
    assert caught is error and task.is_failed()


def test_a_failure_in_the_last_try_ignores_the_task(local):
    for n in (1, 2, 3):
        ctx, _, task = leave(local, ValueError(n))
    assert task.is_ignored() and task.retry == 3 and ctx.outcome == "ignored"
