"""The steps of a table, made of its directory alone: every verb works without user code, and registers nothing."""

from __future__ import annotations

import gc

import pytest

import statustrack as st
from statustrack.core.config import DIRECTORY_KEY
from statustrack.tracking.directory import directory_of
from statustrack.tracking.known import find_step, find_task, known_steps, step_of
from tests.tracking.support import FIRST, RESCUE, SECOND, fail, step


def family(store, table):
    """Three steps of one use case (10..50 > 40..90, and one that takes the first's ignored ones), one of another."""
    options = {"max_retry": 2, "n_pending_shard": 3, "retry_delay_seconds": 0, "lock_expire_seconds": 7}
    first = step(table, FIRST, name="Read", **options)
    second = step(table, SECOND, name="Answer")
    third = step(table, RESCUE, name="Rescue", more_pending_status=[50])
    other = step(table, FIRST, use_case="mail", name="Send", sep="::", status_zero_pad=5, status_shard_zero_pad=2)
    first.create_table(wait=True)
    for each in (first, second, third, other):
        each.create("t" if each is other else f"of-{each.__name__}")
    return first, second, third, other


def stored(store, table):
    return store.get(table, [DIRECTORY_KEY])[DIRECTORY_KEY]


def test_every_step_is_made_as_it_was_configured(store, table_name):
    declared = family(store, table_name)
    known = known_steps(store, table_name)
    assert [each.__name__ for each in known] == ["Read", "Answer", "Rescue", "Send"]
    for mine, theirs in zip(known, declared, strict=True):
        assert issubclass(mine, st.BaseTask)
        for name in (
            "use_case_id", "codes", "sep", "status_zero_pad", "status_shard_zero_pad", "max_retry", "lease_ms",
            "retry_delay_seconds", "more_pending_status", "n_pending_shard",
        ):  # fmt: skip
            assert getattr(mine.config, name) == getattr(theirs.config, name), name


def test_they_are_bound_to_their_place_whatever_else_is_in_use(store, made, table_name, tmp_path):
    made.create("t")
    (known,) = known_steps(store, table_name)
    with st.use_engine(f"sqlite:///{tmp_path / 'elsewhere.db'}"):
        assert known.get("t").task_id == "t"
        assert known.make("u").is_pending()
        assert known.count_by_status()["pending"] == 1


def test_all_verbs_work_and_the_directory_stays_as_it_was(store, table_name, clock):
    family(store, table_name)
    before = stored(store, table_name)
    read, answer, _, send = known_steps(store, table_name)
    for name in ("a", "b", "c", "d"):
        read.create(name)
    for name in ("a", "b"):
        fail(read, name)
        clock.advance(1)
    assert read.explain("a").state == "ready"
    assert [task.task_id for task in read.query_by_status("failed")] == ["a", "b"]
    assert read.redrive(["a"]).redriven == 1
    assert read.ignore("b", why="spam").is_ignored()
    read.get("c").delete()
    with pytest.raises(st.TaskChangedError):
        read.release("d")
    with read.start("d"):
        pass
    assert [task.task_id for task in answer.query_by_status("pending")] == ["of-Answer", "d"]
    assert send.get("t").is_pending()
    assert stored(store, table_name) == before, "nothing was registered"


def test_a_deployment_meanwhile_is_not_undone(store, made, table_name):
    made.create("t")
    (known,) = known_steps(store, table_name)
    step(table_name, max_retry=9).create("u")
    fail(known, "t")
    known.redrive(["t"])
    (now,) = known_steps(store, table_name)
    assert now.config.max_retry == 9


def test_looking_again_and_again_leaves_nothing_behind(store, made, table_name):
    made.create("t")
    shared = directory_of(store, table_name)
    before = len(shared._registered)
    for _ in range(5):
        known_steps(store, table_name)[0].create("t", exist_ok=True)
    gc.collect()
    assert len(shared._registered) == before


