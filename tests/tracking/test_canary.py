"""A redrive behind a canary: a sample first, its outcomes awaited, then the others, or none."""

from __future__ import annotations

import pytest

from statustrack.core import lifecycle
from statustrack.core.failure import from_reason
from statustrack.core.writes import apply
from statustrack.tracking.canary import needed_of, outcome_since, share_of
from tests.tracking.support import FIRST, SECOND, fail, failed_many, step

IDS = [f"t-{number}" for number in range(30)]


def working(made, clock, good):
    """What workers do while the redrive waits: at each look one more pending task succeeds, or fails."""
    engine, _ = made._engine_and_table()
    seen = []

    def look(report):
        clock.advance(1)
        if report.canary is None or report.canary.passed is not None:
            return
        seen.append(engine.clock.boot())
        task = made.query_by_status("pending").one_or_none()
        if task is None:
            return
        if good(len(seen)):
            with made.start(task.task_id):
                pass
        else:
            fail(made, task.task_id)

    return look


def test_a_good_canary_lets_the_others_go(made, clock):
    failed_many(made, IDS)
    clock.advance(1)
    report = made.redrive(canary=5, require="80%", why="fix", progress=working(made, clock, lambda _: True))
    assert report.stopped is None and report.redriven == 30 == report.matched
    assert (report.canary.size, report.canary.needed, report.canary.passed) == (5, 4, True)
    assert report.canary.succeeded >= 4 and report.canary.failed == 0
    assert sorted(report.ids) == sorted(IDS) and report.ids[:5] == report.canary.ids
    assert {note["id"] for name in IDS for note in made.get(name).notes} == {report.redrive_id}


def test_a_bad_canary_stops_as_soon_as_it_cannot_pass(made, clock):
    failed_many(made, IDS)
    clock.advance(1)
    report = made.redrive(canary=5, require=0.8, progress=working(made, clock, lambda look: look not in (1, 2)))
    assert (report.redriven, report.canary.passed) == (5, False)
    assert report.canary.failed == 2 and report.canary.waiting == 3, "the other three were not waited for"
    assert "0 of 5 succeeded, 2 failed" in report.stopped and "4 had to succeed" in report.stopped
    counts = made.count_by_status()
    assert counts["failed"] == 27 and counts["pending"] == 3
    # The others can be redriven later, under the same id or another.
    clock.advance(1)
    assert made.redrive(redrive_id=report.redrive_id).redriven == 25


def test_without_workers_it_stops_when_the_time_is_up(made, clock):
    failed_many(made, IDS)
    clock.advance(1)
    looks = []

    def look(report):
        looks.append(report.canary)
        clock.advance(20)

    report = made.redrive(canary=3, wait="1m", progress=look)
    assert report.redriven == 3 and report.canary.passed is False and report.canary.waiting == 3
    assert "are workers running?" in report.stopped
    assert 3 <= len(looks) <= 5


def test_a_sample_that_is_all_there_is_waits_for_its_verdict_too(made, clock):
    failed_many(made, ["a", "b"])
    clock.advance(1)
    report = made.redrive(canary=20, progress=working(made, clock, lambda _: True))
    assert report.redriven == 2 and report.canary.passed is True and report.canary.size == 2


def test_nothing_to_redrive_waits_for_nothing(made):
    report = made.redrive(canary=20)
    assert report.redriven == 0 and report.canary is None and report.stopped is None


def test_an_empty_wait_looks_once(local, clock):
    failed_many(local, ["a"])
    clock.advance(1)
    assert local.redrive(canary=1, wait=0).canary.passed is False


def test_the_sample_is_drawn_from_many(local, clock):
    ids = [f"t-{number:03}" for number in range(200)]
    failed_many(local, ids)
    clock.advance(1)
    report = local.redrive(canary=20, wait=0)
    assert len(set(report.canary.ids)) == 20
    # The oldest twenty by chance: one in 10**27.
    assert sorted(report.canary.ids) != ids[:20]


@pytest.mark.parametrize(("said", "share"), [(1, 1.0), (0.95, 0.95), ("95%", 0.95), ("0.5", 0.5), (" 100% ", 1.0)])
def test_what_is_required_can_be_said_in_ways(said, share):
    assert share_of(said) == pytest.approx(share)


@pytest.mark.parametrize(
    ("size", "share", "needed"), [(20, 0.95, 19), (20, 1.0, 20), (1, 0.01, 1), (3, 0.5, 2), (10, 0.7, 7)]
)
def test_what_is_needed_is_rounded_up_but_not_for_rounding_errors(size, share, needed):
    assert needed_of(size, share) == needed


def held(config, attempt=1):
    """A row that was redriven after this attempt, and claimed."""
    row = {"key": config.key("t"), "status": config.pending_status, "value": config.value(config.key("t"), 10),
           "attempt": attempt, "retry": 0}  # fmt: skip
    return apply(lifecycle.claim(config, row["key"], token="f" * 32, worker="w", now=10**15), row)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (lambda c, r: lifecycle.succeed(c, r, now=2 * 10**15), "succeeded"),
        (lambda c, r: lifecycle.fail(c, r, now=2 * 10**15, failure=from_reason("x", "boom")), "failed"),
        (lambda c, r: lifecycle.give_up(c, r, now=2 * 10**15, failure=from_reason("x", "boom")), "failed"),
        (lambda c, r: lifecycle.release(c, r, now=2 * 10**15), None),
        (lambda c, r: lifecycle.snooze(c, r, now=2 * 10**15, delay_ms=5), None),
        (lambda c, r: lifecycle.evict(c, r, now=2 * 10**15, who="ann", why=""), "failed"),
        (lambda c, r: lifecycle.take_over(c, r, token="e" * 32, worker="v", now=2 * 10**15), "failed"),
    ],
    ids=["succeeded", "failed", "given up", "released", "snoozed", "evicted", "taken over"],
)
def test_the_first_attempt_that_counts_decides(event, outcome):
    config = step("jobs").config
    row = held(config)
    assert outcome_since(row, config, 1) is None, "in progress"
    ended = apply(event(config, row), row)
    assert outcome_since(ended, config, 1) == outcome
    if outcome == "failed" and ended["status"] == config.failed_status:
        again = apply(lifecycle.claim(config, row["key"], token="d" * 32, worker="w", now=3 * 10**15), ended)
        good = apply(lifecycle.succeed(config, again, now=4 * 10**15), again)
        assert outcome_since(good, config, 1) == "failed", "it failed at first"


def test_a_task_that_went_on_to_the_next_step_has_succeeded():
    first, second = step("jobs", FIRST).config, step("jobs", SECOND).config
    done = held(first)
    done = apply(lifecycle.succeed(first, done, now=2 * 10**15), done)
    next_one = apply(lifecycle.claim(second, done["key"], token="c" * 32, worker="w", now=3 * 10**15), done)
    assert outcome_since(next_one, first, 1) == "succeeded"
    without = {name: value for name, value in next_one.items() if name != "attempts"}  # as pynamodb_mate leaves it
    assert outcome_since(without, first, 1) == "succeeded"


def test_a_task_that_was_deleted_or_ignored_by_hand_has_not_succeeded():
    config = step("jobs").config
    assert outcome_since(None, config, 1) == "failed"
    assert outcome_since({"status": config.ignored_status}, config, 1) == "failed"


def test_it_is_logged_why_it_stopped(local, clock, caplog):
    failed_many(local, ["a", "b"])
    clock.advance(1)
    with caplog.at_level("INFO", "statustrack"):
        local.redrive(canary=1, wait=0)
    assert "the canary did not pass" in caplog.text
