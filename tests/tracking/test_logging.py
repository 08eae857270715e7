"""One log record per transition, with its fields in extra."""

import logging

import pytest

import statustrack as st
from statustrack.tracking.heartbeat import let_go
from tests.tracking.support import fail


def events(caplog):
    return [(record.levelname, record.event) for record in caplog.records if hasattr(record, "event")]


@pytest.fixture(autouse=True)
def everything(caplog):
    caplog.set_level(logging.DEBUG, "statustrack")


def test_each_transition_is_one_record(local, caplog, clock):
    local.create("t")
    caplog.clear()
    with local.start("t"):
        pass
    assert events(caplog) == [("INFO", "started"), ("INFO", "succeeded")]
    caplog.clear()
    local.create("u")
    fail(local, "u")
    assert events(caplog) == [("INFO", "started"), ("INFO", "failed")]
    caplog.clear()
    with local.start("u"):
        raise st.Snooze(0)
    with pytest.raises(KeyboardInterrupt), local.start("u"):
        raise KeyboardInterrupt
    with local.start("u"):
        raise st.GiveUp("no")
    assert [event for _, event in events(caplog)] == [
        "started",
        "snoozed",
        "started",
        "released",
        "started",
        "ignored",
    ]
    assert events(caplog)[-1] == ("WARNING", "ignored")


def test_a_take_over_a_loss_and_a_late_result_are_warnings(local, caplog, clock):
    local.create("t")
    start = local.start("t")
    start.__enter__()
    let_go(start._ctx._hold)
    start._ctx._hold.released = False
    clock.advance(301)
    caplog.clear()
    with local.start("t"):
        pass
    with pytest.raises(st.TaskLeaseLostError):
        start.__exit__(None, None, None)
    found = events(caplog)
    for wanted in (("WARNING", "take_over"), ("WARNING", "lease_lost"), ("WARNING", "late_result")):
        assert wanted in found


def test_the_fields_of_a_record_are_in_extra(local, caplog):
    local.create("t")
    caplog.clear()
    fail(local, "t", ValueError("boom"))
    started, failed = caplog.records
    assert started.name == failed.name == "statustrack"
    assert started.task == failed.task == "job____t"
    assert started.task_attempt == 1 and started.task_worker
    assert (failed.task_attempt, failed.task_retry, failed.task_status) == (1, 1, 30)
    assert failed.task_error == "ValueError: boom"
    assert failed.getMessage() == "failed: job____t (attempt=1, retry=1, status=30, error=ValueError: boom)"


def test_a_percent_sign_in_an_error_breaks_no_record(local, caplog):
    local.create("t")
    fail(local, "t", ValueError("100 % %s %d"))
    assert "100 % %s %d" in caplog.records[-1].getMessage()


def test_the_library_prints_nothing_and_configures_nothing(local, capsys):
    local.create("t")
    fail(local, "t")
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("statustrack").handlers == [] or all(
        isinstance(handler, logging.NullHandler) for handler in logging.getLogger("statustrack").handlers
    )
