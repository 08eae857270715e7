"""Where tasks live: use_engine, the environment, Meta, or the SQLite file of the working directory."""

import logging
import os

import pytest

import statustrack as st
from statustrack.engines.registry import open_engine
from statustrack.tracking import location
from tests.tracking.support import FIRST, run_child


def task_class(**meta):
    return type(
        "Where",
        (st.BaseTask,),
        {"Meta": type("Meta", (), {"table_name": "tasks", **meta}), "config": st.TrackerConfig.make("job", *FIRST)},
    )


def url_of(cls):
    return location.engine_for(cls).url


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(location, "_warned", set())
    for name in ("STATUSTRACK_ENGINE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("meta", "url"),
    [
        ({}, "sqlite:///statustrack.db"),
        ({"engine": "sqlite:///mine.db"}, "sqlite:///mine.db"),
        ({"region": "eu-west-1"}, "dynamodb://eu-west-1"),
        ({"host": "http://localhost:8000"}, "dynamodb://us-east-1?endpoint=http://localhost:8000"),
        (
            {"region": "eu-west-1", "host": "http://localhost:8000"},
            "dynamodb://eu-west-1?endpoint=http://localhost:8000",
        ),
        ({"engine": "sqlite:///mine.db", "region": "eu-west-1"}, "sqlite:///mine.db"),
    ],
)
def test_meta_says_where_the_tasks_live(meta, url):
    assert url_of(task_class(**meta)) == url


def test_the_environment_overrides_meta_with_one_warning_that_names_both(monkeypatch, caplog):
    monkeypatch.setenv("STATUSTRACK_ENGINE", "sqlite:///env.db")
    cls = task_class(engine="sqlite:///mine.db")
    with caplog.at_level(logging.WARNING, "statustrack"):
        for _ in range(3):
            assert url_of(cls) == "sqlite:///env.db"
    (said,) = [record.getMessage() for record in caplog.records]
    assert "sqlite:///env.db" in said and "sqlite:///mine.db" in said and "STATUSTRACK_ENGINE" in said


def test_the_environment_over_the_default_or_the_same_place_is_no_warning(monkeypatch, caplog):
    monkeypatch.setenv("STATUSTRACK_ENGINE", "sqlite:///env.db")
    with caplog.at_level(logging.WARNING, "statustrack"):
        assert url_of(task_class()) == url_of(task_class(engine="sqlite:///env.db")) == "sqlite:///env.db"
    assert caplog.records == []


def test_use_engine_wins_over_all_and_blocks_nest(monkeypatch):
    monkeypatch.setenv("STATUSTRACK_ENGINE", "sqlite:///env.db")
    cls = task_class()
    with st.use_engine("sqlite:///outer.db") as outer:
        assert location.engine_for(cls) is outer
        with st.use_engine("sqlite:///inner.db"):
            assert url_of(cls) == "sqlite:///inner.db"
            with st.use_engine("sqlite:///outer.db"):
                assert url_of(cls) == "sqlite:///outer.db"
            assert url_of(cls) == "sqlite:///inner.db"
        assert location.engine_for(cls) is outer
    assert url_of(cls) == "sqlite:///env.db"


def test_use_engine_for_the_rest_of_the_process_can_be_closed():
    used = st.use_engine("sqlite:///rest.db")
    assert url_of(task_class()) == "sqlite:///rest.db"
    used.close()
    used.close()
    assert url_of(task_class()) == "sqlite:///statustrack.db"


def test_a_task_stays_where_it_was_read(table_name):
    cls = task_class()
    with st.use_engine("sqlite:///one.db"):
        cls.create_table(wait=True)
        task = cls.create("t", {"in": "one"})
    with st.use_engine("sqlite:///two.db"):
        cls.create_table(wait=True)
        cls.create("t", {"in": "two"})
        task.refresh()
        assert task.data == {"in": "one"}
        task.delete()
        assert cls.get("t").data == {"in": "two"}


def test_a_block_ends_where_it_began():
    cls = task_class()
    with st.use_engine("sqlite:///one.db"):
        cls.create_table(wait=True)
        cls.create("t")
        start = cls.start("t")
        start.__enter__()
    start.__exit__(None, None, None)
    with st.use_engine("sqlite:///one.db"):
        assert cls.get("t").is_succeeded()
    assert not os.path.exists("statustrack.db")


def test_a_child_process_follows_the_environment(tmp_path):
    url = f"sqlite:///{(tmp_path / 'env.db').as_posix()}"
    code = """
        Step = step("tasks")
        Step.create_table(wait=True)
        Step.create("t")
        print(Step._engine_and_table()[0].url)
    """
    assert run_child(code, url).strip() == url
    assert (tmp_path / "env.db").exists() and not (tmp_path / "statustrack.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "not of a known form"),
        ("statustrack.db", "not of a known form"),
        (5, "must be an engine URL"),
        ("sqlite://file.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///a.db?mode=ro", "'?'"),
        ("postgres://host/db", "unknown scheme 'postgres'"),
        ("dynamodb://", "names no region"),
        ("dynamodb://us-east-1/table", "names no region"),
        ("dynamodb://us-east-1?table=x", "unknown options ['table']"),
    ],
)
def test_a_wrong_engine_url_is_refused_naming_it_and_the_known_forms(url, said):
    with pytest.raises(st.ConfigError) as refused:
        cls = task_class(engine=url)
        cls.create("t")
    assert said in str(refused.value) and repr(url) in str(refused.value)
    assert os.listdir() == []


def test_a_missing_table_or_file_says_where_it_looked_and_what_to_do(tmp_path):
    cls = task_class()
    for act in (
        lambda: cls.create("t"),
        lambda: cls.get("t"),
        lambda: cls.start("t").__enter__(),
        lambda: cls.query_by_status("pending").all(),
        lambda: cls.create_many(["t"]),
        lambda: cls.count_by_status(),
        lambda: cls.delete_all(),
    ):
        with pytest.raises(st.TableNotFoundError) as refused:
            act()
        assert "statustrack.db" in str(refused.value) and "create_table" in str(refused.value)
    assert os.listdir(tmp_path) == [], "only create_table makes a file"


def test_a_bad_meta_is_refused_naming_it():
    with pytest.raises(st.ConfigError, match=r"Meta\.engine=5"):
        task_class(engine=5)
    cls = task_class(table_name="")
    with pytest.raises(st.ConfigError, match=r"Meta\.table_name=''"):
        cls.create("t")
    nowhere = open_engine("dynamodb://us-east-1?endpoint=http://127.0.0.1:9")
    with pytest.raises(st.ConfigError, match="billing mode"), st.use_engine(nowhere):
        task_class(billing_mode="FREE").create_table()