def test_a_label_that_no_class_can_have_is_not_fatal(store, table_name):
    odd = step(table_name, name="Odd")
    odd.create_table(wait=True)
    odd.create("t")
    directory_of(store, table_name)._change(_relabel)
    assert known_steps(store, table_name)[0].__name__ == "Step10"


def _relabel(directory):
    for each in directory.use_cases["job"].steps.values():
        each.label = "a\0b"
    return True


def test_an_empty_table_and_one_of_others_know_no_step(store, table_name):
    step(table_name).create_table(wait=True)
    assert known_steps(store, table_name) == []
    with pytest.raises(st.ConfigError, match="knows no step"):
        find_step([])


def test_a_code_of_two_steps_belongs_to_the_one_that_waits(store, table_name):
    family(store, table_name)
    steps = [each for each in known_steps(store, table_name) if each.config.use_case_id == "job"]
    found = {code: step_of(steps, code) for code in (10, 40, 50, 90, 110)}
    names = {code: each.__name__ for code, each in found.items()}
    # 40 is Read's succeeded and Answer's pending; 50 is Read's ignored, which Rescue takes from it.
    assert names == {10: "Read", 40: "Answer", 50: "Read", 90: "Answer", 110: "Rescue"}
    assert step_of(steps, 999) is None
    assert step_of(steps, None) is None


def test_a_step_is_found_by_label_or_code(store, table_name):
    family(store, table_name)
    steps = known_steps(store, table_name)
    assert find_step(steps, "mail").__name__ == "Send"
    assert find_step(steps, step="answer").__name__ == "Answer"
    assert find_step(steps, "job", "40").__name__ == "Answer"
    assert find_step(steps, "job", 50).__name__ == "Read"
    assert find_step(steps, step=120).__name__ == "Rescue"


@pytest.mark.parametrize(
    ("use_case", "name", "said"),
    [
        (None, None, "leaves 4 steps"),
        ("job", None, "leaves 3 steps"),
        (None, "10", "leaves 2 steps"),
        ("nope", None, "fits no step"),
        ("mail", "Read", "fits no step"),
        (None, "²", "fits no step"),
    ],
)
def test_a_choice_that_is_none_lists_the_candidates(store, table_name, use_case, name, said):
    family(store, table_name)
    with pytest.raises(st.ConfigError) as refused:
        find_step(known_steps(store, table_name), use_case, name)
    assert said in str(refused.value)
    wanted = ["Send"] if use_case == "mail" else ["Read"] if use_case == "job" else ["Read", "Send"]
    for label in wanted:
        assert f"/ {label} (codes " in str(refused.value)


def test_a_task_is_found_by_its_id_or_its_key(store, table_name):
    first, *_ = family(store, table_name)
    for asked in ("of-Read", first.make_key("of-Read")):
        found = find_task(store, table_name, asked)
        assert (found.use_case_id, found.task_id, found.step.__name__) == ("job", "of-Read", "Read")
        assert found.row["status"] == 10
        assert [each.__name__ for each in found.steps] == ["Read", "Answer", "Rescue"]
    with first.start("of-Read"):
        pass
    assert find_task(store, table_name, "of-Read").step.__name__ == "Answer"


def test_an_id_that_is_nowhere_or_in_two_use_cases_says_so(store, table_name):
    first, *_ = family(store, table_name)
    first.create("t")
    with pytest.raises(st.ConfigError, match=r"several use cases.*job, mail"):
        find_task(store, table_name, "t")
    assert find_task(store, table_name, "t", "mail").step.__name__ == "Send"
    with pytest.raises(st.TaskIsNotInitializedError, match=r"no task 'x'.*job, mail"):
        find_task(store, table_name, "x")
    with pytest.raises(st.TaskIsNotInitializedError):
        find_task(store, table_name, "")
    with pytest.raises(st.TaskIsNotInitializedError):
        find_task(store, table_name, DIRECTORY_KEY)
    with pytest.raises(st.ConfigError, match="no use case 'nope'"):
        find_task(store, table_name, "t", "nope")
