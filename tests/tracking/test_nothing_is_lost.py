"""Promise 3: nothing is lost silently; no overwrite, no truncated listing, no shard that a reader misses."""

import sqlite3

import pytest

import statustrack as st
from statustrack.engines.registry import open_engine
from tests.tracking.support import FIRST, RESCUE, SECOND, SHARDS, fail, listed, run_child, step


def ids(tasks):
    return sorted(task.task_id for task in tasks)


def test_create_never_overwrites_and_tells_what_is_there(made):
    made.create("t", {"n": 1})
    with made.start("t"):
        pass
    with pytest.raises(st.TaskAlreadyExistsError) as refused:
        made.create("t", {"n": 2})
    assert refused.value.task.is_succeeded() and refused.value.task.data == {"n": 1}
    assert "exist_ok" in str(refused.value) and "succeeded" in str(refused.value)
    there = made.make_and_save("t", {"n": 3}, exist_ok=True)
    assert there.data == {"n": 1} and there.is_succeeded()
    assert made.get("t").data == {"n": 1}


def test_a_listing_has_every_task_unless_a_limit_is_given(made):
    report = made.create_many(f"t-{n:04}" for n in range(1234))
    assert report.created == 1234
    assert len(made.query_by_status("pending").all()) == 1234
    assert len(made.query_for_unfinished().all()) == 1234
    assert len(made.query_by_status("pending", limit=7).all()) == 7
    assert made.count_by_status("pending") == {"pending": 1234}


def test_two_steps_that_disagree_on_the_shards_of_a_shared_status_lose_no_task(made, table_name):
    """The original's own example: succeeded over 10 shards in one step, pending over 5 in the next."""
    first = step(table_name, FIRST, "pipe", **dict.fromkeys(SHARDS, 10))
    second = step(table_name, SECOND, "pipe", **dict.fromkeys(SHARDS, 5))
    names = [f"t-{n}" for n in range(60)]
    first.create_many(names)
    for ctx in first.claim_many():
        with ctx:
            pass
    assert len({task.shard_id for task in first.query_by_status("succeeded")}) > 5
    assert ids(second.query_by_status("pending")) == sorted(names)
    assert ids(second.query_for_unfinished()) == sorted(names)
    assert second.count_by_status("pending") == {"pending": 60}
    done = 0
    for ctx in second.claim_many():
        with ctx:
            done += 1
    assert done == 60
    assert second.count_by_status("succeeded") == {"succeeded": 60}


def test_a_process_that_spreads_wider_loses_no_task_for_one_that_does_not_know(real, engine_url, table_name):
    task = step(table_name, **dict.fromkeys(SHARDS, 1))
    task.create_table(wait=True)
    task.create("mine")
    assert ids(listed(lambda: task.query_by_status("pending"), 1)) == ["mine"]
    code = """
        Step = step(sys.argv[1], n_pending_shard=7)
        Step.create_many(f"theirs-{n}" for n in range(20))
    """
    run_child(code, engine_url, table_name)
    listed(lambda: task.query_by_status("pending"), 21)
    listed(task.query_for_unfinished, 21)
    assert task.count_by_status("pending") == {"pending": 21}


def test_the_shard_counts_of_a_table_are_never_lowered(store, engine_url, table_name, clock):
    wide = step(table_name, n_pending_shard=9)
    wide.create_table(wait=True)
    wide.create_many(f"t-{n}" for n in range(30))
    narrow = step(table_name, n_pending_shard=2)
    narrow.create("another")
    assert len(narrow.query_by_status("pending").all()) == 31
    again = open_engine(engine_url, clock=clock)  # as another process that has read nothing yet
    with st.use_engine(again):
        assert len(step(table_name, n_pending_shard=2).query_by_status("pending").all()) == 31
    again.close()


def test_retention_is_set_only_where_no_step_goes_on(made, table_name):
    keep = {"keep_succeeded_seconds": 3600, "keep_ignored_seconds": 7200, "max_retry": 1}
    first, last = step(table_name, FIRST, "pipe", **keep), step(table_name, SECOND, "pipe", **keep)
    last.create("register")  # the directory knows a step from its first write on
    first.create("t")
    with first.start("t"):
        pass
    assert first.get("t").expire_at is None, "the next step goes on from here"
    with last.start("t"):
        pass
    ended = last.get("t")
    assert ended.expire_at is not None
    assert 3598 <= (ended.expire_at - ended.update_time).total_seconds() <= 3601
    first.create("bad")
    bad = fail(first, "bad")
    assert bad.is_ignored()
    assert 7198 <= (bad.expire_at - bad.update_time).total_seconds() <= 7201


