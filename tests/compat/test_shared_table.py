"""pynamodb_mate 6 and this library on one table of DynamoDB Local: each reads and continues what the other wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pynamodb_mate.api as pm
import pytest

import statustrack as st
from statustrack.core.record import NOT_LOCKED

theirs = pm.patterns.status_tracker

pytestmark = pytest.mark.dynamodb

CODES = {
    "pending_status": 10,
    "in_progress_status": 20,
    "failed_status": 30,
    "succeeded_status": 40,
    "ignored_status": 50,
    "n_pending_shard": 3,
    "n_in_progress_shard": 3,
    "n_failed_shard": 3,
    "n_succeeded_shard": 4,
    "n_ignored_shard": 3,
}


class UserError(Exception):
    pass


@pytest.fixture
def both(dynamodb_endpoint: str, table_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    class Theirs(theirs.BaseTask):
        class Meta:
            region = "us-east-1"
            host = dynamodb_endpoint
            billing_mode = pm.constants.PAY_PER_REQUEST_BILLING_MODE

        status_and_update_time_index = theirs.StatusAndUpdateTimeIndex()
        config = theirs.TrackerConfig.make(use_case_id="shared", lock_expire_seconds=60, **CODES)

    Theirs.Meta.table_name = table_name

    class Ours(st.BaseTask):
        class Meta:
            engine = f"dynamodb://us-east-1?endpoint={dynamodb_endpoint}"

        config = st.TrackerConfig.make("shared", lock_expire_seconds=60, **CODES)

    Ours.Meta.table_name = table_name  # type: ignore[attr-defined]
    yield Theirs, Ours


@pytest.fixture
def their_table(both: tuple[Any, Any]) -> tuple[Any, Any]:
    both[0].create_table(wait=True)
    return both


@pytest.fixture
def our_table(both: tuple[Any, Any]) -> tuple[Any, Any]:
    both[1].create_table(wait=True)
    return both


def test_what_they_wrote_is_read_and_continued(their_table: tuple[Any, Any]) -> None:
    them, us = their_table
    them.make_and_save("new", data={"n": 1})
    them.make_and_save("bad")
    with pytest.raises(UserError), them.start("bad"):
        raise UserError("from the original")
    them.make_and_save("done")
    with them.start("done") as ctx:
        ctx.set_data({"n": 3})

    task = us.get("new")
    assert (task.status_name, task.data, task.retry, task.attempt) == ("pending", {"n": 1}, 0, 0)
    with us.start("new") as ours:
        assert ours.attempt == 1
        ours.set_data({"n": 2})
    with pytest.raises(UserError), us.start("bad"):
        raise UserError("from ours")
    failed = us.get("bad")
    assert failed.retry == 2
    assert [entry["error"] for entry in failed.errors["history"]] == [
        "UserError('from the original')",
        "UserError('from ours')",
    ]
    with pytest.raises(st.TaskAlreadySucceedError), us.start("done", detailed_error=True):
        pass


def test_what_we_wrote_is_read_and_continued(our_table: tuple[Any, Any]) -> None:
    them, us = our_table
    us.create("new", {"n": 1})
    us.create("bad")
    with pytest.raises(UserError), us.start("bad"):
        raise UserError("from ours")
    task = them.get_one_or_none("new")
    assert (task.status_name, task.data, task.retry, task.lock) == ("pending", {"n": 1}, 0, NOT_LOCKED)
    with them.start("new") as ctx:
        ctx.set_data({"n": 2})
    with pytest.raises(UserError), them.start("bad"):
        raise UserError("from the original")
    assert us.get("new").data == {"n": 2}
    bad = us.get("bad")
    assert bad.retry == 2 and len(bad.errors["history"]) == 2
    assert bad.errors["history"][1]["nth_retry"] == 2
    with us.start("bad") as ours:
        assert ours.attempt == 2  # theirs was not counted: they know no attempts
    assert us.get("bad").is_succeeded()


def test_live_leases_of_either_are_respected(our_table: tuple[Any, Any]) -> None:
    them, us = our_table
    us.create("a")
    us.create("b")
    with us.start("a"), pytest.raises(theirs.TaskLockedError), them.start("a", detailed_error=True):
        raise AssertionError("both hold it")
    with them.start("b"), pytest.raises(st.TaskLockedError) as refused, us.start("b", detailed_error=True):
        raise AssertionError("both hold it")
    assert refused.value.retry_at is not None


def test_a_crashed_worker_of_theirs_is_taken_over_and_counted(our_table: tuple[Any, Any]) -> None:
    them, us = our_table
    us.create("a")
    manager = them.start("a")
    manager.__enter__()  # and never left: the worker died
    row = them.get_one_or_none("a")
    row.update(actions=[them.lock_time.set(row.lock_time - timedelta(seconds=100))])
    with us.start("a") as ctx:
        assert ctx.task.retry == 1
        assert ctx.task.errors["history"][0]["kind"] == "lost"
    assert us.get("a").is_succeeded()


def test_their_listing_finds_what_we_wrote_and_ours_theirs(our_table: tuple[Any, Any]) -> None:
    them, us = our_table
    for number in range(12):
        us.create(f"ours-{number}")
        them.make_and_save(f"theirs-{number}")
    assert {task.task_id for task in them.query_by_status(10, limit=100)} == {
        f"{who}-{number}" for who in ("ours", "theirs") for number in range(12)
    }
    assert len(us.query_by_status("pending").all()) == 24
    assert us.count_tasks_by_use_case_id() == 24
    # The directory is one more item to them; it is shaped like a task, and has another use case.
    assert them.count_tasks_by_use_case_id() == 24


def test_a_table_that_they_made_is_adopted(their_table: tuple[Any, Any], caplog: pytest.LogCaptureFixture) -> None:
    them, us = their_table
    for number in range(12):
        them.make_and_save(f"t-{number}", _shard_id=7)
    listed = us.query_by_status("pending").all()
    assert "init --adopt" in caplog.text
    assert len(listed) == 0  # the configuration says 3 shards; the table was written with more
    us.adopt()
    assert len(us.query_by_status("pending").all()) == 12
