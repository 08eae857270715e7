"""Redrive: the chosen go back to pending once, with a note; what has moved on is left alone; a crash ends nothing."""

from __future__ import annotations

import signal

import pytest

import statustrack as st
from statustrack.core.times import datetime_to_micros
from tests.tracking.support import child, fail, failed_many, step


def test_redriven_tasks_have_all_their_retries_and_a_note(made, clock):
    made.create("t")
    fail(made, "t")
    clock.advance(1)
    began = made._engine_and_table()[0].now()
    report = made.redrive(["t"], why="parser 2.1", who="ann")
    task = made.get("t")
    assert (report.matched, report.redriven, report.ids) == (1, 1, ["t"])
    assert task.is_pending() and task.retry == 0 and task.ready_at is None and task.attempt == 1
    (note,) = task.notes
    assert {name: note[name] for name in ("action", "who", "why", "id")} == {
        "action": "redrive", "who": "ann", "why": "parser 2.1", "id": report.redrive_id,
    }  # fmt: skip
    assert abs(datetime_to_micros(task.update_time) - began) < 1_000_000
    assert [attempt.outcome for attempt in task.attempts] == ["failed"], "the history stays"


def test_what_is_chosen_and_no_more(made, clock):
    group = failed_many(made, ["a1", "a2"], "one kind")
    failed_many(made, ["old"], "another kind")
    clock.advance(7200)
    other = failed_many(made, ["b1", "b2"], "another kind")
    failed_many(made, ["gone"], "one kind", ignored=True)
    made.create("pending")
    clock.advance(60)

    def would(ids=None, **choice):
        return sorted(made.redrive(ids, dry_run=True, **choice).ids)

    assert would() == ["a1", "a2", "b1", "b2", "gone", "old"]
    assert would(status="ignored") == ["gone"]
    assert would(status=made.config.status_enum.failed) == ["a1", "a2", "b1", "b2", "old"]
    assert would(group=group) == ["a1", "a2", "gone"]
    assert would(text="another") == ["b1", "b2", "old"]
    assert would(until="1h") == ["a1", "a2", "old"]
    assert would(since="1h", group=other) == ["b1", "b2"]
    assert would(["a1", "b1", "pending", "missing", "a1"]) == ["a1", "b1"]
    assert would(["a1", "b1", "gone"], group=group, status="failed") == ["a1"]
    assert would(limit=2) == ["a1", "a2"] or len(would(limit=2)) == 2
    assert would(limit=0) == []
    assert made.count_by_status()["pending"] == 1, "a dry run changes nothing"
    assert made.redrive(group=group).redriven == 3
    assert would() == ["b1", "b2", "old"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "pending"}, {"limit": -1}, {"ids": "t"}, {"group": ""}, {"redrive_id": 'a"b'}, {"redrive_id": ""},
        {"canary": 0}, {"canary": True}, {"require": 0}, {"require": "95"}, {"require": "95%%"}, {"require": "x"},
        {"wait": -1}, {"wait": "soon"}, {"since": "yesterday"},
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_written(local, wrong):
    local.create("t")
    fail(local, "t")
    with pytest.raises(st.ConfigError):
        local.redrive(**{"canary": 1, **wrong})
    assert local.get("t").is_failed()


def test_a_task_that_moved_on_is_left_alone_and_counted(faulty, made, clock):
    failed_many(made, ["a", "b"])
    clock.advance(1)

    def meanwhile(engine):
        with st.use_engine(engine._inner), made.start("a"):
            pass

    faulty.plan["redrive"] = [meanwhile]
    report = made.redrive()
    assert (report.matched, report.redriven, report.changed_meanwhile, report.ids) == (2, 1, 1, ["b"])
    assert made.get("a").is_succeeded() and made.get("a").notes == []


def test_a_task_that_fails_again_is_not_redriven_twice_by_one_redrive(made, clock):
    failed_many(made, ["a", "b"])
    clock.advance(1)
    first = made.redrive(["a"])
    clock.advance(1)
    fail(made, "a")
    clock.advance(1)
    again = made.redrive(redrive_id=first.redrive_id)
    assert again.ids == ["b"]
    assert made.redrive().ids == ["a"], "another redrive takes it"


