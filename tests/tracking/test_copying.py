"""Copying a table: all of it, either way, nothing overwritten, resumable after a kill, with few requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import statustrack as st
from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.writes import Write
from statustrack.engines.protocol import Rejected, Unknown
from statustrack.engines.registry import open_engine, sqlite_url
from statustrack.tracking.copying import copy
from statustrack.tracking.directory import directory_of
from statustrack.tracking.heartbeat import let_go
from statustrack.tracking.known import known_steps
from tests.tracking.support import FIRST, ROOT, SECOND, fail, failed_many, step

FOREIGN = {
    "mine": {"S": "text"}, "price": {"N": "1.50"}, "flags": {"SS": ["b", "a"]},
    "deep": {"M": {"l": {"L": [{"BOOL": True}]}}}, "raw": {"B": b"\x00\xff"}, "nothing": {"NULL": True},
    "it's": {"S": "quoted"},
}  # fmt: skip


@pytest.fixture
def dynamo(dynamodb_endpoint, aws_environment):
    return open_engine(f"dynamodb://us-east-1?endpoint={dynamodb_endpoint}")


@pytest.fixture
def file(tmp_path):
    return open_engine(sqlite_url((tmp_path / "copies.db").as_posix()))


@pytest.fixture(params=["sqlite to dynamodb", "dynamodb to sqlite", "sqlite to sqlite"])
def ways(request, tmp_path, table_name):
    """The engines of both ends, with the tables of two steps made; the source's steps have tasks in every state."""
    kinds = request.param.split(" to ")
    ends = []
    for number, kind in enumerate(kinds):
        if kind == "dynamodb":
            ends.append(request.getfixturevalue("dynamo"))
        else:
            ends.append(open_engine(sqlite_url((tmp_path / f"end{number}.db").as_posix())))
    for engine in ends:
        with st.use_engine(engine):
            step(table_name).create_table(wait=True)
    yield ends
    for engine in ends:
        if engine.name == "sqlite":
            engine.close()


def fill(engine, table, shards=2):
    with st.use_engine(engine):
        first = step(table, FIRST, name="Read", n_pending_shard=shards)
        second = step(table, SECOND, name="Answer")
        second.create("registers")
        first.create_many((f"p-{number}", {"n": number, "é": "名"}) for number in range(30))
        failed_many(first, [f"f-{number}" for number in range(5)])
        failed_many(first, ["i"], ignored=True)
        first.create("waits")
        with first.start("waits"):
            pass
        first.create("late")
        fail(first, "late")
    return first, second


def content(engine, table):
    return {row["key"]: row for row in engine.export(table) if row["key"] != DIRECTORY_KEY}


def test_everything_is_there_as_it_was(ways, table_name):
    source, target = ways
    fill(source, table_name)
    seen = []
    report = copy((source, table_name), (target, table_name), progress=lambda so_far: seen.append(so_far.read))
    assert report.is_complete and (report.read, report.copied, report.there) == (39, 39, 0) and seen == [39]
    assert content(target, table_name) == content(source, table_name)
    assert {(each.status, each.source) for each in report.counts if each.source} == {
        (10, 30), (30, 6), (40, 2), (50, 1),
    }  # fmt: skip
    steps = known_steps(target, table_name)
    assert [each.__name__ for each in steps] == ["Read", "Answer"] and steps[0].config.n_pending_shard == 2
    assert steps[0].count_by_status()["pending"] == 30
    with steps[0].start("p-3") as ctx:
        assert ctx.data == {"n": 3, "é": "名"}


def test_again_copies_nothing_and_overwrites_nothing(ways, table_name):
    source, target = ways
    first, _ = fill(source, table_name)
    copy((source, table_name), (target, table_name))
    with st.use_engine(target), first.start("p-0"):
        pass
    with st.use_engine(source):
        first.create("new")
    before = content(target, table_name)
    report = copy((source, table_name), (target, table_name))
    assert (report.copied, report.there, report.differing) == (1, 38, [first.make_key("p-0")])
    assert not report.is_complete
    after = content(target, table_name)
    assert {key: row for key, row in after.items() if key in before} == before
    assert first.make_key("new") in after


