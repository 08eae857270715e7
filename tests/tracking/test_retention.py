"""Retention: what has ended for good gets an end; what a step waits for never does; prune deletes no more."""

from __future__ import annotations

import logging

import pytest

import statustrack as st
from statustrack.core.config import DIRECTORY_KEY
from statustrack.engines.registry import open_engine
from statustrack.tracking.known import known_steps
from tests.tracking.support import FIRST, RESCUE, SECOND, fail, lose, step

HOUR = 3600


@pytest.fixture
def keeping(store, table_name):
    """A step that keeps what succeeded for a day, what was ignored for two."""
    task = step(table_name, max_retry=1, keep_succeeded_seconds=24 * HOUR, keep_ignored_seconds=48 * HOUR)
    task.create_table(wait=True)
    return task


def seconds_left(task, clock):
    return None if task.expire_at is None else round(task.expire_at.timestamp() - clock.wall() / 1_000_000)


def test_without_a_retention_nothing_expires(made, clock):
    made.create("t")
    with made.start("t"):
        pass
    assert made.get("t").expire_at is None
    clock.advance(10_000 * HOUR)
    assert made.prune().deleted == 0


def test_each_way_to_an_end_gets_its_time(keeping, clock):
    for name in ("good", "bad", "given-up", "by-hand", "killer", "evicted", "many"):
        keeping.create(name)
    with keeping.start("good"):
        pass
    fail(keeping, "bad")
    with keeping.start("given-up"):
        raise st.GiveUp("no such customer")
    keeping.ignore("by-hand")
    keeping.ignore_many(["many"])
    lose(keeping, "killer", clock)
    with pytest.raises(st.TaskIsNotReadyToStartError), keeping.start("killer"):
        pass
    lose(keeping, "evicted", clock)
    keeping.release("evicted")
    assert abs(seconds_left(keeping.get("good"), clock) - 24 * HOUR) < HOUR
    for name in ("bad", "given-up", "by-hand", "many", "killer", "evicted"):
        task = keeping.get(name)
        assert task.is_ignored(), name
        assert abs(seconds_left(task, clock) - 48 * HOUR) < HOUR, name


def test_what_a_worker_finds_dead_too_often_gets_its_time(keeping, clock):
    keeping.create("killer")
    lose(keeping, "killer", clock)

    @keeping.handler
    def work(ctx):
        pytest.fail("it is not tried again")

    assert st.Worker(keeping).run(until_idle=True).ignored == 1
    task = keeping.get("killer")
    assert task.is_ignored() and abs(seconds_left(task, clock) - 48 * HOUR) < HOUR


def test_a_failed_task_that_is_tried_again_does_not_expire(store, table_name, clock):
    task = step(table_name, max_retry=2, keep_ignored_seconds=60)
    task.create_table(wait=True)
    task.create("t")
    assert fail(task, "t").expire_at is None
    lost = step(table_name, max_retry=3, keep_ignored_seconds=60)
    lost.create("u")
    lose(lost, "u", clock)
    assert lost.release("u").expire_at is None


def test_prune_deletes_what_is_past_its_time_and_nothing_else(keeping, clock):
    for name in ("old", "young", "pending", "held"):
        keeping.create(name)
    with keeping.start("old"):
        pass
    clock.advance(23 * HOUR)
    with keeping.start("young"):
        pass
    start = keeping.start("held")
    start.__enter__()
    clock.advance(2 * HOUR)
    dry = keeping.prune(dry_run=True)
    assert (dry.read, dry.expired, dry.deleted) == (4, 1, 0)
    seen = []
    report = keeping.prune(progress=lambda so_far: seen.append(so_far.deleted))
    assert (report.read, report.expired, report.deleted, report.kept) == (4, 1, 1, 0) and seen == [1]
    assert keeping.get_one_or_none("old", consistent_read=True) is None
    assert keeping.count_tasks_by_use_case_id() == 3
    assert keeping._engine_and_table()[0].get(keeping.Meta.table_name, [DIRECTORY_KEY])


def test_prune_stops_at_its_limit(keeping, clock):
    for number in range(5):
        keeping.create(f"t-{number}")
        with keeping.start(f"t-{number}"):
            pass
    clock.advance(30 * HOUR)
    assert keeping.prune(limit=2).deleted == 2
    assert keeping.prune().deleted == 3


