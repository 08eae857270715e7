"""What is explored: the bounds of each search, and the rows, odd ones included, where they start."""

from __future__ import annotations

from statustrack.core import times
from statustrack.core.limits import ODD_LEASE_MS
from statustrack.core.writes import Row
from tests.model.explore import Scenario
from tests.model.space import new_row, steps
from tests.model.words import FOREIGN, LEASE, NOW, NOW_TEXT, TICK

Start = tuple[str, Row | None, int]

ONE, TWO = steps(1), steps(2)
PENDING, RUNNING, FAILED, SUCCEEDED, IGNORED = ONE[0].codes
#: One more failure and they are ignored.
LAST_CHANCE = steps(1, max_retry=1)
LAST_CHANCE_TWO = steps(2, max_retry=1)

_MS = NOW // 1000
_TICK_MS = TICK // 1000
_LONG_AGO = times.to_text(NOW - (LEASE + 1) * TICK)

NEW: Start = ("new", new_row(ONE[0]), 0)
ABSENT: Start = ("none", None, 0)
FAILED_ONCE: Start = ("failed once", new_row(ONE[0], status=FAILED, retry=1, attempt=1), 0)


def _row(name: str, holder: int = 0, **attributes: object) -> Start:
    return name, new_row(ONE[0], **attributes), holder


def _foreign(name: str, status: int, **more: object) -> Start:
    """A row that pynamodb_mate holds: a lock, its time, and nothing that only this library writes."""
    attributes = {"status": status, "lock": FOREIGN, "lock_time": NOW_TEXT, "attempt": None, **more}
    return _row(f"held by pynamodb_mate, {name}", LEASE, **attributes)


#: A holder that is not ours, and whose lease is alive.
FOREIGN_HOLDERS: tuple[Start, ...] = (
    _foreign("pending", PENDING),
    _foreign("failed", FAILED, retry=1),
    _foreign("in progress", RUNNING),
    _foreign("in progress, made by us", RUNNING, attempt=0),
    _row("pending, edited while it is held", LEASE, lock=FOREIGN, lock_time=_LONG_AGO, lease_until=_MS + LEASE * _TICK_MS),
)

#: Nobody holds these, whatever it looks like: a worker must be able to take them.
ODD_ROWS: tuple[Start, ...] = (
    NEW,
    _row("without lock and attempt", lock=None, attempt=None),
    _row("without lock, with the rest of a lease", lock=None, lease_until=_MS + 2 * _TICK_MS, lock_time=NOW_TEXT),
    _row("free, with the rest of a lease", lease_until=_MS + 2 * _TICK_MS, lock_time=NOW_TEXT),
    _row("pending, its lease is over, locked just now", lock=FOREIGN, lease_until=_MS, lock_time=NOW_TEXT),
    _row("pending, its lease ends in a far future", lock=FOREIGN, lease_until=_MS + 2 * ODD_LEASE_MS, lock_time=NOW_TEXT),
    _row("pending, locked a lease ago", lock=FOREIGN, lock_time=_LONG_AGO),
    _row("pending, locked nobody knows when", lock=FOREIGN, lock_time=None),
    _row("in progress, but free", status=RUNNING),
    _row("in progress, but free, without attempt", status=RUNNING, attempt=None),
    _row("in progress, without lock", status=RUNNING, lock=None, attempt=None),
    _row("failed, waiting", status=FAILED, retry=1, attempt=1, ready_at=_MS + 2 * _TICK_MS),
    _row("failed, done waiting", status=FAILED, retry=1, attempt=1, ready_at=_MS),
    _row("pending, expires later", expire_at=(_MS + 2 * _TICK_MS) // 1000),
    _row("pending, expired", expire_at=_MS // 1000),
    _row("succeeded", status=SUCCEEDED, attempt=1),
    _row("ignored", status=IGNORED, attempt=2),
)

#: Every end that a holder can come to.
ALL_ENDS = ("succeed", "fail", "give_up", "release", "snooze", "give_back", "too_large")
OPERATORS = ("evict", "redrive", "ignore", "delete", "save", "create", "edit", "too_large")

#: What `make verify` exhausts. Claims are not counted: each worker claims, crashes and comes back as often as it likes.
EXHAUSTIVE: tuple[Scenario, ...] = (
    Scenario("three workers, renewing", ONE, (NEW,), workers=3, renewals=1, finishes=("succeed", "fail"), waits=False),
    Scenario("three workers, late duplicates", LAST_CHANCE, (NEW,), workers=3, renewals=0, finishes=("succeed", "fail"),
             copies=1, waits=False),
    Scenario("two steps, renewing", TWO, (NEW,), renewals=1, finishes=("succeed", "fail", "release")),
    Scenario("two steps, late duplicates", LAST_CHANCE_TWO, (NEW,), renewals=0, finishes=("succeed", "fail"), copies=1,
             waits=False),
    Scenario("one step, late duplicates of renewals too", ONE, (FAILED_ONCE,), renewals=1, kinds=("heartbeat",),
             finishes=("succeed", "fail"), copies=1, waits=False),
    Scenario("one worker, two late messages at once", ONE, (NEW,), workers=1, renewals=2, kinds=("update",),
             finishes=("succeed", "fail", "release"), copies=2, delay=3),
    Scenario("all ends", ONE, (NEW, FAILED_ONCE), renewals=0, finishes=ALL_ENDS),
    Scenario("odd rows and foreign holders", ONE, ODD_ROWS + FOREIGN_HOLDERS, renewals=0, finishes=("succeed", "fail")),
    Scenario("operators", ONE, (NEW, FAILED_ONCE, FOREIGN_HOLDERS[1], FOREIGN_HOLDERS[2]), workers=1, renewals=0,
             finishes=("succeed", "fail"), operators=OPERATORS, operations=2),
    Scenario("an operator among two workers", ONE, (FAILED_ONCE,), renewals=1, finishes=("succeed", "fail"),
             operators=("evict", "ignore", "delete"), operations=1),
)  # fmt: skip

#: What `make test` exhausts.
SMALL: tuple[Scenario, ...] = (
    Scenario("three workers, one chance", LAST_CHANCE, (NEW,), workers=3, renewals=0, finishes=("succeed", "fail"),
             waits=False),
    Scenario("two steps", LAST_CHANCE_TWO, (NEW,), renewals=0, finishes=("succeed", "fail")),
    Scenario("one worker, a late duplicate", ONE, (NEW,), workers=1, renewals=1, kinds=("heartbeat", "update"),
             finishes=("succeed", "fail"), copies=1),
    Scenario("odd rows and foreign holders", ONE, ODD_ROWS + FOREIGN_HOLDERS, workers=1, renewals=0,
             finishes=("succeed", "fail")),
    Scenario("an operator", ONE, (NEW, FAILED_ONCE, FOREIGN_HOLDERS[1]), workers=1, renewals=0, finishes=("succeed", "fail"),
             operators=OPERATORS, operations=1),
)  # fmt: skip
