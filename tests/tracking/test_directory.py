"""The directory of a table: which steps may write to it, over how many shards a query must look."""

import itertools
import logging

import pytest

import statustrack as st
from statustrack.core import lifecycle
from statustrack.core.config import DIRECTORY_KEY
from statustrack.engines.registry import open_engine
from statustrack.tracking.directory import directory_of
from tests.tracking.support import FIRST, RESCUE, SECOND, SHARDS, child, listed, run_child, step

ROLES = ("pending", "in_progress", "failed", "succeeded", "ignored", "more_pending")
#: The roles in which two steps of one use case may meet on a code.
MEET = {
    ("succeeded", "pending"),
    ("succeeded", "more_pending"),
    ("failed", "more_pending"),
    ("ignored", "more_pending"),
    ("more_pending", "more_pending"),
}
SHARED = 7


def with_shared(table, role, base):
    """A step in which code 7 has this role."""
    codes = [base + n for n in range(5)]
    if role == "more_pending":
        return step(table, codes, name=f"Step{base}", more_pending_status=[SHARED])
    codes[ROLES.index(role)] = SHARED
    return step(table, codes, name=f"Step{base}")


@pytest.mark.parametrize(("mine", "theirs"), list(itertools.product(ROLES, ROLES)))
def test_a_code_has_one_meaning_except_where_a_step_goes_on_from_another(sqlite, table_name, mine, theirs):
    first, second = with_shared(table_name, theirs, 100), with_shared(table_name, mine, 200)
    first.create_table()
    first.create("t")
    if (mine, theirs) in MEET or (theirs, mine) in MEET:
        second.create("u")
        return
    with pytest.raises(st.ConfigError) as refused:
        second.create("u")
    message = str(refused.value)
    assert "Step100" in message and "Step200" in message, "both steps are named"
    assert f"status code {SHARED}" in message and mine in message and theirs in message
    assert "forget_step" in message, "and the way out"
    assert first.count_tasks_by_use_case_id() == 1, "nothing was written"


def test_the_same_codes_in_two_use_cases_do_not_meet(sqlite, table_name):
    for name in ("one", "two"):
        task = step(table_name, use_case=name)
        task.create_table()
        task.create("t")


def test_a_step_that_is_gone_for_good_can_be_forgotten(made, table_name):
    made.create("t")
    clash = step(table_name, (30, 31, 32, 33, 34), name="Clash")
    with pytest.raises(st.ConfigError, match="Clash"):
        clash.create("u")
    assert made.forget_step("job", FIRST) is True
    assert made.forget_step("job", FIRST) is False
    clash.create("u")
    assert clash.get("t").task_id == "t", "no task is touched"


@pytest.mark.parametrize("option", ["sep", "status_zero_pad", "status_shard_zero_pad"])
def test_another_way_to_write_the_keys_of_a_known_use_case_is_refused_with_both_values(sqlite, table_name, option):
    task = step(table_name)
    task.create_table()
    task.create("t")
    value = {"sep": "__", "status_zero_pad": 4, "status_shard_zero_pad": 5}[option]
    other = step(table_name, **{option: value})
    for act in (lambda: other.create("u"), lambda: other.start("t").__enter__(), lambda: other.create_many(["u"])):
        with pytest.raises(st.ConfigError) as refused:
            act()
        assert f"{option}={value!r}" in str(refused.value)
        assert f"{option}={getattr(task.config, option)!r}" in str(refused.value)
    assert task.count_tasks_by_use_case_id() == 1


def test_other_differences_are_logged_once_and_accepted(sqlite, table_name, caplog):
    first = step(table_name)
    first.create_table()
    first.create("t")
    second = step(table_name, name="Renamed", max_retry=9)
    with caplog.at_level(logging.INFO, "statustrack"):
        second.create("u")
        second.create("v")
    said = [record.getMessage() for record in caplog.records if "max_retry" in record.getMessage()]
    assert len(said) == 1 and "max_retry was 3 and is 9" in said[0]


def test_a_process_reads_the_directory_of_a_step_once_for_its_writes(local, sqlite):
    local.create("t")
    before = sqlite.meter.requests
    local.create("u")
    assert sqlite.meter.requests - before == 1


def test_the_directory_names_every_use_case_and_step(made, table_name, store):
    made.create("t")
    step(table_name, SECOND, "job", n_pending_shard=4).create("x")
    step(table_name, use_case="other", sep="##", status_zero_pad=5).create("y")
    directory = directory_of(store, table_name).read()
    assert directory.complete
    assert sorted(directory.use_cases) == ["job", "other"]
    assert sorted(directory.use_cases["job"].steps) == ["10.20.30.40.50", "40.60.70.80.90"]
    assert directory.shards("job", 40) == 4 and directory.shards("job", 10) == 1
    assert directory.use_cases["other"].sep == "##" and directory.use_cases["other"].status_pad == 5


