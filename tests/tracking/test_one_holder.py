"""Promise 1: one holder at a time, one recorded outcome per attempt; what a stale holder did is kept as evidence."""

import threading

import pytest

import statustrack as st
from statustrack.tracking.heartbeat import let_go
from tests.tracking.support import child, fail, lose, run_child, step


def stale_start(step, task_id, clock, work=None):
    """A holder whose lease ran out while it was still at work: nothing renewed it."""
    start = step.start(task_id)
    ctx = start.__enter__()
    if work is not None:
        work(ctx)
    let_go(ctx._hold)
    ctx._hold.released = False
    clock.advance(step.config.lock_expire_seconds + 3)
    return start, ctx


def test_a_held_task_is_not_given_to_a_second_worker(made):
    made.create("t")
    with made.start("t") as ctx:
        with pytest.raises(st.TaskIsNotReadyToStartError) as refused, made.start("t"):
            pytest.fail("two holders")
        assert refused.value.reason == "locked"
        assert made.get("t").lock == ctx.lock_token
    assert made.get("t").is_succeeded()


def test_of_many_threads_that_start_a_task_at_once_one_gets_it(made):
    made.create("t")
    results, gate = [], threading.Barrier(8)
    hold = threading.Barrier(8)

    def work():
        gate.wait()
        try:
            with made.start("t"):
                hold.wait(30)
                results.append("ran")
        except st.TaskIsNotReadyToStartError as error:
            hold.wait(30)
            results.append(error.reason)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["locked"] * 7 + ["ran"]
    task = made.get("t")
    assert task.attempt == 1
    assert len(task.attempts) == 1


def test_an_ended_attempt_has_one_outcome_and_a_claimed_task_names_its_holder(made):
    made.create("t", {"n": 1})
    with made.start("t") as ctx:
        held = made.get("t")
        assert held.is_in_progress() and held.is_locked()
        assert held.worker == ctx.task.worker and held.attempt == ctx.attempt == 1
        ctx.set_data({"n": 2})
    task = made.get("t")
    assert [(entry.attempt, entry.outcome) for entry in task.attempts] == [(1, "succeeded")]
    assert task.data == {"n": 2}
    assert not task.is_locked() and task.lease_until is None and task.claimed_from is None
    assert ctx.outcome == "succeeded" and ctx.task.is_succeeded()


@pytest.mark.parametrize("ended", ["succeeded", "failed"])
def test_a_stale_holder_changes_nothing_and_gets_a_lease_lost_error(made, clock, ended):
    made.create("t", {"from": "nobody"})
    start, ctx = stale_start(made, "t", clock)
    ctx._pending["data"] = '{"from":"stale"}'  # set before the loss
    with made.start("t") as second:
        second.set_data({"from": "second"})
        assert second.attempt == 2
    before = made.get("t")
    mine = ValueError("of the user") if ended == "failed" else None
    with pytest.raises(st.TaskLeaseLostError) as lost:
        start.__exit__(type(mine) if mine else None, mine, None)
    assert lost.value.__cause__ is mine
    assert lost.value.current.get("attempt") == 2 if isinstance(lost.value.current, dict) else True
    after = made.get("t")
    assert after.data == {"from": "second"} and after.is_succeeded()
    assert [entry.outcome for entry in after.attempts] == ["lost", "succeeded"]
    assert after.update_time == before.update_time


def test_the_late_result_of_a_stale_holder_is_kept_as_evidence(made, clock):
    made.create("t")
    start, ctx = stale_start(made, "t", clock)
    ctx._pending["data"] = '{"from":"stale"}'
    with made.start("t"):
        pass
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    (late,) = made.get("t").late_results
    assert late["attempt"] == 1 and late["outcome"] == "succeeded"
    assert "stale" in late["detail"]
    assert late["worker"] == ctx.task.worker


def test_the_late_results_of_many_stale_holders_are_bounded(made, clock):
    made.create("t")
    start, _ = stale_start(made, "t", clock)
    with made.start("t"):
        pass
    for n in range(6):
        with pytest.raises(st.TaskLeaseLostError):
            start.__exit__(ValueError, ValueError("ü" * 5000 + str(n)), None)
    late = made.get("t")._row["late_results"]
    assert len(late) == 4
    assert all(len(text.encode()) < 2048 for text in late)


def test_a_late_result_makes_no_row(made, clock):
    made.create("t")
    start, _ = stale_start(made, "t", clock)
    made.get("t").delete(force=True)
    with pytest.raises(st.TaskLeaseLostError) as lost:
        start.__exit__(None, None, None)
    assert lost.value.current is None
    assert "deleted" in str(lost.value)
    assert made.get_one_or_none("t", consistent_read=True) is None


def test_a_stale_holder_whose_task_nobody_took_still_records_its_outcome(made, clock):
    """The token decides: as long as nobody has taken the task over, the result is not thrown away."""
    made.create("t")
    start, _ = stale_start(made, "t", clock)
    start.__exit__(None, None, None)
    task = made.get("t")
    assert task.is_succeeded() and task.attempt == 1
    assert [entry.outcome for entry in task.attempts] == ["succeeded"]


def test_a_take_over_counts_the_lost_attempt_and_is_held_by_the_new_worker(made, clock):
    made.create("t")
    lose(made, "t", clock)
    with made.start("t") as ctx:
        assert ctx.attempt == 2
        assert ctx.task.retry == 1
        assert ctx.task.errors["history"][-1]["kind"] == "lost"
        assert ctx.task.attempts[-1].outcome == "lost"
    task = made.get("t")
    assert task.is_succeeded() and task.retry == 0


def test_two_processes_that_start_the_same_tasks_run_each_of_them_once(real, engine_url, table_name):
    code = """
        Step = step(sys.argv[1])
        ran = []
        for n in range(12):
            try:
                with Step.start(f"t-{n}"):
                    ran.append(n)
                    time.sleep(0.005)
            except st.TaskIsNotReadyToStartError:
                pass
        print(*ran)
    """
    task = step(table_name)
    task.create_table(wait=True)
    task.create_many(f"t-{n}" for n in range(12))
    processes = [child(code, engine_url, table_name) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    ran = sorted(int(word) for out, _ in outputs for word in out.split())
    assert ran == list(range(12))
    assert all(found.attempt == 1 for found in task.query_by_status("succeeded").all())


def test_the_error_of_a_failed_attempt_is_recorded_and_goes_on(made):
    made.create("t")
    with pytest.raises(ValueError, match="boom"), made.start("t"):
        raise ValueError("boom")
    task = made.get("t")
    assert task.is_failed() and task.retry == 1
    assert task.errors["history"][0]["error"] == "ValueError('boom')"
    assert "boom" in task.errors["history"][0]["traceback"]
    assert task.error_summary == "ValueError: boom" and len(task.error_group) == 12
    task = fail(made, "t")
    assert task.retry == 2
    with made.start("t"):
        pass
    task = made.get("t")
    assert task.retry == 0 and task.error_group is None and task.error_summary is None
    assert len(task.errors["history"]) == 2


def test_a_child_process_and_this_one_see_the_same_holder(real, engine_url, table_name):
    task = step(table_name)
    task.create_table(wait=True)
    task.create("t")
    code = """
        Step = step(sys.argv[1])
        try:
            with Step.start("t", detailed_error=True):
                print("ran")
        except st.TaskLockedError as error:
            print(error.reason, error.task.worker)
    """
    with task.start("t") as ctx:
        assert run_child(code, engine_url, table_name).split() == ["locked", ctx.task.worker]