def test_what_a_worker_holds_is_left_out_unless_it_is_asked_for(ways, table_name):
    source, target = ways
    first, _ = fill(source, table_name)
    with st.use_engine(source):
        start = first.start("p-0")
        let_go(start.__enter__()._hold)
    key = first.make_key("p-0")
    report = copy((source, table_name), (target, table_name))
    assert report.running == [key] and report.copied == 38 and not report.short and not report.is_complete
    assert key not in content(target, table_name)
    report = copy((source, table_name), (target, table_name), include_running=True)
    assert report.running == [key] and report.copied == 1 and report.is_complete
    assert content(target, table_name)[key] == content(source, table_name)[key]


def test_foreign_attributes_survive_both_ways(dynamo, file, table_name, tmp_path):
    row = {
        "key": "job____t",
        "value": "job____010____001",
        "update_time": "2024-05-23T06:07:26.444861+0000",
        "status": 10,
    }
    for engine in (dynamo, file):
        with st.use_engine(engine):
            step(table_name).create_table(wait=True)
    dynamo.insert(table_name, [{**row, **FOREIGN}, {**row, "key": "job____u"}])
    copy((dynamo, table_name), (file, table_name))
    back, again = f"{table_name}_back", open_engine(sqlite_url((tmp_path / "again.db").as_posix()))
    for engine, name in ((dynamo, back), (again, table_name)):
        with st.use_engine(engine):
            step(name).create_table(wait=True)
    copy((file, table_name), (again, table_name))
    copy((again, table_name), (dynamo, back))
    found = content(dynamo, back)["job____t"]
    assert set(found) == {*row, *FOREIGN}
    for name, typed in FOREIGN.items():
        (kind, value), (wanted_kind, wanted) = next(iter(found[name].items())), next(iter(typed.items()))
        assert kind == wanted_kind
        assert (
            float(value) == 1.5 if kind == "N" else sorted(value) == sorted(wanted) if kind == "SS" else value == wanted
        )
    assert set(content(dynamo, back)["job____u"]) == set(row)
    with st.use_engine(file):  # and they survive the work on the task
        task = step(table_name)
        with task.start("t"):
            pass
    assert content(file, table_name)["job____t"]["deep"] == FOREIGN["deep"]
    again.close()


def test_columns_of_a_users_own_go_along(dynamo, file, table_name, tmp_path):
    import sqlite3

    for engine in (dynamo, file):
        with st.use_engine(engine):
            step(table_name).create_table(wait=True)
    with st.use_engine(file):
        step(table_name).create("t")
    raw = sqlite3.connect(tmp_path / "copies.db")
    raw.execute(f"ALTER TABLE {table_name} ADD COLUMN mine TEXT")
    raw.execute(f"UPDATE {table_name} SET mine = 'kept'")
    raw.commit()
    raw.close()
    copy((file, table_name), (dynamo, table_name))
    assert content(dynamo, table_name)["job____t"]["mine"] == {"S": "kept"}
    with st.use_engine(file):
        step(table_name).get("t").delete()
    copy((dynamo, table_name), (file, table_name))
    raw = sqlite3.connect(tmp_path / "copies.db")
    assert raw.execute(f"SELECT mine FROM {table_name} WHERE key = 'job____t'").fetchone() == ("kept",)
    raw.close()


def test_tables_that_do_not_go_together_are_refused(file, table_name, tmp_path):
    target = open_engine(sqlite_url((tmp_path / "target.db").as_posix()))
    for engine, options in ((file, {}), (target, {"sep": "::"})):
        with st.use_engine(engine):
            made = step(table_name, **options)
            made.create_table()
            made.create("t")
    with pytest.raises(st.ConfigError, match="sep="):
        copy((file, table_name), (target, table_name))
    assert len(content(target, table_name)) == 1
    with pytest.raises(st.ConfigError, match="the same"):
        copy((file, table_name), (file, table_name))
    with pytest.raises(st.TableNotFoundError):
        copy((file, table_name), (file, "elsewhere"))
    with pytest.raises(st.TableNotFoundError):
        copy((file, "elsewhere"), (file, table_name))
    target.close()


def test_shards_that_the_source_does_not_know_are_told_to_the_target(file, table_name, tmp_path):
    """A table that pynamodb_mate wrote has no directory, and its shards are known from its rows only."""
    target = open_engine(sqlite_url((tmp_path / "target.db").as_posix()))
    for engine in (file, target):
        with st.use_engine(engine):
            step(table_name).create_table()
    file.apply(table_name, [Write("delete", DIRECTORY_KEY, (), kind="delete")])
    rows = [
        {"key": f"job____{n}", "value": f"job____010____{n:03}", "status": 10, "lock": "__not_locked__",
         "update_time": "2024-05-23T06:07:26.444861+0000"}
        for n in (1, 7)
    ]  # fmt: skip
    file.insert(table_name, rows)
    assert copy((file, table_name), (target, table_name)).is_complete
    assert directory_of(target, table_name).read().shards("job", 10) == 7
    with st.use_engine(target):
        assert len(step(table_name).query_by_status("pending").all()) == 2
    target.close()