def test_a_redriven_task_does_not_expire(keeping, clock):
    keeping.create("t")
    assert fail(keeping, "t").expire_at is not None
    clock.advance(1)
    keeping.redrive()
    assert keeping.get("t").expire_at is None
    clock.advance(100 * HOUR)
    assert keeping.prune().deleted == 0


def test_a_task_that_is_claimed_while_prune_runs_stays(keeping, clock, monkeypatch):
    keeping.create("t")
    fail(keeping, "t")
    clock.advance(49 * HOUR)
    engine, _ = keeping._engine_and_table()
    inner = engine.apply

    def apply(table, writes):
        if any(write.event == "expire" for write in writes):
            monkeypatch.setattr(engine, "apply", inner)
            assert keeping.redrive().redriven == 1
        return inner(table, writes)

    monkeypatch.setattr(engine, "apply", apply)
    report = keeping.prune()
    assert (report.deleted, report.changed_meanwhile) == (0, 1)
    assert keeping.get("t").is_pending()


@pytest.mark.parametrize("waits", ["succeeded", "ignored"])
def test_what_a_step_waits_for_never_expires(store, table_name, clock, waits):
    keeping = {"keep_succeeded_seconds": 60, "keep_ignored_seconds": 60}
    first = step(table_name, FIRST, max_retry=1, **keeping)
    first.create_table(wait=True)
    if waits == "succeeded":
        step(table_name, SECOND, **keeping).create("registers")
    else:
        step(table_name, RESCUE, more_pending_status=[50]).create("registers")
    first.create("t")
    if waits == "succeeded":
        with first.start("t"):
            pass
    else:
        fail(first, "t")
    assert first.get("t").expire_at is None


def test_a_step_that_is_added_later_is_warned_and_prune_heals(store, table_name, clock, caplog):
    first = step(table_name, FIRST, name="Read", keep_succeeded_seconds=60)
    first.create_table(wait=True)
    first.create("t")
    with first.start("t"):
        pass
    assert first.get("t").expire_at is not None
    second = step(table_name, SECOND, name="Answer")
    with caplog.at_level(logging.WARNING, "statustrack"):
        second.create("registers")
    assert "Answer" in caplog.text and "Read" in caplog.text and "statustrack prune" in caplog.text
    clock.advance(HOUR)
    with pytest.raises(st.TaskIsNotReadyToStartError), second.start("t"):
        pass  # it may be deleted at any moment
    report = second.prune()
    assert (report.deleted, report.kept) == (0, 1)
    with second.start("t"):
        pass
    assert second.get("t").is_succeeded() and second.get("t").expire_at is None


def test_the_directory_knows_the_retention(keeping, store, table_name):
    keeping.create("t")
    (known,) = known_steps(store, table_name)
    assert (known.config.keep_succeeded_seconds, known.config.keep_ignored_seconds) == (24 * HOUR, 48 * HOUR)
    assert known.ignore("t").expire_at is not None


@pytest.mark.dynamodb
@pytest.mark.usefixtures("aws_environment")
class TestTtl:
    """DynamoDB's own deletion is switched on where a step has a retention."""

    def ttl(self, engine, table):
        return engine.connection.ask("describe_time_to_live", table)["TimeToLiveDescription"]

    @pytest.fixture
    def dynamo(self, dynamodb_endpoint):
        engine = open_engine(f"dynamodb://us-east-1?endpoint={dynamodb_endpoint}")
        with st.use_engine(engine):
            yield engine

    def test_on_with_a_retention_also_where_the_table_is_there(self, dynamo, table_name):
        step(table_name).create_table(wait=True)
        assert self.ttl(dynamo, table_name)["TimeToLiveStatus"] == "DISABLED"
        keeping = step(table_name, keep_succeeded_seconds=60)
        keeping.create_table()
        described = self.ttl(dynamo, table_name)
        assert (described["TimeToLiveStatus"], described["AttributeName"]) == ("ENABLED", "expire_at")
        keeping.create_table()  # again: nothing to do

    def test_another_attribute_is_refused_with_the_way_out(self, dynamo, table_name):
        step(table_name).create_table(wait=True)
        other = {"Enabled": True, "AttributeName": "ttl"}
        dynamo.connection.ask("update_time_to_live", table_name, TimeToLiveSpecification=other)
        keeping = step(table_name, keep_ignored_seconds=60)
        with pytest.raises(st.StorageError, match=r"'ttl'.*'expire_at'"):
            keeping.create_table(wait=True)
        keeping.create_table(wait=True, ignore_update_ttl_errors=True)
