"""save, delete and batch_write put and remove whole items, but not under a holder's feet and not blindly."""

import pytest

import statustrack as st
from statustrack.core.record import NOT_LOCKED
from tests.tracking.support import Faulty, fail, step


def test_save_creates_and_replaces_the_whole_item(made):
    task = made.make("t", {"n": 1})
    task.save()
    assert made.get("t").data == {"n": 1}
    task.data["n"] = 2
    task.save()
    assert made.get("t").data == {"n": 2}
    other = made.make("t", {"n": 3})
    other.save()
    assert made.get("t").create_id == other.create_id


def test_a_task_that_was_read_can_be_changed_and_saved(made):
    made.create("t", {"n": 1})
    fail(made, "t")
    task = made.get("t")
    task.status, task.value = made.config.pending_status, made.make_value(10, _task_id="t")
    task.data = {"n": 2}
    task.save()
    again = made.get("t")
    assert again == task and again.is_pending() and again.attempt == 1


@pytest.mark.parametrize("verb", ["save", "delete"])
def test_a_held_task_is_refused_unless_forced(made, verb):
    made.create("t", {"n": 1})
    with pytest.raises(st.TaskLeaseLostError), made.start("t") as ctx:
        held = made.get("t")
        held.data = {"n": 2}
        with pytest.raises(st.TaskChangedError, match="holds it") as refused:
            getattr(held, verb)()
        assert "force=True" in str(refused.value) and verb in str(refused.value)
        assert refused.value.task == made.get("t") and refused.value.task.lock == ctx.lock_token
        held.lock = NOT_LOCKED
        getattr(held, verb)(force=True)


@pytest.mark.parametrize("verb", ["save", "delete"])
def test_a_task_that_was_claimed_since_it_was_read_is_refused(made, verb):
    made.create("t", {"n": 1})
    old = made.get("t")
    with made.start("t") as ctx:
        ctx.set_data({"n": 2})
    with pytest.raises(st.TaskChangedError, match="moved on") as refused:
        getattr(old, verb)()
    assert refused.value.task.data == {"n": 2}
    assert made.get("t").is_succeeded()
    old.refresh()
    getattr(old, verb)()
    if verb == "delete":
        assert made.get_one_or_none("t", consistent_read=True) is None


def test_deleting_what_is_gone_is_no_error_and_refreshing_it_is(local):
    task = local.create("t")
    local.get("t").delete()
    task.delete()
    with pytest.raises(st.TaskIsNotInitializedError):
        task.refresh()
    with pytest.raises(st.TaskIsNotInitializedError):
        local.get("t")
    assert local.get_one_or_none("t") is None


def test_a_save_without_a_reply_says_so(local, faulty_local):
    faulty_local.plan = {"save": ["drop"], "delete": ["drop"]}
    task = local.make("t")
    with pytest.raises(st.StorageUnavailableError, match="save of 'job____t' was not confirmed"):
        task.save()
    task.save()
    with pytest.raises(st.StorageUnavailableError, match="delete of 'job____t' was not confirmed"):
        task.delete()


def test_batch_write_puts_and_deletes_many(made):
    tasks = [made.make(f"t-{n:02}", {"n": n}) for n in range(60)]
    with made.batch_write() as batch:
        for task in tasks:
            batch.save(task)
    assert made.count_by_status("pending") == {"pending": 60}
    with made.batch_write(auto_commit=False) as batch:
        for task in made.query_by_status("pending", limit=30):
            batch.delete(task)
        assert made.count_by_status("pending") == {"pending": 60}, "not before the end"
        batch.save(made.make("new"))
    assert made.count_by_status("pending") == {"pending": 31}


def test_batch_write_says_which_writes_were_refused_and_does_the_others(made):
    made.create_many(["held", "moved", "free"])
    old = [made.get(name) for name in ("held", "moved", "free")]
    with made.start("moved"):
        pass
    with made.start("held"):
        with pytest.raises(st.TaskChangedError, match="2 of the writes") as refused, made.batch_write() as batch:
            for task in old:
                batch.delete(task)
        assert "'job____held'" in str(refused.value) and "'job____moved'" in str(refused.value)
        assert refused.value.task.task_id == "held"
    assert made.get_one_or_none("free", consistent_read=True) is None
    assert made.get("held").is_succeeded() and made.get("moved").is_succeeded()


