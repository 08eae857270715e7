"""Promise 4: a failure can always be recorded, and so can what cannot be stored."""

import json

import pytest

import statustrack as st
from statustrack.core.limits import DATA_BYTES
from statustrack.engines.protocol import Rejected
from tests.tracking.support import FIRST, SECOND, Faulty, fail, step


class Unspeakable(Exception):
    def __repr__(self):
        raise RuntimeError("no repr")

    def __str__(self):
        raise RuntimeError("no str")


def test_an_error_message_of_two_megabytes_is_recorded_shortened(made):
    made.create("t")
    task = fail(made, "t", ValueError("x" * 2_000_000))
    assert task.is_failed()
    entry = task.errors["history"][0]
    assert len(entry["error"]) <= 1000 and "characters left out" in entry["error"]
    assert len(entry["traceback"]) <= 3000
    assert len(task.error_summary) <= 120


def test_an_error_whose_repr_raises_is_recorded(made):
    made.create("t")
    task = fail(made, "t", Unspeakable())
    assert task.is_failed()
    assert task.errors["history"][0]["error"] == "<Unspeakable: its repr raised RuntimeError>"


@pytest.mark.parametrize("text", ["\ud800 half a pair", "\x00 nul", "ünïcödé 🎉" * 300, "'; DROP TABLE x; --"])
def test_an_error_with_odd_characters_is_recorded(made, text):
    made.create("t")
    task = fail(made, "t", ValueError(text))
    assert task.is_failed() and task.errors["history"][0]["error"]


class Odd:
    pass


RECURSIVE: dict = {}
RECURSIVE["me"] = {"again": RECURSIVE}
DEEP: dict = {}
for _ in range(100_000):
    DEEP = {"d": DEEP}

NOT_STORABLE = {
    "a set": ({"tags": {1, 2}}, "data['tags'] is set"),
    "an object": ({"a": [{"b": Odd()}]}, "data['a'][0]['b'] is "),
    "NaN": ({"metrics": {"loss": float("nan")}}, "data['metrics']['loss'] is nan"),
    "infinity": ({"x": float("-inf")}, "data['x'] is -inf"),
    "a key that is no text": ({"a": {1: 2}}, "data['a'][1] is a key that is int"),
    "bytes": ({"raw": b"x"}, "data['raw'] is bytes"),
    "a list": ([1, 2], "data is a list: it must be a dict"),
    "recursive": (RECURSIVE, "data['me']['again'] is a reference to itself"),
    "too deep": (DEEP, "nested more than 200 deep"),
    "two megabytes": ({"small": 1, "text": "x" * 2_000_000}, "data['text']"),
}


@pytest.mark.parametrize("kind", NOT_STORABLE)
def test_data_that_cannot_be_stored_is_refused_at_the_call_naming_the_path(local, kind):
    data, said = NOT_STORABLE[kind]
    with pytest.raises(st.InvalidDataError) as refused:
        local.create("t", data)
    assert said in str(refused.value)
    assert local.get_one_or_none("t") is None
    with pytest.raises(st.InvalidDataError):
        local.create_many([("a", {}), ("t", data)])
    assert local.count_tasks_by_use_case_id() == 0
    local.create("t", {"n": 1})
    with local.start("t") as ctx:
        with pytest.raises(st.InvalidDataError) as refused:
            ctx.set_data(data)
        assert said in str(refused.value)
        assert ctx.data == {"n": 1}
    task = local.get("t")
    assert task.is_succeeded() and task.data == {"n": 1}


def test_data_that_cannot_be_stored_and_is_not_caught_is_a_recorded_failure(made):
    made.create("t", {"n": 1})
    with pytest.raises(st.InvalidDataError), made.start("t") as ctx:
        ctx.set_data({"text": "x" * 2_000_000})
    task = made.get("t")
    assert task.is_failed() and task.data == {"n": 1}
    assert "InvalidDataError" in task.errors["history"][0]["error"]


def test_data_changed_after_it_was_set_is_not_what_is_recorded(local):
    local.create("t")
    data = {"n": 1}
    with local.start("t") as ctx:
        ctx.set_data(data)
        data["n"] = object()
        shown = ctx.data
        shown["n"] = 3
        assert ctx.data == {"n": 1}
    assert local.get("t").data == {"n": 1}


