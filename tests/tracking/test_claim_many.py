"""claim_many: a loop over claimed tasks; what it does not begin it gives back, what fails in it stays failed."""

import contextlib
import time

import pytest

import statustrack as st
from statustrack.core import lifecycle
from statustrack.engines.protocol import Rejected
from tests.tracking.support import child, fail, lose, silent, step


def ids(tasks):
    return sorted(task.task_id for task in tasks)


def work(step_class, **options):
    done = []
    for ctx in step_class.claim_many(**options):
        with ctx:
            ctx.set_data({"done": True})
            done.append(ctx.task.task_id)
    return done


def test_a_loop_works_on_everything_that_is_unfinished_oldest_first(made, clock):
    names = [f"t-{n:02}" for n in range(60)]
    for at in range(0, 60, 20):
        made.create_many(names[at : at + 20])
        clock.advance(1)
    fail(made, "t-07")
    clock.advance(1)
    assert work(made) == [*(name for name in names if name != "t-07"), "t-07"]
    tasks = made.query_by_status("succeeded", auto_refresh=True).all()
    assert len(tasks) == 60 and all(task.data == {"done": True} for task in tasks)
    assert all(task.attempts[-1].outcome == "succeeded" for task in tasks)
    assert work(made) == []


def test_a_limit_is_kept_and_the_rest_stays_pending(made):
    made.create_many(f"t-{n:02}" for n in range(30))
    assert len(work(made, limit=7)) == 7
    assert made.count_by_status(["pending", "in_progress", "succeeded"]) == {
        "pending": 23,
        "in_progress": 0,
        "succeeded": 7,
    }
    assert work(made, limit=0) == []


def test_what_was_claimed_and_not_begun_is_given_back_uncounted_when_the_loop_is_left(made):
    made.create_many(f"t-{n:02}" for n in range(10))
    for ctx in made.claim_many():
        with ctx:
            pass
        break
    assert made.count_by_status(["pending", "in_progress", "succeeded"]) == {
        "pending": 9,
        "in_progress": 0,
        "succeeded": 1,
    }
    for task in made.query_by_status("pending", auto_refresh=True):
        assert task.attempts == [] and task.retry == 0 and not task.is_locked()
    assert len(work(made)) == 9


def test_an_error_that_leaves_the_loop_gives_the_rest_back_too(local):
    local.create_many(f"t-{n:02}" for n in range(10))
    with pytest.raises(ValueError, match="boom"):
        for ctx in local.claim_many():
            with ctx:
                raise ValueError("boom")
    assert local.count_by_status(["pending", "in_progress", "failed"]) == {
        "pending": 9,
        "in_progress": 0,
        "failed": 1,
    }


def test_a_task_that_fails_in_the_loop_is_not_claimed_again_by_it(made):
    made.create_many(f"t-{n:02}" for n in range(30))
    attempts = 0
    for ctx in made.claim_many():
        attempts += 1
        with contextlib.suppress(ValueError), ctx:
            raise ValueError
    assert attempts == 30
    assert {task.retry for task in made.query_by_status("failed")} == {1}


def test_tasks_created_while_the_loop_runs_are_left_to_the_next_one(local):
    local.create_many(["a", "b"])
    for ctx in local.claim_many():
        with ctx:
            local.create(f"new-{ctx.task.task_id}")
    assert ids(local.query_by_status("pending")) == ["new-a", "new-b"]


def test_a_context_that_is_not_entered_is_an_error_of_the_loop_and_is_given_back(local):
    local.create_many(["a", "b"])
    with pytest.raises(st.ConfigError, match="with ctx"):
        for _ in local.claim_many():
            pass
    assert local.count_by_status("pending") == {"pending": 2}


def test_leases_are_renewed_from_the_claim_on(local, clock):
    local.create_many(f"t-{n}" for n in range(3))
    seen = 0
    for ctx in local.claim_many():
        with ctx:
            seen += 1
            for _ in range(2):
                before = min(task.lease_until for task in local.query_by_status("in_progress", auto_refresh=True))
                clock.advance(150)
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline:
                    held = local.query_by_status("in_progress", auto_refresh=True).all()
                    if min(task.lease_until for task in held) > before:
                        break
                    time.sleep(0.005)
    assert seen == 3
    assert local.count_by_status("succeeded") == {"succeeded": 3}


def test_a_suspect_is_handed_out_alone(made, clock):
    """A task whose last attempt was lost may kill the next process too: it takes no others with it."""
    made.create_many(f"t-{n:02}" for n in range(6))
    lose(made, "t-02", clock)
    for ctx in made.claim_many():
        with ctx:
            if ctx.task.task_id == "t-02":
                assert ids(made.query_by_status("in_progress")) == ["t-02"], "nothing else is held meanwhile"
                assert ctx.task.retry == 1
    assert made.count_by_status("succeeded") == {"succeeded": 6}


def test_a_suspect_that_was_released_since_is_still_alone(local, clock):
    local.create_many(f"t-{n:02}" for n in range(6))
    lose(local, "t-02", clock)
    start = local.start("t-02")
    ctx = start.__enter__()
    engine, table = local._engine_and_table()
    engine.apply(table, [lifecycle.give_back(local.config, ctx.task._row, now=engine.now())])
    assert local.get("t-02").is_failed()
    clock.advance(1)
    for ctx in local.claim_many():
        with ctx:
            if ctx.task.task_id == "t-02":
                assert ids(local.query_by_status("in_progress")) == ["t-02"]
    assert local.count_by_status("succeeded") == {"succeeded": 6}