def test_a_batch_whose_block_raises_writes_nothing_more(local):
    with pytest.raises(KeyError), local.batch_write() as batch:
        batch.save(local.make("t"))
        raise KeyError
    assert local.count_tasks_by_use_case_id() == 0


def test_a_batch_without_a_reply_says_so(sqlite, local):
    refused = pytest.raises(st.StorageUnavailableError, match="was not confirmed")
    with st.use_engine(Faulty(sqlite, save=["drop"])), refused, local.batch_write() as batch:
        batch.save(local.make("t"))


def test_get_and_refresh_read_all_attributes(made):
    made.create("t", {"n": 1})
    task = made.get_one_or_none("t", consistent_read=True)
    fail(made, "t")
    assert task.is_pending()
    task.refresh()
    assert task.is_failed() and task.retry == 1
    some = made.get_one_or_none("t", consistent_read=True, attributes_to_get=["key", "retry"])
    assert some.retry == 1 and some.data == {}


def test_what_a_task_is_called(local):
    task = local.create("t____1", {"n": 1})
    assert (task.use_case_id, task.task_id) == ("job", "t____1"), "the first separator is the real one"
    assert task.key == local.make_key("t____1") == "job____t____1"
    assert task.value == local.make_value(10, _task_id="t____1") == "job____010____001"
    assert task.shard_id == 1
    assert local.get("t____1") == task
    assert task.to_dict()["data"] == {"n": 1}
    copy = task.to_dict(copy=True)
    copy["data"]["n"] = 2
    assert task.data == {"n": 1}
    assert repr(task).startswith("Step10('job____t____1', status='pending'")


def test_the_name_of_a_status_of_another_step_is_its_code(local):
    task = local.make("t", _status=77)
    assert task.status_name == "77"
    assert not any((task.is_pending(), task.is_in_progress(), task.is_failed(), task.is_succeeded(), task.is_ignored()))
    assert [local.make("t", _status=code).status_name for code in (10, 20, 30, 40, 50)] == [
        "pending",
        "in_progress",
        "failed",
        "succeeded",
        "ignored",
    ]


def test_is_locked_knows_the_lease_and_the_token(local, clock):
    local.create("t")
    assert not local.get("t").is_locked()
    with local.start("t") as ctx:
        task = local.get("t")
        assert task.is_locked() and task.is_locked(expected_lock="another")
        assert not task.is_locked(expected_lock=ctx.lock_token)
        assert not task.is_locked(utc_now=task.lease_until)
        assert task.is_locked(utc_now=task.lock_time)


def test_the_history_of_a_task_is_read_only(local):
    task = local.create("t")
    for name in ("attempts", "notes", "late_results"):
        with pytest.raises(AttributeError, match="written by the library"):
            setattr(task, name, [])


def test_tasks_compare_by_value_and_can_be_in_sets(local):
    local.create("t")
    assert local.get("t") == local.get("t") and len({local.get("t"), local.get("t")}) == 1
    assert local.get("t") != local.make("t") and local.get("t") != "t"


def test_make_takes_the_attributes_of_a_task_and_no_others(local):
    task = local.make("t", retry=2, error_summary="x")
    assert (task.retry, task.error_summary) == (2, "x")
    with pytest.raises(st.ConfigError, match="unknown attribute 'colour'"):
        local.make("t", colour="red")
    with pytest.raises(st.ConfigError, match="unknown attributes"):
        local(colour="red")
    with pytest.raises(st.ConfigError, match="whole number"):
        task.retry = "2"
    with pytest.raises(st.ConfigError, match="datetime"):
        task.update_time = "yesterday"


def test_make_reads_and_writes_nothing(tmp_path, table_name):
    task = step(table_name)
    with st.use_engine(f"sqlite:///{tmp_path / 'absent.db'}"):
        assert task.make("t").is_pending()
    assert not (tmp_path / "absent.db").exists()


def test_the_table_can_be_made_twice_and_dropped(store, table_name):
    task = step(table_name)
    assert not task.exists()
    task.create_table(wait=True)
    task.create("t")
    task.create_table(wait=True)
    assert task.exists() and task.get("t").is_pending()
    task.delete_table()
    assert not task.exists()
    with pytest.raises(st.TableNotFoundError, match=table_name):
        task.get("t")
