"""create_many: ids, pairs, tasks, streams; reports what was created and what was there; overwrites nothing."""

import itertools

import pytest

import statustrack as st
from tests.tracking.support import step


def test_ids_pairs_and_tasks_may_be_mixed(made):
    report = made.create_many(["a", ("b", {"n": 1}), made.make("c", {"n": 2}), ("d", None)])
    assert report == st.CreateReport(created=4, existing=0, existing_ids=[])
    assert [made.get(name).data for name in "abcd"] == [{}, {"n": 1}, {"n": 2}, {}]
    assert all(made.get(name).is_pending() for name in "abcd")


def test_existing_tasks_are_reported_and_left_as_they_are(made):
    made.create("a", {"n": "old"})
    with made.start("a"):
        pass
    report = made.create_many([("a", {"n": "new"}), ("b", {"n": "new"})])
    assert (report.created, report.existing, report.existing_ids) == (1, 1, ["a"])
    assert made.get("a").is_succeeded() and made.get("a").data == {"n": "old"}


def test_an_id_that_comes_twice_is_created_once(made):
    report = made.create_many([("a", {"n": 1}), ("a", {"n": 2}), "b", "a"])
    assert (report.created, report.existing, report.existing_ids) == (2, 2, ["a", "a"])
    assert made.get("a").data == {"n": 1}


def test_a_stream_is_read_in_chunks(local):
    read = []

    def stream():
        for n in itertools.count():
            read.append(n)
            if n == 4200:
                raise RuntimeError("the source broke")
            yield f"t-{n}"

    with pytest.raises(RuntimeError, match="the source broke"):
        local.create_many(stream())
    assert local.count_by_status("pending") == {"pending": 4000}, "the chunks before it are written"
    assert local.create_many(f"t-{n}" for n in range(4200)).created == 200


def test_a_chunk_is_smaller_where_tasks_carry_much_data(local):
    def stream():
        for n in range(200):
            if n == 100:
                raise RuntimeError("the source broke")
            yield f"t-{n}", {"text": "x" * 300_000}

    with pytest.raises(RuntimeError, match="the source broke"):
        local.create_many(stream())
    assert local.count_by_status("pending") == {"pending": 54}, "16 million characters at a time"


def test_nothing_is_created_from_nothing(local):
    assert local.create_many([]) == st.CreateReport()
    assert local.create_many(iter(())).created == 0


BAD = {
    "an empty id": "",
    "a number": 5,
    "None": None,
    "a pair of three": ("a", {}, {}),
    "bytes": b"a",
    "an id too long": "x" * 3000,
    "data that is no dict": ("a", [1]),
    "data that is not JSON": ("a", {"x": object()}),
    "data too large": ("a", {"x": "y" * 400_000}),
    "a number as an id": (5, {}),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_item_is_named_by_its_position_and_nothing_of_its_chunk_is_written(local, kind):
    with pytest.raises((st.ConfigError, st.InvalidDataError), match="item 2 of create_many: "):
        local.create_many(["a", "b", BAD[kind], "c"])
    assert local.count_tasks_by_use_case_id() == 0


def test_a_task_of_another_class_is_refused(local, table_name):
    other = step(table_name, use_case="other")
    with pytest.raises(st.ConfigError, match="item 0"):
        local.create_many([other.make("t")])


def test_the_created_tasks_are_complete(made):
    made.create_many(["a"])
    by_many, by_one = made.get("a"), made.create("b")
    assert set(by_many._row) == set(by_one._row)
    assert by_many.create_time == by_many.update_time
    assert by_many.value == made.make_value(10, _task_id="a")
    with made.start("a"):
        pass
    assert made.get("a").is_succeeded()


def test_ten_thousand_tasks_are_created_and_counted(local):
    assert local.create_many(f"t-{n}" for n in range(10_000)).created == 10_000
    assert local.count_by_status("pending", most=500)["pending"] >= 500
    assert local.count_tasks_by_use_case_id() == 10_000
    assert local.delete_all() == 10_000