def test_tasks_in_backoff_are_not_claimed(sqlite, table_name):
    task = step(table_name, retry_delay_seconds=1000)
    task.create_table()
    task.create_many(["a", "b"])
    with contextlib.suppress(ValueError), task.start("a"):
        raise ValueError
    row = task.get("a")
    row._row["ready_at"] = int(row.update_time.timestamp()) * 1000 + 500_000
    row.save()
    assert work(task) == ["b"]


def uncounted(task):
    return task.is_pending() and task.attempts == [] and task.retry == 0 and not task.is_locked()


def test_a_claim_without_a_reply_is_released_by_its_token_and_claimed_again(local, faulty_local):
    local.create_many(["a", "b"])
    faulty_local.plan = {"claim": ["lose"]}
    assert sorted(work(local)) == ["a", "b"]
    for name in "ab":
        task = local.get(name)
        assert task.is_succeeded() and [entry.outcome for entry in task.attempts] == ["succeeded"]


def test_claims_in_doubt_are_not_entered_and_end_the_loop_with_the_reason(local, faulty_local):
    local.create_many(["a", "b"])
    faulty_local.plan = {"claim": "lose"}
    with pytest.raises(st.StorageUnavailableError, match=r"claim of 'job____a' was not confirmed, twice.*call again"):
        work(local)
    assert all(uncounted(local.get(name)) for name in "ab")


def test_claims_in_doubt_stay_so_while_the_storage_is_silent_and_are_released_when_the_loop_is_left(
    local, faulty_local
):
    local.create_many(["a", "b", "c"])

    def partly(engine):
        outcomes = engine._inner.apply(local.Meta.table_name, engine.writes)
        return [outcomes[0], *[silent()] * (len(outcomes) - 1)]

    faulty_local.plan = {"claim": [partly], "give_back": ["drop"]}
    done = []
    for ctx in local.claim_many():
        with ctx:
            done.append(ctx.task.task_id)
            break
    assert done == ["a"]
    assert all(uncounted(local.get(name)) for name in "bc"), "the first release was not answered, the second was"


def test_a_row_that_is_too_large_to_be_claimed_is_ended_as_ignored_and_the_others_are_handed_out(local, faulty_local):
    local.create_many(["a", "b", "c"])

    def too_large(engine):
        rest = [write for write in engine.writes if not write.key.endswith("b")]
        a, c = engine._inner.apply(local.Meta.table_name, rest)
        return [a, Rejected("the item is too large"), c]

    faulty_local.plan = {"claim": [too_large]}
    assert work(local) == ["a", "c"]
    task = local.get("b")
    assert task.is_ignored() and "too large" in task.error_summary


def test_an_error_of_the_storage_while_tasks_are_held_gives_them_back(local, faulty_local):
    """The row that is too large cannot be ended: the loop ends with that error, and holds nothing any more."""
    local.create_many(["a", "b"])

    def too_large(engine):
        (a,) = engine._inner.apply(local.Meta.table_name, engine.writes[:1])
        return [a, Rejected("the item is too large")]

    faulty_local.plan = {"claim": [too_large], "too_large": [st.StorageError("no permission")]}
    with pytest.raises(st.StorageError, match="no permission"):
        work(local)
    assert uncounted(local.get("a")) and uncounted(local.get("b"))


def test_instructions_and_ctrl_c_work_inside_the_loop_as_in_start(local):
    local.create_many(["a", "b", "c"])
    with pytest.raises(KeyboardInterrupt):
        for ctx in local.claim_many():
            with ctx:
                if ctx.task.task_id == "a":
                    raise st.Snooze(10)
                if ctx.task.task_id == "b":
                    raise st.GiveUp("no")
                raise KeyboardInterrupt
    assert [local.get(name).status_name for name in "abc"] == ["pending", "ignored", "pending"]
    assert [local.get(name).attempts[-1].outcome for name in "abc"] == ["snoozed", "ignored", "released"]


@pytest.mark.parametrize("batch", [0, 26, 2.5, True, "5"])
def test_a_bad_batch_is_refused(local, batch):
    with pytest.raises(st.ConfigError, match="batch="):
        local.claim_many(batch=batch)


@pytest.mark.parametrize("limit", [-1, "5", 1.5])
def test_a_bad_limit_is_refused(local, limit):
    with pytest.raises(st.ConfigError, match="limit="):
        local.claim_many(limit=limit)


def test_small_batches_hand_out_the_same(local):
    local.create_many(f"t-{n:02}" for n in range(7))
    assert work(local, batch=2) == [f"t-{n:02}" for n in range(7)]


def test_two_processes_share_the_work_and_run_no_task_twice(real, engine_url, table_name):
    task = step(table_name, n_pending_shard=3)
    task.create_table(wait=True)
    task.create_many(f"t-{n:02}" for n in range(80))
    code = """
        Step = step(sys.argv[1], n_pending_shard=3)
        listed(Step.query_for_unfinished, 80)
        print("ready", flush=True)
        sys.stdin.readline()
        for ctx in Step.claim_many(batch=5):
            with ctx:
                print(ctx.task.task_id, flush=True)
                time.sleep(0.01)
    """
    processes = [child(code, engine_url, table_name) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.communicate()
    outputs = [None, None]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for n, process in enumerate(processes):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        outputs[n] = out.split()
    leftover = []  # a window that both had looked at may leave a few, and so may clocks that differ a little
    while task.count_by_status("pending")["pending"]:
        leftover += work(task)
    assert sorted([*outputs[0], *outputs[1], *leftover]) == [f"t-{n:02}" for n in range(80)]
    assert all(outputs), "both had something to do"
    assert task.count_by_status("succeeded") == {"succeeded": 80}
