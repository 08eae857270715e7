"""query_by_status and its kin: one stream over shards and statuses, complete, ordered, lazy; a hint, no promise."""

from datetime import timedelta, timezone

import pytest

import statustrack as st
from statustrack.engines.protocol import Page
from tests.tracking.support import SHARDS, fail, lose, step


def ids(tasks):
    return [task.task_id for task in tasks]


@pytest.fixture
def many(store, table_name, clock):
    """30 tasks over 3 shards: 10 pending, 10 failed, 10 succeeded, a second apart, in turns."""
    task = step(table_name, **dict.fromkeys(SHARDS, 3))
    task.create_table(wait=True)
    for n in range(30):
        task.create(f"t-{n:02}")
        if n % 3 == 1:
            fail(task, f"t-{n:02}")
        elif n % 3 == 2:
            with task.start(f"t-{n:02}"):
                pass
        clock.advance(1)
    return task


def test_a_listing_is_ordered_by_update_time_over_shards_and_statuses(many):
    everything = [f"t-{n:02}" for n in range(30)]
    assert ids(many.query_by_status(["pending", "failed", "succeeded"])) == everything
    assert ids(many.query_by_status([10, 30, 40], older_task_first=False)) == everything[::-1]
    assert ids(many.query_by_status("pending")) == everything[::3]
    assert len({task.shard_id for task in many.query_by_status("pending")}) > 1
    assert {(task.status, task.status_name) for task in many.query_by_status("failed")} == {(30, "failed")}


def test_a_limit_is_the_total_and_takes_the_first_of_the_whole_order(many):
    assert ids(many.query_by_status(["pending", "failed", "succeeded"], 7)) == [f"t-{n:02}" for n in range(7)]
    newest = many.query_by_status(["pending", "failed"], limit=3, older_task_first=False)
    assert ids(newest) == ["t-28", "t-27", "t-25"]
    assert ids(many.query_by_status("pending", limit=0)) == []
    assert len(ids(many.query_by_status("pending", limit=1000))) == 10
    assert ids(many.query_for_unfinished(limit=3)) == ["t-00", "t-01", "t-03"]


def test_since_and_until_bound_the_update_time(many, clock):
    listed = many.query_by_status(["pending", "failed", "succeeded"]).all()
    moment = listed[10].update_time
    every = ["pending", "failed", "succeeded"]
    assert ids(many.query_by_status(every, since=moment))[0] == "t-10"
    assert ids(many.query_by_status(every, until=moment))[-1] == "t-10"
    assert ids(many.query_by_status(every, since=moment, until=moment)) == ["t-10"]
    local_time = moment.astimezone(timezone(timedelta(hours=9)))
    assert ids(many.query_by_status(every, since=local_time, until=local_time)) == ["t-10"]
    assert len(ids(many.query_by_status(every, since=timedelta(seconds=5.5)))) == 5
    assert len(ids(many.query_by_status(every, since="5.5s"))) == 5
    assert len(ids(many.query_by_status(every, until="5.5s"))) == 25
    assert len(ids(many.query_by_status(every, since=5.5))) == 5
    assert ids(many.query_by_status(every, until="1d")) == []
    assert len(ids(many.query_by_status(every, since="50000w 9d"))) == 30


def test_counts_are_those_of_the_listings(many):
    assert many.count_by_status() == {"pending": 10, "in_progress": 0, "failed": 10, "succeeded": 10, "ignored": 0}
    assert many.count_by_status(["pending", 40]) == {"pending": 10, "succeeded": 10}
    assert many.count_by_status(st.StatusNameEnum.failed) == {"failed": 10}
    assert many.count_by_status(99) == {"99": 0}
    assert many.count_by_status("pending", "another") == {"pending": 0}
    assert many.count_tasks_by_use_case_id() == 30


def test_a_status_can_be_named_in_any_way(many):
    for status in (30, "failed", st.StatusNameEnum.failed, many.config.status_enum.failed, [30], {30}, (30, 30)):
        assert len(many.query_by_status(status).all()) == 10


def test_tasks_of_a_listing_carry_the_index_and_are_refreshed_one_by_one_or_all_at_once(made):
    made.create("t", {"n": 1})
    fail(made, "t")
    listed = made.query_by_status("failed").one()
    assert listed.data == {} and listed.errors == {"history": []}
    assert (listed.retry, listed.attempt, listed.error_group) == (1, 1, made.get("t").error_group)
    assert listed.worker == made.get("t").worker and listed.create_time == made.get("t").create_time
    listed.refresh()
    assert listed.data == {"n": 1} and listed == made.get("t")
    assert made.query_by_status("failed", auto_refresh=True).one() == made.get("t")


def test_rows_that_have_moved_on_by_the_time_they_are_refreshed_are_left_out(local, sqlite):
    """As on an index that lags behind: what it shows has moved meanwhile."""
    local.create_many(["a", "b", "c"])
    stale = sqlite.page(local.Meta.table_name, local.make_value(10, _shard_id=1), limit=10)

    class Lagging:
        page_is_full = False
        parallel_reads = False

        def __getattr__(self, name):
            return getattr(sqlite, name)

        def page(self, table, partition, **options):
            return stale if partition == local.make_value(10, _shard_id=1) else Page([], None)

    with local.start("b"):
        pass
    local.get("c").delete()
    with st.use_engine(Lagging()):
        assert ids(local.query_by_status("pending", auto_refresh=True)) == ["a"]
        assert ids(local.query_by_status("pending")) == ["a", "b", "c"], "a listing is a hint"


