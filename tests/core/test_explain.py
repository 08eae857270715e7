"""What is said of a task in every state: status x lease x backoff x other step; and a claim does what it says."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.explain import explain
from statustrack.core.lifecycle import claim, claimable, lease_is_over, next_retry, take_over
from statustrack.core.payload import encode
from statustrack.core.record import NOT_LOCKED, Attempt, new_row
from statustrack.core.writes import Row, holds

CONFIG = TrackerConfig.make("job", 10, 20, 30, 40, 50, more_pending_status=80, lock_expire_seconds=60, max_retry=3)
NOW = 1_700_000_000_000_000
NOW_MS = NOW // 1000
KEY = CONFIG.key("id")
TOKEN = "t" * 32
WORKER = "host:1:abcdef01"
NAMES = {60: "Answer.in_progress", 90: "Answer.succeeded"}


def row_of(code: int, **attributes: Any) -> Row:
    """A row in this status; an attribute of None is left out."""
    row = new_row(CONFIG, KEY, NOW, "{}", "id", code, CONFIG.partition(code, 1))
    row.update({"attempt": 1, "worker": WORKER, **attributes})
    return {name: value for name, value in row.items() if value is not None}


RUNS = {"lock": TOKEN, "lease_until": NOW_MS + 30_000}
OVER = {"lock": TOKEN, "lease_until": NOW_MS - 30_000}
ODD = {"lock": TOKEN, "lease_until": NOW_MS + 90 * 86_400_000}
#: As pynamodb_mate leaves a row: no lease_until; the lease is lock_time and the step's own.
OLD_RUNS = {"lock": TOKEN, "lock_time": times.to_text(NOW - 10_000_000)}
OLD_OVER = {"lock": TOKEN, "lock_time": times.to_text(NOW - 70_000_000)}
SOON = {"ready_at": NOW_MS + 5_000}
PAST = {"ready_at": NOW_MS - 5_000}
FAILED = {"retry": 1, "error_summary": "ValueError: boom"}

#: status, attributes -> state, claim, when it changes by itself (ms from now), what must be said, what to do.
CASES: list[tuple[str, int, dict[str, Any], str, str, int | None, str, str]] = [
    ("never claimed", 10, {"attempt": 0}, "ready", "claim", None, "never claimed", "start one"),
    ("pending again", 10, {}, "ready", "claim", None, "attempt 1 was the last", "start one"),
    ("snoozed", 10, SOON, "waiting", "refuse", 5_000, "(snoozed)", "Wait."),
    ("snoozed, and over", 10, PAST, "ready", "claim", None, "attempt 1 was the last", "start one"),
    ("pending with a lock that runs", 10, RUNS, "other_step_running", "refuse", 30_000, f"{WORKER} holds", "Wait"),
    ("pending with a lock that is over", 10, OVER, "ready", "claim", None, "attempt 1 was the last", "start one"),
    ("pending with an odd lock", 10, ODD, "ready", "claim", None, "attempt 1 was the last", "start one"),
    ("pending, retention over", 10, {"expire_at": NOW_MS // 1000 - 1}, "expired", "refuse", None, "retention", "anew"),
    ("pending, retention ahead", 10, {"expire_at": NOW_MS // 1000 + 9}, "ready", "claim", None, "ready", "start one"),
    ("failed", 30, FAILED, "ready", "claim", None, "It failed once, and can be tried again; the last error: Value",
     "start one"),
    ("failed twice", 30, {**FAILED, "retry": 2}, "ready", "claim", None, "failed twice in a row", "start one"),
    ("failed, in backoff", 30, {**FAILED, **SOON}, "waiting", "refuse", 5_000, "after failure 1 (ValueError: boom)",
     "redrive it"),
    ("failed, backoff over", 30, {**FAILED, **PAST}, "ready", "claim", None, "failed once", "start one"),
    ("failed without an error", 30, {"retry": 1}, "ready", "claim", None, "none is recorded", "start one"),
    ("running", 20, RUNS, "running", "refuse", 30_000, f"{WORKER} is working on it: attempt 1", "release (evict)"),
    ("running as of pynamodb_mate", 20, OLD_RUNS, "running", "refuse", 50_000, "is working on it", "Wait"),
    ("crashed", 20, OVER, "crashed", "take_over", None, "its lease ended at 2023-11-14 22:12:50 UTC without an outcome",
     "takes it over now"),
    ("crashed as of pynamodb_mate", 20, OLD_OVER, "crashed", "take_over", None, "without an outcome", "start one"),
    ("crashed for the last time", 20, {**OVER, "retry": 2}, "crashed", "end_as_ignored", None,
     "It has already failed twice in a row.", "redrive"),
    ("crashed, its failures another step's", 20, {**OVER, "retry": 2, "claimed_from": "job____080____001"}, "crashed",
     "take_over", None, "without an outcome", "start one"),
    ("an odd lease", 20, ODD, "crashed", "take_over", None, "which no sane clock has written", "start one"),
    ("in progress and nobody's", 20, {"lock": NOT_LOCKED}, "crashed", "take_over", None, "nobody holds it",
     "start one"),
    ("in progress without a lock", 20, {"lock": None}, "crashed", "take_over", None, "nobody holds it", "start one"),
    ("no name", 20, {**RUNS, "worker": None}, "running", "refuse", 30_000, "a worker that left no name", "Wait"),
    ("succeeded", 40, {"attempts": encode([list(Attempt(1, "t" * 8, 20, "succeeded", NOW_MS - 9_000, 4_000, "w"))])},
     "succeeded", "refuse", None, "It succeeded at 2023-11-14 22:13:15 UTC in attempt 1.", "Nothing is to be done"),
    ("succeeded long ago", 40, {}, "succeeded", "refuse", None, "It succeeded in attempt 1.", "Nothing"),
    ("ignored", 50, {**FAILED, "retry": 3}, "ignored", "refuse", None,
     "ignored after it failed 3 times in a row; the last error: ValueError: boom.", "redrive"),
    ("given up by its code", 50, {"error_summary": "GiveUp: no such page"}, "ignored", "refuse", None,
     "It is ignored; the last error: GiveUp", "redrive"),
    ("given up by hand", 50, {"notes": encode([{"action": "ignore", "who": "ann@desk", "why": "withdrawn"}])},
     "ignored", "refuse", None, "given up by ann@desk: withdrawn.", "redrive"),
    ("another step's more_pending", 80, {}, "ready", "claim", None, "ready for this step", "start one"),
    ("more_pending in backoff", 80, SOON, "waiting", "refuse", 5_000, "It waits until", "Wait."),
    ("another step works on it", 60, RUNS, "other_step_running", "refuse", 30_000, "(status 60 (Answer.in_progress))",
     "Wait for that step"),
    ("another step crashed", 60, OVER, "other_step", "refuse", None, "60 (Answer.in_progress) belongs to another step",
     "that step"),
    ("another step's status", 90, {}, "other_step", "refuse", None, "90 (Answer.succeeded)", "that step"),
    ("a status of nobody", 99, {}, "other_step", "refuse", None, "99 belongs", "that step"),
    ("no status", 10, {"status": None}, "other_step", "refuse", None, "None", "that step"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_is_said(case: tuple[str, int, dict[str, Any], str, str, int | None, str, str]) -> None:
    _, status, attributes, state, does, changes_ms, says, advice = case
    found = explain(CONFIG, row_of(status, **attributes), NOW, names=NAMES)
    assert (found.state, found.claim) == (state, does)
    assert says in found.says
    assert advice in found.advice
    changes = None if found.at is None else times.datetime_to_micros(found.at) // 1000 - NOW_MS
    assert changes == changes_ms


def test_what_is_missing() -> None:
    found = explain(CONFIG, None, NOW)
    assert (found.state, found.claim) == ("missing", "create_first")


def test_the_cases_have_every_status_lease_and_wait() -> None:
    assert {case[1] for case in CASES} >= {*CONFIG.codes, 60, 80, 90}
    assert {case[3] for case in CASES} == {
        "ready", "waiting", "running", "crashed", "succeeded", "ignored", "other_step", "other_step_running", "expired",
    }  # fmt: skip
    assert {case[4] for case in CASES} == {"claim", "take_over", "end_as_ignored", "refuse"}


STATUSES = (*CONFIG.codes, 60, 80, 90)
LEASES: tuple[dict[str, Any], ...] = ({"lock": None}, {}, RUNS, OVER, ODD, OLD_RUNS, OLD_OVER)
WAITS: tuple[dict[str, Any], ...] = ({}, SOON, PAST)
RETENTIONS: tuple[dict[str, Any], ...] = ({}, {"expire_at": NOW_MS // 1000 - 5}, {"expire_at": NOW_MS // 1000 + 5})
ORIGINS: tuple[dict[str, Any], ...] = ({}, {"claimed_from": "job____010____001"}, {"claimed_from": "job____080____001"})


@pytest.mark.parametrize("slack_ms", [0, 700])
@pytest.mark.parametrize("status", STATUSES)
def test_a_claim_does_what_is_said(status: int, slack_ms: int) -> None:
    """Every combination: what is said of a claim is what the claim's own guard, and a take-over, would do."""
    for lease, wait, retention, origin, retry in product(LEASES, WAITS, RETENTIONS, ORIGINS, range(4)):
        row = row_of(status, **{**lease, **wait, **retention, **origin}, retry=retry)
        found = explain(CONFIG, row, NOW, slack_ms)
        write = claim(CONFIG, KEY, token="u" * 32, worker="w", now=NOW, slack_ms=slack_ms)
        if holds(write.guard, row):
            does = "claim"
        elif lease_is_over(CONFIG, row, NOW, slack_ms):
            taken = take_over(CONFIG, row, token="u" * 32, worker="w", now=NOW)
            assert holds(taken.guard, row)
            does = "end_as_ignored" if taken.set["status"] == CONFIG.ignored_status else "take_over"
            assert (does == "end_as_ignored") == (next_retry(CONFIG, row) >= CONFIG.max_retry)
        else:
            does = "refuse"
        assert found.claim == does, (row, found)
        if found.at is not None and status in (*claimable(CONFIG), CONFIG.in_progress_status):
            # What is said to change by itself does: then, if nothing else is in the way, a claim is not refused.
            then = times.datetime_to_micros(found.at)
            after = explain(CONFIG, row, then, slack_ms)
            assert after.claim != "refuse" or after.state in ("expired", "waiting"), (row, after)