def test_retention_spares_a_status_that_another_step_may_claim_as_more_pending(sqlite, table_name):
    first = step(table_name, FIRST, "pipe", keep_ignored_seconds=60, max_retry=1)
    rescue = step(table_name, RESCUE, "pipe", more_pending_status=[50])
    first.create_table()
    rescue.create("register")
    first.create("t")
    assert fail(first, "t").is_ignored()
    assert first.get("t").expire_at is None
    with rescue.start("t"):
        pass
    assert rescue.get("t").is_succeeded()


def test_without_a_retention_nothing_expires(local):
    local.create("t")
    with local.start("t"):
        pass
    assert local.get("t").expire_at is None


def test_a_claim_ends_the_retention_of_a_task(sqlite, table_name):
    first = step(table_name, FIRST, "pipe", keep_ignored_seconds=3600, max_retry=1)
    first.create_table()
    first.create("t")
    assert fail(first, "t").expire_at is not None
    rescue = step(table_name, RESCUE, "pipe", more_pending_status=[50])
    with rescue.start("t"):
        assert rescue.get("t").expire_at is None


def test_deleting_a_use_case_leaves_those_whose_name_begins_alike(made, table_name):
    short, long = step(table_name, use_case="inv"), step(table_name, use_case="invoice")
    short.create_many(["a", "b"])
    long.create_many(["a", "b", "c"])
    assert short.count_tasks_by_use_case_id() == 2
    assert short.count_tasks_by_use_case_id("invoice") == 3
    assert short.count_by_status("pending") == {"pending": 2}
    assert len(short.query_by_status("pending").all()) == 2
    assert short.delete_tasks_by_use_case_id() == 2
    assert ids(long.query_by_status("pending")) == ["a", "b", "c"]
    assert short.delete_tasks_by_use_case_id("invoice") == 3
    assert long.count_tasks_by_use_case_id() == 0


def test_deleting_a_use_case_leaves_held_tasks_unless_forced(made):
    made.create_many(["held", "free"])
    with made.start("held"):
        assert made.delete_tasks_by_use_case_id() == 1
        assert made.get_one_or_none("held", consistent_read=True) is not None
    assert made.get("held").is_succeeded()
    with pytest.raises(st.TaskLeaseLostError), made.start("held", more_pending_status=40):
        assert made.delete_tasks_by_use_case_id(force=True) == 1
    assert made.get_one_or_none("held", consistent_read=True) is None


def test_delete_all_leaves_the_directory_of_the_table(made, table_name):
    wide = step(table_name, use_case="wide", n_pending_shard=5)
    wide.create_many(f"t-{n}" for n in range(20))
    made.create("t")
    assert made.delete_all() == 21
    assert wide.query_by_status("pending").all() == []
    again = step(table_name, use_case="wide", n_pending_shard=1)
    wide.create_many(f"t-{n}" for n in range(20))
    assert len(again.query_by_status("pending").all()) == 20, "the shard counts are still known"


def test_attributes_that_others_have_put_into_a_row_survive_every_transition(store, made):
    made.create("t")
    table = made.Meta.table_name
    if store.name == "sqlite":
        database = sqlite3.connect(store.place.path)
        database.execute(f"ALTER TABLE `{table}` ADD COLUMN of_another_tool TEXT")
        database.execute(f"UPDATE `{table}` SET of_another_tool = 'kept'")
        database.commit()
        database.close()
    else:
        store.connection.client().update_item(
            TableName=table,
            Key={"key": {"S": made.make_key("t")}},
            UpdateExpression="SET of_another_tool = :kept",
            ExpressionAttributeValues={":kept": {"S": "kept"}},
        )
    fail(made, "t")
    with made.start("t") as ctx:
        ctx.set_data({"n": 1}).update()
    if store.name == "sqlite":
        found = made.get("t")._row["of_another_tool"]
    else:
        stored = store.connection.client().get_item(TableName=table, Key={"key": {"S": made.make_key("t")}})
        found = stored["Item"]["of_another_tool"]["S"]
    assert found == "kept"