def test_the_directory_is_in_no_listing_count_or_scan_of_tasks(made):
    made.create("t")
    assert made.count_tasks_by_use_case_id() == 1
    assert sum(made.count_by_status().values()) == 1
    with pytest.raises(st.ConfigError, match="directory"):
        made.count_tasks_by_use_case_id("__statustrack__")
    with pytest.raises(st.ConfigError, match="reserved"):
        st.TrackerConfig.make("__statustrack__", *FIRST)


def test_processes_that_register_at_once_lose_no_step(real, engine_url, table_name):
    task = step(table_name)
    task.create_table(wait=True)
    code = """
        n = int(sys.argv[2])
        for use_case in range(5):
            step(sys.argv[1], use_case=f"u{n}-{use_case}", n_pending_shard=n + 1).create("t")
            step(sys.argv[1], use_case="shared", n_pending_shard=n + use_case + 1).create(f"t-{n}-{use_case}")
    """
    processes = [child(code, engine_url, table_name, str(n)) for n in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    directory = directory_of(real, table_name).read()
    assert len(directory.use_cases) == 16
    assert directory.shards("shared", 10) == 7
    listed(lambda: step(table_name, use_case="shared").query_by_status("pending"), 15)


def foreign(made, store):
    """A table as pynamodb_mate leaves it: tasks over 5 shards, and no directory."""
    wide = step(made.Meta.table_name, use_case="theirs", **dict.fromkeys(SHARDS, 5))
    wide.create_many(f"t-{n}" for n in range(30))
    store.apply(made.Meta.table_name, [lifecycle.delete(DIRECTORY_KEY, forced=True)])
    assert store.get(made.Meta.table_name, [DIRECTORY_KEY]) == {}


def test_a_table_without_a_directory_is_read_with_a_warning_and_completely_once_it_is_adopted(
    made, store, engine_url, caplog, clock
):
    foreign(made, store)
    fresh = open_engine(engine_url, clock=clock)
    with st.use_engine(fresh):
        narrow = step(made.Meta.table_name, use_case="theirs")
        with caplog.at_level(logging.WARNING, "statustrack"):
            assert len(narrow.query_by_status("pending").all()) < 30
            narrow.query_by_status("pending").all()
        said = [record.getMessage() for record in caplog.records if "before it had a directory" in record.getMessage()]
        assert len(said) == 1 and "init --adopt" in said[0]
        narrow.create("mine")
        assert directory_of(fresh, made.Meta.table_name).read().complete is False
        directory_of(fresh, made.Meta.table_name).adopt()
        assert len(narrow.query_by_status("pending").all()) == 31
        assert narrow.count_by_status("pending") == {"pending": 31}
        assert directory_of(fresh, made.Meta.table_name).read().complete is True
    fresh.close()


@pytest.mark.parametrize("wait", [True, False])
def test_a_table_that_was_just_made_is_read_without_a_warning(sqlite, table_name, caplog, wait):
    task = step(table_name)
    task.create_table(wait=wait)
    with caplog.at_level(logging.WARNING, "statustrack"):
        task.create("t")
        task.query_by_status("pending").all()
    assert caplog.records == []


def test_a_third_step_may_rescue_what_the_others_ignored(sqlite, table_name):
    first, second = step(table_name, FIRST), step(table_name, SECOND)
    rescue = step(table_name, RESCUE, more_pending_status=[50, 90])
    first.create_table()
    for each in (first, second, rescue):
        each.create(f"t-{each.config.pending_status}")
    for each in (first, second):
        with each.start(f"t-{each.config.pending_status}"):
            raise st.GiveUp("no")
    assert len(rescue.query_for_unfinished().all()) == 3
    for ctx in rescue.claim_many():
        with ctx:
            pass
    assert rescue.count_by_status("succeeded") == {"succeeded": 3}


def test_a_second_process_raises_the_shard_count_and_the_first_sees_its_tasks(tmp_path, table_name):
    url = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    with st.use_engine(url):
        task = step(table_name)
        task.create_table(wait=True)
        task.create("t")
        run_child('step(sys.argv[1], n_pending_shard=8).create_many(f"u-{n}" for n in range(40))', url, table_name)
        assert len(task.query_for_unfinished().all()) == 41


def test_a_table_that_is_dropped_and_made_anew_learns_its_steps_again(made, store, table_name):
    wide = step(table_name, use_case="wide", n_pending_shard=6)
    wide.create("t")
    made.delete_table()
    made.create_table(wait=True)
    assert directory_of(store, table_name).read().use_cases == {}
    wide.create_many(f"t-{n}" for n in range(30))
    assert directory_of(store, table_name).read().shards("wide", 10) == 6
    assert len(step(table_name, use_case="wide").query_by_status("pending").all()) == 30
