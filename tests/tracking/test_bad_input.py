"""Bad input: each has an error that names the value, the rule and the way out, raised before anything is written."""

import sqlite3

import pytest

import statustrack as st
from statustrack.engines.registry import open_engine
from tests import dynamodb_local
from tests.tracking.support import FIRST, run_child, step

IDS = {
    "empty": ("", "task_id is empty"),
    "a number": (5, "task_id 5 is a int: it must be a str"),
    "None": (None, "task_id None is a NoneType"),
    "bytes": (b"x", "task_id b'x' is a bytes"),
    "too long": ("x" * 2042, "makes a key of 2049 bytes: the limit is 2048"),
    "too long in bytes": ("ü" * 1022, "the limit is 2048"),
    "half a surrogate pair": ("\ud800", "half a surrogate pair"),
}


def verbs(cls):
    return (
        cls.create,
        lambda task_id: cls.create_many([(task_id, None)]),
        lambda task_id: cls.start(task_id).__enter__(),
        lambda task_id: cls.start(task_id, create=True).__enter__(),
        cls.get,
        cls.get_one_or_none,
        cls.make,
        cls.make_key,
    )


@pytest.mark.parametrize("kind", IDS)
def test_a_bad_id_is_refused_by_every_verb(local, kind):
    task_id, said = IDS[kind]
    for verb in verbs(local):
        with pytest.raises(st.ConfigError) as refused:
            verb(task_id)
        assert said in str(refused.value)
    assert local.count_tasks_by_use_case_id() == 0


def test_the_longest_id_and_odd_ids_are_taken(made):
    names = ["x" * 2041, "a____b", "____", "ü/\\'\"% _?#", "\x00", "🎉", " ", "__statustrack__"]
    made.create_many(names)
    for name in names:
        with made.start(name):
            pass
    assert sorted(task.task_id for task in made.query_by_status("succeeded")) == sorted(names)


USE_CASES = {
    "empty": ({"use_case_id": ""}, "use_case_id is empty"),
    "a number": ({"use_case_id": 5}, "use_case_id 5 is a int"),
    "the separator inside": ({"use_case_id": "a____b"}, "'a____b' contains, or runs into, the separator '____'"),
    "runs into the separator": ({"use_case_id": "a_"}, "runs into"),
    "too long": ({"use_case_id": "x" * 513}, "the limit is 512"),
    "half a surrogate pair": ({"use_case_id": "\ud800"}, "cannot be written as UTF-8"),
    "an empty separator": ({"sep": ""}, "sep '' must be a text"),
    "a separator that is no text": ({"sep": None}, "sep None must be a text"),
    "a code twice": ({"pending_status": 20}, "status code should be unique"),
    "a code that is too wide": ({"ignored_status": 1000}, "ignored_status=1000 has more digits than status_zero_pad=3"),
    "a negative code": ({"pending_status": -1}, "pending_status=-1 must be between"),
    "a code that is no number": ({"pending_status": "10"}, "pending_status='10' must be a whole number"),
    "a boolean code": ({"pending_status": True}, "pending_status=True"),
    "a missing code": ({"failed_status": None}, "failed_status"),
    "more_pending too wide": ({"more_pending_status": [1000]}, "more_pending_status=1000"),
    "no shards": ({"n_pending_shard": 0}, "n_pending_shard=0 must be between 1"),
    "negative shards": ({"n_failed_shard": -5}, "n_failed_shard=-5"),
    "half a shard": ({"n_succeeded_shard": 1.5}, "n_succeeded_shard=1.5"),
    "too many shards": ({"n_ignored_shard": 1000}, "n_ignored_shard=1000 has more digits"),
    "no lease": ({"lock_expire_seconds": 0}, "lock_expire_seconds=0 must be between 1"),
    "a lease too short": ({"lock_expire_seconds": 0.9}, "lock_expire_seconds=0.9"),
    "a lease of NaN": ({"lock_expire_seconds": float("nan")}, "lock_expire_seconds=nan must be a finite number"),
    "an endless lease": ({"lock_expire_seconds": float("inf")}, "lock_expire_seconds=inf"),
    "a lease that is no number": ({"lock_expire_seconds": "60"}, "lock_expire_seconds='60'"),
    "no tries": ({"max_retry": 0}, "max_retry=0 must be between 1"),
    "half a try": ({"max_retry": 2.5}, "max_retry=2.5"),
    "a negative delay": ({"retry_delay_seconds": -1}, "retry_delay_seconds=-1"),
    "a delay of NaN": ({"retry_delay_seconds": float("nan")}, "retry_delay_seconds=nan"),
    "an endless delay": ({"retry_delay_seconds": float("inf")}, "retry_delay_seconds=inf"),
    "a shrinking backoff": ({"retry_backoff": 0.5}, "retry_backoff=0.5"),
    "a delay beyond a year": ({"retry_max_delay_seconds": 367 * 86_400}, "retry_max_delay_seconds="),
    "no retention": ({"keep_succeeded_seconds": 0}, "keep_succeeded_seconds=0"),
    "no pad": ({"status_zero_pad": 0}, "status_zero_pad=0"),
    "a pad too wide": ({"status_shard_zero_pad": 10}, "status_shard_zero_pad=10"),
    "negative frames": ({"traceback_stack_limit": -1}, "traceback_stack_limit=-1"),
}
NAMES = ("pending_status", "in_progress_status", "failed_status", "succeeded_status", "ignored_status")