def test_a_task_seen_in_two_places_of_a_lagging_index_is_listed_once(local, sqlite):
    local.create("a")
    table = local.Meta.table_name
    seen = sqlite.page(table, local.make_value(10, _shard_id=1), limit=10)

    class Lagging:
        page_is_full = False
        parallel_reads = False

        def __getattr__(self, name):
            return getattr(sqlite, name)

        def page(self, table, partition, **options):
            return seen

    with st.use_engine(Lagging()):
        assert ids(local.query_by_status(["pending", "failed", "succeeded"])) == ["a"]


def test_a_listing_sees_nothing_that_is_written_after_it_began(made, clock):
    made.create_many(f"t-{n:04}" for n in range(30))
    clock.advance(1)
    seen = []
    for n, task in enumerate(made.query_by_status(["pending", "failed"])):
        seen.append(task.task_id)
        if n < 5:
            fail(made, task.task_id)
            made.create(f"new-{n}")
    assert sorted(seen) == [f"t-{n:04}" for n in range(30)]


def test_a_loop_over_unfinished_tasks_that_fail_ends(local):
    local.create_many(f"t-{n}" for n in range(5))
    for rounds, task in enumerate(local.query_for_unfinished()):  # noqa: B007
        fail(local, task.task_id)
    assert rounds == 4
    assert local.count_by_status("failed") == {"failed": 5}


def test_a_listing_reads_nothing_before_its_first_task_is_asked_for_and_then_page_by_page(local, sqlite):
    local.create_many(f"t-{n:05}" for n in range(3000))
    before = sqlite.meter.requests
    listing = local.query_by_status("pending")
    assert sqlite.meter.requests == before
    listing.one()
    assert sqlite.meter.requests - before <= 3
    assert len(listing.many(1500)) == 1500
    assert sqlite.meter.requests - before <= 4
    assert len(listing.all()) == 1499


def test_unfinished_are_pending_failed_and_crashed_tasks_but_not_those_that_wait(store, table_name, clock):
    task = step(table_name, retry_delay_seconds=1e6, retry_max_delay_seconds=1e6, more_pending_status=[150])
    task.create_table(wait=True)
    for name in ("pending", "failed", "snoozed", "crashed", "held", "done", "ignored"):
        task.create(name)
    task.make("more", _status=150).save()
    lose(task, "crashed", clock)
    fail(task, "failed")
    with task.start("snoozed"):
        raise st.Snooze(1e6)
    with task.start("done"):
        pass
    with task.start("ignored"):
        raise st.GiveUp("no")
    with task.start("held"):
        assert sorted(ids(task.query_for_unfinished())) == ["crashed", "more", "pending"]
        refreshed = task.query_for_unfinished(auto_refresh=True).all()
        assert sorted(ids(refreshed)) == ["crashed", "more", "pending"]
    clock.advance(1e6 + 10)
    assert sorted(ids(task.query_for_unfinished())) == ["crashed", "failed", "more", "pending", "snoozed"]


def test_another_use_case_of_the_table_can_be_listed(made, table_name):
    other = step(table_name, use_case="other", **dict.fromkeys(SHARDS, 4))
    other.create_many(f"o-{n}" for n in range(9))
    made.create("mine")
    assert len(made.query_by_status("pending", use_case_id="other").all()) == 9
    assert made.query_by_status("pending", use_case_id="absent").all() == []
    assert ids(made.query_by_status("pending")) == ["mine"]


def test_the_index_can_be_queried_partition_by_partition_as_in_the_original(many):
    found = []
    for shard in (1, 2, 3):
        key = many.make_value(10, _shard_id=shard)
        part = many.status_and_update_time_index.query(hash_key=key)
        found += ids(part)
        assert (
            ids(many.status_and_update_time_index.query(key, scan_index_forward=False))
            == ids(many.status_and_update_time_index.query(hash_key=key, page_size=1))[::-1]
        )
    assert sorted(found) == [f"t-{n:02}" for n in range(0, 30, 3)]
    key = many.make_value(10, _task_id="t-00")
    assert ids(many.status_and_update_time_index.query(hash_key=key, limit=1)) == ["t-00"]


@pytest.mark.parametrize("option", ["range_key_condition", "filter_condition", "last_evaluated_key", "consistent_read"])
def test_options_of_the_index_query_that_cannot_be_served_are_refused(local, option):
    with pytest.raises(st.ConfigError, match=option):
        local.status_and_update_time_index.query("x", **{option: {"a": 1} if option != "consistent_read" else True})


BAD = {
    "a limit that is no number": ({"limit": "10"}, "limit='10'"),
    "a negative limit": ({"limit": -1}, "limit=-1"),
    "an unknown status": ({"status": "done"}, "status 'done' is not one of pending"),
    "a status of another type": ({"status": 1.5}, "status 1.5"),
    "no status": ({"status": []}, "empty list"),
    "an age that is none": ({"since": "2 fortnights"}, "since='2 fortnights'"),
    "NaN as an age": ({"until": float("nan")}, "until=nan"),
    "a bad use case": ({"use_case_id": "a____b"}, "a____b"),
    "the directory's use case": ({"use_case_id": "__statustrack__"}, "directory"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_arguments_of_a_listing_are_refused_naming_them(local, kind):
    options, said = BAD[kind]
    local.create("t")
    with pytest.raises(st.ConfigError) as refused:
        local.query_by_status(**{"status": "pending", **options}).all()
    assert said in str(refused.value)