def test_what_can_never_be_stored_there_is_named(file, table_name, tmp_path, monkeypatch):
    target = open_engine(sqlite_url((tmp_path / "target.db").as_posix()))
    for engine in (file, target):
        with st.use_engine(engine):
            step(table_name).create_table()
    with st.use_engine(file):
        step(table_name).create_many(["a", "b"])
    inner = target.insert

    def insert(table, rows):
        outcomes = inner(table, [row for row in rows if row["key"] != "job____a"])
        return [Rejected("too large"), *outcomes]

    monkeypatch.setattr(target, "insert", insert)
    report = copy((file, table_name), (target, table_name))
    assert report.rejected == [("job____a", "too large")] and report.copied == 1 and not report.short
    monkeypatch.setattr(
        target, "insert", lambda table, rows: [Unknown(st.StorageUnavailableError("silent"))] * len(rows)
    )
    with pytest.raises(st.StorageUnavailableError, match=r"1 tasks were not confirmed.*the same call goes on"):
        copy((file, table_name), (target, table_name))
    target.close()


def test_counts_that_fall_short_are_said(file, table_name, tmp_path, monkeypatch):
    target = open_engine(sqlite_url((tmp_path / "target.db").as_posix()))
    for engine in (file, target):
        with st.use_engine(engine):
            step(table_name).create_table()
    with st.use_engine(file):
        step(table_name).create_many(["a", "b"])
    waited = []
    monkeypatch.setattr(target.clock, "wait", lambda _, seconds: waited.append(seconds), raising=False)
    inner = target.count
    monkeypatch.setattr(target, "count", lambda table, partition, most=None: max(0, inner(table, partition) - 1))
    report = copy((file, table_name), (target, table_name))
    assert [(each.status, each.source, each.target) for each in report.short] == [(10, 2, 1)]
    assert not report.is_complete and len(waited) == 4, "the index was given time"
    target.close()


def test_few_requests_for_each_task(dynamo, file, table_name):
    count = 5000
    for engine in (dynamo, file):
        with st.use_engine(engine):
            step(table_name).create_table(wait=True)
    with st.use_engine(file):
        step(table_name).create_many((f"t-{number}", {"n": number}) for number in range(count))
    before = dynamo.meter.requests
    assert copy((file, table_name), (dynamo, table_name)).copied == count
    assert dynamo.meter.requests - before <= 0.05 * count
    before = dynamo.meter.requests
    assert copy((file, table_name), (dynamo, table_name)).there == count
    assert dynamo.meter.requests - before <= 0.05 * count, "what is there is found with few requests, too"


KILLED = """
import os, signal, sys
from statustrack.engines.registry import open_engine
from statustrack.tracking.copying import copy

source, target, table = open_engine(sys.argv[1]), open_engine(sys.argv[2]), sys.argv[3]
inner, seen = target.apply, []

def apply(table, writes):  # written, and its reply never seen
    outcomes = inner(table, writes)
    seen.extend(write.event for write in writes[:1])
    if seen.count("insert") == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes

target.apply = apply
if target.name == "dynamodb":
    send = target.connection.call

    def request(operation, **parameters):  # between two requests of one round
        seen.append(operation)
        if seen.count("batch_execute_statement") == 47:
            os.kill(os.getpid(), signal.SIGKILL)
        return send(operation, **parameters)

    target.connection.call = request
copy((source, table), (target, table))
"""


def test_killed_in_the_middle_and_resumed_nothing_is_done_twice_or_left_out(ways, table_name):
    source, target = ways
    count = 2000
    with st.use_engine(source):
        step(table_name).create_many((f"t-{number}", {"n": number}) for number in range(count))
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), source.url, target.url, table_name],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    done = len(content(target, table_name))
    assert 500 < done < count
    report = copy((source, table_name), (target, table_name))
    assert report.is_complete and report.read == count == report.there + report.copied
    assert report.there >= done, "requests that were on their way at the kill may have landed since"
    assert content(target, table_name) == content(source, table_name)
