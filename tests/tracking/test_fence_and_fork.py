"""Promises 7 and 9: attempt and fence only grow; a forked child that leaves the block does nothing."""

import os
import sys

import pytest

import statustrack as st
from tests.tracking.support import listed, lose, run_child, step


def test_the_attempt_number_grows_with_every_claim_and_is_never_reset(made, clock):
    made.create("t")
    seen = []

    def attempt(error=None):
        try:
            with made.start("t", more_pending_status=[30, 40, 50]) as ctx:
                seen.append((ctx.attempt, ctx.fence))
                if error is not None:
                    raise error
        except BaseException as caught:
            assert caught is error

    attempt(ValueError())
    attempt(KeyboardInterrupt())
    attempt(st.Snooze(0))
    lose(made, "t", clock)
    attempt()
    attempt(st.GiveUp("no"))
    attempt()
    assert [number for number, _ in seen] == [1, 2, 3, 5, 6, 7]
    assert sorted(fence for _, fence in seen) == [fence for _, fence in seen]
    assert len({fence for _, fence in seen}) == len(seen)
    assert made.get("t").fence == seen[-1][1]


def test_the_fence_grows_over_delete_and_create(made, clock):
    made.create("t")
    fences = []
    for _ in range(3):
        for _ in range(2):
            with made.start("t", more_pending_status=40) as ctx:
                fences.append(ctx.fence)
        made.get("t").delete()
        clock.advance(0.002)
        made.create("t")
    assert fences == sorted(set(fences))


def test_a_forced_save_does_not_turn_the_attempt_number_back(made):
    made.create("t")
    old = made.get("t")
    for _ in range(2):
        with made.start("t", more_pending_status=40):
            pass
    with pytest.raises(st.TaskChangedError):
        old.save()
    old.save(force=True)
    assert made.get("t").attempt == 2 and made.get("t").is_pending()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("way", ["end", "error"])
def test_a_forked_child_that_runs_through_the_end_of_the_block_does_nothing(real, engine_url, table_name, way):
    code = """
        Step = step(sys.argv[1])
        try:
            with Step.start("t") as ctx:
                child = os.fork()
                if child == 0:
                    if sys.argv[2] == "error":
                        raise ValueError("of the child")
                else:
                    assert os.waitpid(child, 0)[1] == 0
                    task = Step.get("t")
                    assert task.is_in_progress() and task.lock == ctx.lock_token
                    ctx.set_data({"by": "parent"})
        except ValueError:
            os._exit(0)
        if child == 0:
            os._exit(0)
        print("parent done")
    """
    task = step(table_name)
    task.create_table(wait=True)
    task.create("t")
    assert run_child(code, engine_url, table_name, way) == "parent done\n"
    ended = task.get("t")
    assert ended.is_succeeded() and ended.data == {"by": "parent"}
    assert [entry.outcome for entry in ended.attempts] == ["succeeded"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_claim_tasks_of_its_own_under_its_own_name(real, engine_url, table_name):
    code = """
        Step = step(sys.argv[1], lock_expire_seconds=2.0)
        with Step.start("parent") as ctx:
            child = os.fork()
            if child == 0:
                with Step.start("child") as mine:
                    time.sleep(2.5)
                    assert not mine.lease_lost
                    assert mine.task.worker != ctx.task.worker
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert not ctx.lease_lost
    """
    task = step(table_name, lock_expire_seconds=2.0)
    task.create_table(wait=True)
    task.create_many(["parent", "child"])
    run_child(code, engine_url, table_name)
    assert task.count_by_status("succeeded") == {"succeeded": 2}
    assert task.get("child").attempt == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to catch")
def test_sigterm_gives_the_task_back_when_asked_to(real, engine_url, table_name):
    code = """
        st.release_on_sigterm()
        Step = step(sys.argv[1])
        with Step.start("t"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
    """
    task = step(table_name)
    task.create_table(wait=True)
    task.create("t")
    run_child(code, engine_url, table_name, code_expected=143)
    ended = task.get("t")
    assert ended.is_pending() and ended.retry == 0 and [e.outcome for e in ended.attempts] == ["released"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("way", ["goes on with the loop", "leaves the loop"])
def test_a_forked_child_gives_none_of_its_parents_claimed_tasks_back_and_runs_none(real, engine_url, table_name, way):
    code = """
        Step = step(sys.argv[1])
        listed(Step.query_for_unfinished, 5)
        done = 0
        child = None
        for ctx in Step.claim_many():
            with ctx:
                done += 1
                if child is None:
                    child = os.fork()
                    if child:
                        assert os.waitpid(child, 0)[1] == 0
            if child == 0 and sys.argv[2] == "leaves the loop":
                break
        if child == 0:
            os._exit(done - 1)
        print(done)
    """
    task = step(table_name)
    task.create_table(wait=True)
    task.create_many(f"t-{n}" for n in range(5))
    assert run_child(code, engine_url, table_name, way) == "5\n"
    ended = listed(lambda: task.query_by_status("succeeded", auto_refresh=True), 5)
    assert {each.attempt for each in ended} == {1}