def test_data_of_the_largest_size_can_be_created_worked_on_failed_and_ignored(made):
    data = {"text": "x" * (DATA_BYTES - len('{"text":""}'))}
    made.create("t", data)
    for _ in range(3):
        fail(made, "t", ValueError("e" * 100_000))
    task = made.get("t")
    assert task.is_ignored() and task.data == data
    with pytest.raises(st.InvalidDataError, match="the limit is"):
        made.create("u", {"text": data["text"] + "x"})


def test_data_survives_with_every_kind_of_value(made):
    data = {"s": "ü🎉\x00\u2028", "i": 10**30, "f": 0.1, "b": True, "n": None, "l": [[], {}, ""], "": {"": ""}}
    made.create("t", data)
    assert made.get("t").data == data
    assert json.loads(made.get("t")._row["data"]) == data


def test_half_a_surrogate_pair_in_data_survives(made):
    made.create("t", {"s": "\ud83c"})
    assert made.get("t").data == {"s": "\ud83c"}


def test_fifty_failures_keep_the_row_bounded(made, clock):
    made.create("t", {"n": 1})
    for round_ in range(50):
        fail(made, "t", ValueError(f"round {round_} " + "ü" * 3000))
        row = made.get("t")
        if row.is_ignored():  # as a redrive does
            row.status, row.value, row.retry = 10, made.make_value(10, _task_id="t"), 0
            row.save()
    task = made.get("t")
    assert task.attempt == 50
    history = task.errors["history"]
    assert "round 49" in history[-1]["error"], "the newest always stays"
    assert len(history) <= 10
    assert [entry.attempt for entry in task.attempts] == list(range(41, 51))
    assert sum(len(str(value).encode()) for value in task._row.values()) < 32_000


def test_the_errors_of_one_step_do_not_push_out_those_of_another(sqlite, table_name):
    first, second = step(table_name, FIRST, "pipe"), step(table_name, SECOND, "pipe", max_retry=20)
    first.create_table()
    first.create("t")
    fail(first, "t", ValueError("of the first step"))
    with first.start("t"):
        pass
    for n in range(15):
        fail(second, "t", ValueError(f"second {n}"))
    errors = [entry["error"] for entry in second.get("t").errors["history"]]
    assert "ValueError('of the first step')" in errors
    assert len(errors) == 11


def test_only_the_configured_frames_of_a_traceback_are_kept(sqlite, table_name):
    def deep(n):
        if n:
            deep(n - 1)
        raise ValueError("deep")

    task = step(table_name, traceback_stack_limit=2)
    task.create_table()
    task.create("t")
    with pytest.raises(ValueError), task.start("t"):
        deep(30)
    kept = task.get("t").errors["history"][0]["traceback"]
    assert kept.count("File ") == 2


def test_an_outcome_that_the_storage_refuses_for_its_content_becomes_a_failure_that_says_why(sqlite, local):
    faulty = Faulty(sqlite, succeed=[lambda _: [Rejected("the item is too large")]])
    local.create("t", {"n": 1})
    with st.use_engine(faulty), local.start("t") as ctx:
        ctx.set_data({"n": 2})
    task = local.get("t")
    assert task.is_failed() and task.data == {"n": 1}
    assert task.errors["history"][0]["kind"] == "too_large"
    assert "the item is too large" in task.errors["history"][0]["error"]
    assert ctx.outcome == "failed"


def test_a_row_too_large_for_a_claim_ends_as_ignored_with_the_reason(sqlite, local):
    local.create("t", {"n": 1})
    faulty = Faulty(sqlite, claim=[lambda _: [Rejected("the item is too large")]])
    with st.use_engine(faulty), pytest.raises(st.TaskIsNotReadyToStartError) as refused, local.start("t"):
        pytest.fail("entered")
    assert refused.value.reason == "ignored"
    task = local.get("t")
    assert task.is_ignored() and task.data == {"n": 1}
    assert "too large" in task.error_summary


def test_a_failure_too_large_to_record_ends_the_task_as_ignored(sqlite, local):
    local.create("t")
    faulty = Faulty(sqlite, fail=[lambda _: [Rejected("the item is too large")]])
    with st.use_engine(faulty), pytest.raises(ValueError, match="mine"), local.start("t"):
        raise ValueError("mine")
    task = local.get("t")
    assert task.is_ignored()
    assert [entry.outcome for entry in task.attempts] == ["ignored"]
