"""Operators' verbs on one and on many: ignore, release, delete; held tasks are left alone, and all is noted."""

from __future__ import annotations

import asyncio

import pytest

import statustrack as st
from tests.tracking.support import fail, failed_many, lose, silent


def outcomes(task):
    return [attempt.outcome for attempt in task.attempts]


def test_many_are_ignored_with_a_note(made, clock):
    group = failed_many(made, ["a", "b"], "spam")
    failed_many(made, ["c"], "other")
    made.create("p")
    with made.start("p", create=True):
        pass
    made.create("q")
    assert made.ignore_many(group=group, dry_run=True).ids == ["a", "b"]
    assert made.get("a").is_failed()
    report = made.ignore_many(group=group, why="spam", who="ann")
    assert (report.action, report.matched, report.done, report.left_alone) == ("ignore", 2, 2, 0)
    task = made.get("a")
    assert task.is_ignored() and (task.notes[-1]["action"], task.notes[-1]["who"], task.notes[-1]["why"]) == (
        "ignore", "ann", "spam",
    )  # fmt: skip
    assert made.ignore_many(["c", "p", "q", "missing"]).ids == ["c", "q"], "a succeeded task is not meant"
    assert made.get("p").is_succeeded()


def test_what_changed_meanwhile_is_left_alone(faulty, made, clock):
    failed_many(made, ["a", "b"])

    def meanwhile(engine):
        with st.use_engine(engine._inner), made.start("a"):
            pass

    faulty.plan["ignore"] = [meanwhile]
    report = made.ignore_many()
    assert (report.ids, report.left_ids) == (["b"], ["a"])
    assert made.get("a").is_succeeded()


def test_dead_holders_are_evicted_and_living_ones_are_not(made, clock):
    for name in ("dead", "alive"):
        made.create(name)
    lose(made, "dead", clock)
    start = made.start("alive")
    start.__enter__()
    report = made.release_many(why="power cut")
    assert (report.matched, report.ids, report.left_ids) == (2, ["dead"], ["alive"])
    task = made.get("dead")
    assert task.is_failed() and outcomes(task) == ["evicted"] and task.retry == 1
    assert (task.notes[-1]["action"], task.notes[-1]["why"]) == ("evict", "power cut")
    assert made.get("alive").is_in_progress()
    assert made.release_many(force=True, dry_run=True).ids == ["alive"]
    assert made.release_many(force=True).ids == ["alive"]
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    with made.start("alive"):
        pass


def test_all_that_a_machine_held_is_released(made, clock):
    for name in ("a", "b"):
        made.create(name)
    started = [made.start(name) for name in ("a", "b")]
    contexts = [start.__enter__() for start in started]
    worker = contexts[0].task.worker
    assert made.release_many(worker="no-such-machine:", force=True).matched == 0
    assert sorted(made.release_many(worker=worker.split(":")[0] + ":", force=True).ids) == ["a", "b"]
    for start in started:
        with pytest.raises(st.TaskLeaseLostError):
            start.__exit__(None, None, None)


def test_deleted_by_id_or_status_but_not_while_held(made, clock):
    failed_many(made, ["a", "b"])
    for name in ("p", "held", "done"):
        made.create(name)
    with made.start("done"):
        pass
    start = made.start("held")
    start.__enter__()
    with pytest.raises(st.ConfigError, match="which tasks"):
        made.delete_many()
    assert made.delete_many(["a", "p", "held", "missing"], dry_run=True).ids == ["a", "p"]
    assert made.get("a").is_failed()
    report = made.delete_many(["a", "p", "held", "missing"])
    assert (report.ids, report.left_ids) == (["a", "p"], ["held"])
    assert made.delete_many(status=["failed", "succeeded"]).done == 2
    assert made.count_tasks_by_use_case_id() == 1
    assert made.delete_many(["held"], force=True).done == 1
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    assert made.count_tasks_by_use_case_id() == 0


def test_a_task_that_was_redriven_meanwhile_is_not_deleted_as_failed(faulty, made, clock):
    failed_many(made, ["a"])
    clock.advance(1)

    def meanwhile(engine):
        with st.use_engine(engine._inner):
            assert made.redrive().redriven == 1

    faulty.plan["delete"] = [meanwhile]
    report = made.delete_many(status="failed")
    assert (report.done, report.left_ids) == (0, ["a"]), "its attempt is the same, its status is not"
    assert made.get("a").is_pending()


@pytest.mark.parametrize(
    "call",
    [
        lambda task: task.ignore_many(status="succeeded"),
        lambda task: task.ignore_many("t"),
        lambda task: task.release_many(limit=-1),
        lambda task: task.release_many(worker=""),
        lambda task: task.delete_many(status="lost"),
    ],
)
def test_bad_input_is_refused(local, call):
    local.create("t")
    fail(local, "t")
    with pytest.raises(st.ConfigError):
        call(local)
    assert local.get("t").is_failed()


@pytest.mark.parametrize("verb", ["ignore", "delete"])
def test_what_is_not_confirmed_says_so(faulty_local, local, clock, verb):
    failed_many(local, ["a", "b"])
    faulty_local.plan[verb] = lambda _: [silent(), silent()]
    with pytest.raises(st.StorageUnavailableError, match="2 tasks were not confirmed, 'a' among them"):
        getattr(local, f"{verb}_many")(["a", "b"])
    faulty_local.plan.clear()
    assert getattr(local, f"{verb}_many")(["a", "b"]).done == 2


def test_every_verb_of_operators_has_an_async_twin(made, clock):
    failed_many(made, ["a", "b", "c", "d"])
    for name in ("held", "lost"):
        made.create(name)
        lose(made, name, clock)

    async def main():
        assert (await made.aexplain("a")).state == "ready"
        assert (await made.aredrive(["a"], why="fix")).ids == ["a"]
        assert (await made.aignore("b", why="spam")).is_ignored()
        assert (await made.aignore_many(["c"])).ids == ["c"]
        assert (await made.arelease("held")).is_failed()
        assert (await made.arelease_many(["lost"])).ids == ["lost"]
        assert (await made.adelete_many(["d"])).ids == ["d"]
        assert (await made.aprune()).read == 5

    asyncio.run(main())