@pytest.mark.parametrize("kind", USE_CASES)
def test_a_bad_configuration_is_refused_where_it_is_made(kind):
    options, said = USE_CASES[kind]
    with pytest.raises(st.ConfigError) as refused:
        st.TrackerConfig.make(**{"use_case_id": "job", **dict(zip(NAMES, FIRST, strict=True)), **options})
    assert said in str(refused.value)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("bad", ["x", "10", 1.5, True, None, b"10"])
def test_a_bad_more_pending_status_of_start_is_refused_and_named(sqlite, table_name, bad):
    task = step(table_name)
    task.create_table()
    task.create("t")
    with pytest.raises(st.ConfigError, match=r"more_pending_status: status "):
        task.start("t", [bad])
    assert task.get("t").attempt == 0


def test_more_pending_status_of_start_may_be_a_name_and_no_list(sqlite, table_name):
    task = step(table_name)
    task.create_table()
    task.create("t")
    with pytest.raises(st.ConfigError, match=r"more_pending_status: status 'x' is not one of pending"):
        task.start("t", more_pending_status="x")
    with task.start("t", more_pending_status=["ignored"]):
        pass


def test_a_status_enum_that_lacks_a_state_is_refused_naming_it():
    class Half(st.BaseStatusEnum):
        pending = 1
        failed = 2

    with pytest.raises(st.ConfigError, match="in_progress"):
        st.TrackerConfig.make("job", status=Half)
    with pytest.raises(st.ConfigError, match="not both"):
        st.TrackerConfig.make("job", 10, status=Half)
    with pytest.raises(st.ConfigError, match="five codes"):
        st.TrackerConfig.make("job")


def test_a_class_without_a_config_says_what_it_lacks():
    class Bare(st.BaseTask):
        pass

    with pytest.raises(st.ConfigError, match="Bare has no config"):
        Bare.create("t")
    with pytest.raises(st.ConfigError, match="make it with TrackerConfig"):
        type("Wrong", (st.BaseTask,), {"config": {"use_case_id": "x"}})


def test_a_start_on_an_unknown_id_is_a_clear_error_and_leaves_no_ghost(made):
    with pytest.raises(st.TaskIsNotInitializedError) as refused, made.start("absent"):
        pytest.fail("entered")
    assert "'absent'" in str(refused.value) and "make_and_save" in str(refused.value)
    assert made.get_one_or_none("absent", consistent_read=True) is None
    assert made.count_tasks_by_use_case_id() == 0


@pytest.mark.parametrize("content", [b"not a database " * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path, content, table_name):
    path = tmp_path / "foreign.db"
    path.write_bytes(content)
    task = step(table_name)
    with st.use_engine(f"sqlite:///{path.as_posix()}") as engine:
        for act in (lambda: task.create_table(wait=True), lambda: task.create("t")):
            with pytest.raises(st.StorageError) as refused:
                act()
            assert "foreign.db" in str(refused.value)
        engine.close()
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path, table_name):
    path = tmp_path / "foreign.db"
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE {table_name} (id INTEGER PRIMARY KEY, name TEXT)")
    database.commit()
    database.close()
    task = step(table_name)
    with st.use_engine(f"sqlite:///{path.as_posix()}") as engine:
        with pytest.raises(st.TableMismatchError) as refused:
            task.create_table(wait=True)
        assert "foreign.db" in str(refused.value)
        with pytest.raises(st.StorageError):
            task.create("t")
        engine.close()
    database = sqlite3.connect(path)
    assert [name for (name,) in database.execute("SELECT name FROM sqlite_master")] == [table_name]
    database.close()


def test_a_table_with_another_key_schema_is_refused(aws_environment, dynamodb_endpoint, table_name):
    engine = open_engine(dynamodb_local.endpoint_url(dynamodb_endpoint))
    engine.connection.client().create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    task = step(table_name)
    with st.use_engine(engine):
        for act in (
            lambda: task.create_table(wait=True),
            lambda: task.create("t"),
            lambda: task.start("t").__enter__(),
        ):
            with pytest.raises(st.TableMismatchError) as refused:
                act()
            assert table_name in str(refused.value)
    engine.close()


def test_missing_credentials_are_named(dynamodb_endpoint, table_name):
    code = """
        Step = step(sys.argv[1])
        try:
            Step.create("t")
        except st.StorageError as error:
            print(type(error).__name__, error)
    """
    said = run_child(code, dynamodb_local.endpoint_url(dynamodb_endpoint), table_name)
    assert "credentials" in said.lower()


def test_a_missing_table_is_named(store, table_name):
    step(f"{table_name}_another").create_table(wait=True)
    task = step(table_name)
    for act in (lambda: task.create("t"), lambda: task.start("t").__enter__(), lambda: task.get("t")):
        with pytest.raises(st.TableNotFoundError) as refused:
            act()
        assert table_name in str(refused.value) and "create_table" in str(refused.value)


@pytest.mark.parametrize("name", ["x", "a b", "a'b", "x" * 256, "tasks;--"])
def test_a_bad_table_name_is_refused(sqlite, name):
    with pytest.raises(st.ConfigError, match="table name"):
        step(name).create_table(wait=True)