def test_an_id_in_the_words_of_a_note_is_not_the_note_of_that_redrive(made, clock):
    failed_many(made, ["a"])
    clock.advance(1)
    made.redrive(why="deploy-7")
    clock.advance(1)
    fail(made, "a")
    clock.advance(1)
    assert made.redrive(redrive_id="deploy-7").redriven == 1


def test_a_lost_reply_is_recognised_and_an_unconfirmed_one_says_how_to_go_on(faulty, made, clock):
    failed_many(made, ["a", "b"])
    clock.advance(1)
    faulty.plan["redrive"] = ["lose"]
    with pytest.raises(st.StorageUnavailableError) as unclear:
        made.redrive(redrive_id="run-1")
    assert "go on with redrive_id='run-1'" in str(unclear.value)
    report = made.redrive(redrive_id="run-1")
    assert report.redriven == 0, "they had landed"
    assert [len(made.get(name).notes) for name in ("a", "b")] == [1, 1]


def test_few_requests_beyond_the_reads(made, table_name, clock):
    failed_many(made, [f"t-{number}" for number in range(250)])
    clock.advance(1)
    made.redrive(limit=50)  # what a process asks once (the clock, whether PartiQL works) is asked
    engine = made._engine_and_table()[0]
    before = dict(engine.meter.by_operation)
    report = made.redrive()
    reads = ("query", "batch_get_item", "get_item", "page", "get", "count")
    asked = {
        name: count - before.get(name, 0)
        for name, count in engine.meter.by_operation.items()
        if not name.lower().replace("_", "").startswith(tuple(each.replace("_", "") for each in reads))
    }
    assert report.redriven == 200
    assert 0 < sum(asked.values()) <= 0.1 * report.redriven, asked


def test_progress_is_told_after_every_batch(local, clock):
    failed_many(local, [f"t-{number}" for number in range(1100)])
    clock.advance(1)
    seen = []
    local.redrive(progress=lambda report: seen.append(report.redriven))
    assert seen == [500, 1000, 1100]


KILLED = """
from statustrack.engines.registry import open_engine

engine = open_engine(os.environ["STATUSTRACK_ENGINE"])
inner, call, seen = engine.apply, getattr(engine, "connection", engine), []

def apply(table, writes):  # written, and its reply never seen
    outcomes = inner(table, writes)
    seen.extend(write.event for write in writes[:1])
    if seen.count("redrive") == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes

def request(operation, send=getattr(call, "call", None), **parameters):  # between two requests of one batch
    seen.append(operation)
    if seen.count("batch_execute_statement") == 35:
        os.kill(os.getpid(), signal.SIGKILL)
    return send(operation, **parameters)

engine.apply = apply
if engine.name == "dynamodb":
    engine.connection.call = request
step(sys.argv[1]).redrive(redrive_id="run-1", why="first")
"""


def test_killed_in_the_middle_and_resumed_nothing_is_done_twice_or_left_out(engine_url, table_name):
    count = 1500
    with st.use_engine(engine_url):
        task = step(table_name)
        task.create_table(wait=True)
        failed_many(task, [f"t-{number}" for number in range(count)])
        process = child(KILLED, engine_url, table_name)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        done = task.count_by_status()["pending"]
        assert 500 < done < count
        # One of those that were redriven fails again meanwhile: it is not the resumed redrive's business.
        again = next(iter(task.query_by_status("pending", limit=1))).task_id
        fail(task, again)
        report = task.redrive(redrive_id="run-1", why="second")
        # Requests that were on their way at the kill may have landed since they were counted.
        assert 0 < report.redriven <= count - done
        assert task.count_by_status() == {
            "pending": count - 1, "in_progress": 0, "failed": 1, "succeeded": 0, "ignored": 0,
        }  # fmt: skip
        found = task.query_by_status(["pending", "failed"], auto_refresh=True).all()
        assert len(found) == count
        assert all([note["id"] for note in each.notes] == ["run-1"] for each in found)
