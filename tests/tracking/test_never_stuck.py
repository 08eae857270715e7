"""Promise 2: a task is never stuck; whatever killed its worker, a new worker brings it to an end."""

import signal
import time

import pytest

import statustrack as st
from tests.tracking.support import child, lose, run_child, step

SHORT = {"lock_expire_seconds": 2.0}  # the shortest lease that every engine takes


def start_when_free(task_class, task_id):
    """The context manager's entered context, as soon as the dead holder's lease is over."""
    deadline = time.monotonic() + 30
    while True:
        start = task_class.start(task_id, detailed_error=True)
        try:
            return start, start.__enter__()
        except st.TaskLockedError as error:
            assert error.retry_at is not None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("death", ["exit", "kill"])
def test_a_task_whose_worker_died_is_taken_over_and_the_lost_attempt_is_counted(real, engine_url, table_name, death):
    task = step(table_name, **SHORT)
    task.create_table(wait=True)
    task.create("t", {"n": 1})
    code = """
        Step = step(sys.argv[1], lock_expire_seconds=2.0)
        with Step.start("t") as ctx:
            ctx.set_data({"n": 2}).update()
            ctx.set_data({"n": 3})
            print("claimed", flush=True)
            if sys.argv[2] == "exit":
                os._exit(1)
            time.sleep(60)
    """
    process = child(code, engine_url, table_name, death)
    assert process.stdout.readline() == "claimed\n"
    if death == "kill":
        process.kill()
    process.communicate(timeout=30)
    assert process.returncode == (1 if death == "exit" else -signal.SIGKILL)
    left = task.get("t")
    assert left.is_in_progress() and left.data == {"n": 2}
    start, ctx = start_when_free(task, "t")
    assert ctx.attempt == 2 and ctx.task.retry == 1
    assert ctx.task.errors["history"][-1]["kind"] == "lost"
    assert ctx.task.data == {"n": 2}, "what was stored by update() before the crash is there"
    start.__exit__(None, None, None)
    ended = task.get("t")
    assert ended.is_succeeded()
    assert [entry.outcome for entry in ended.attempts] == ["lost", "succeeded"]


def test_a_task_that_kills_its_workers_ends_as_ignored(made, clock):
    made.create("t")
    for n in range(1, 4):
        lose(made, "t", clock)
        assert made.get("t").attempt == n
    with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t"):
        pytest.fail("it killed three workers")
    assert refused.value.reason == "ignored"
    task = made.get("t")
    assert task.is_ignored() and task.retry == 3
    assert [entry.outcome for entry in task.attempts] == ["lost"] * 3
    assert not task.is_locked()


def test_failures_and_losses_count_together(made, clock):
    made.create("t")
    with pytest.raises(ValueError), made.start("t"):
        raise ValueError
    lose(made, "t", clock)
    with pytest.raises(ValueError), made.start("t") as ctx:
        assert ctx.task.retry == 2
        raise ValueError
    assert made.get("t").is_ignored()


def test_a_task_released_after_a_take_over_is_failed_not_pending(made, clock):
    made.create("t")
    lose(made, "t", clock)
    with pytest.raises(KeyboardInterrupt), made.start("t"):
        raise KeyboardInterrupt
    task = made.get("t")
    assert task.is_failed() and task.retry == 1 and task.attempt == 2


def test_a_crash_inside_a_loop_of_claims_leaves_every_claimed_task_to_others(real, engine_url, table_name):
    task = step(table_name, **SHORT)
    task.create_table(wait=True)
    task.create_many(f"t-{n}" for n in range(5))
    code = """
        Step = step(sys.argv[1], lock_expire_seconds=2.0)
        listed(Step.query_for_unfinished, 5)
        for ctx in Step.claim_many():
            with ctx:
                os._exit(1)
    """
    run_child(code, engine_url, table_name, code_expected=1)
    assert task.count_by_status("in_progress") == {"in_progress": 5}
    done = set()
    deadline = time.monotonic() + 30
    while len(done) < 5 and time.monotonic() < deadline:
        for ctx in task.claim_many():
            with ctx:
                done.add(ctx.task.task_id)
        time.sleep(0.05)
    assert done == {f"t-{n}" for n in range(5)}
    assert task.count_by_status("succeeded") == {"succeeded": 5}


def test_an_in_progress_row_without_a_lock_can_be_taken_over(made):
    """As a broken tool, or a hand in the console, may leave it."""
    task = made.make("t", _status=20)
    task.save()
    with made.start("t") as ctx:
        assert ctx.attempt == 1
    assert made.get("t").is_succeeded()


def test_a_lease_that_ends_in_another_year_was_written_by_a_broken_clock_and_counts_as_over(made, clock):
    made.create("t")
    lose(made, "t", clock)
    row = made.get("t")
    row._row["lease_until"] += 10 * 366 * 86_400_000
    row.save(force=True)
    with made.start("t") as ctx:
        assert ctx.attempt == 2
    assert made.get("t").is_succeeded()


def test_the_steps_own_in_progress_among_more_pending_means_take_over_not_claim(sqlite, table_name):
    task = step(table_name, more_pending_status=[20])
    task.create_table()
    task.create("t")
    with task.start("t"), pytest.raises(st.TaskIsNotReadyToStartError), task.start("t", more_pending_status=20):
        pytest.fail("two holders")
    assert task.get("t").attempt == 1


def test_a_task_of_pynamodb_mate_whose_worker_crashed_is_free_a_lease_after_its_lock_time(made, clock):
    task = made.make("t", _status=20, lock="somebody")
    task.lock_time = task.create_time
    task.save(force=True)
    with pytest.raises(st.TaskIsNotReadyToStartError), made.start("t"):
        pytest.fail("its lease stands")
    clock.advance(made.config.lock_expire_seconds + 3)
    with made.start("t") as ctx:
        assert ctx.task.retry == 1
    assert made.get("t").is_succeeded()
