"""What is explored: the bounds of ``make test`` (SMALL) and of ``make verify`` (FULL), and the rows they start from."""

from __future__ import annotations

from typing import Any

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.writes import Row
from tests.modelcheck.explore import Scenario
from tests.modelcheck.space import new_row, steps
from tests.modelcheck.words import FOREIGN, LEASE, NOW, NOW_TEXT, TICK

Start = tuple[str, Row | None, int]

FINISHES = ("succeed", "fail", "give_up", "release", "snooze")
OPERATORS = ("evict", "redrive", "ignore", "delete", "save", "create")
#: What prune does: to what is past its time, and to what a step turns out to wait for.
RETENTION = ("expire", "lift_expiry")

#: Attributes that rows of pynamodb_mate do not have.
_OURS = dict.fromkeys(("attempt", "lease_until", "foreign_attribute"))


def fresh(config: TrackerConfig) -> Start:
    """A task as ``create`` made it."""
    return "new", new_row(config), 0


def waiting(config: TrackerConfig) -> Start:
    """Failed, and not to be claimed before the next tick."""
    ready = NOW // 1000 + TICK // 1000
    return "failed, ready in a tick", new_row(config, status=config.failed_status, retry=1, ready_at=ready), 0


def expiring(config: TrackerConfig) -> Start:
    """Pending, and retention takes it in a tick."""
    return "expiring", new_row(config, expire_at=(NOW + TICK) // 1_000_000), 0


def ended(config: TrackerConfig) -> tuple[Start, ...]:
    """Ignored tasks that retention may take now, or in a tick; one that is pending all the same; one that another
    kind of worker holds."""
    now, soon = NOW // 1_000_000, (NOW + TICK) // 1_000_000
    text = times.to_text(NOW - TICK)
    over = {"status": config.ignored_status, "retry": config.max_retry, "update_time": text}
    return (
        ("ignored, expired", new_row(config, expire_at=now, **over), 0),
        ("ignored, expires in a tick", new_row(config, expire_at=soon, **over), 0),
        ("pending, expired", new_row(config, expire_at=now), 0),
        ("ignored, expired, held by another", new_row(config, expire_at=now, lock=FOREIGN, lock_time=NOW_TEXT, **over),
         LEASE),
    )  # fmt: skip


def failed(config: TrackerConfig, more: Any = None) -> Start:
    """Failed a tick ago, one failure counted."""
    text = times.to_text(NOW - TICK)
    return "failed", new_row(config, status=config.failed_status, retry=1, update_time=text, **(more or {})), 0


def ignored(config: TrackerConfig) -> Start:
    """Ignored a tick ago with all its retries used up."""
    text = times.to_text(NOW - TICK)
    row = new_row(config, status=config.ignored_status, retry=config.max_retry, update_time=text)
    return "ignored", row, 0


def foreign(config: TrackerConfig) -> tuple[Start, ...]:
    """Rows as pynamodb_mate leaves them: no attempt, no lease_until; the lease goes by lock_time."""
    running = config.in_progress_status
    over = times.to_text(NOW - (LEASE + 1) * TICK)
    return (
        ("pending, of pynamodb_mate", new_row(config, **_OURS), 0),
        ("held by pynamodb_mate", new_row(config, status=running, lock=FOREIGN, lock_time=NOW_TEXT, **_OURS), LEASE),
        ("left by pynamodb_mate", new_row(config, status=running, lock=FOREIGN, lock_time=over, **_OURS), 0),
        (
            "pending, still locked by pynamodb_mate",
            new_row(config, status=config.pending_status, lock=FOREIGN, lock_time=NOW_TEXT, **_OURS),
            LEASE,
        ),
        (
            "pending, edited while it is held",
            new_row(config, lock=FOREIGN, lock_time=over, lease_until=NOW // 1000 + LEASE * TICK // 1000),
            LEASE,
        ),
    )


def crowded(config: TrackerConfig) -> Start:
    """As many late results as are kept."""
    return "with 4 late results", new_row(config, late_results=frozenset(("xa", "xb", "xc", "xd"))), 0


def locked(config: TrackerConfig) -> tuple[Start, ...]:
    """Failed and ignored rows that somebody of another kind holds all the same: the lock says so, and not the
    status."""
    return tuple(
        (f"{name}, held by another", new_row(config, status=status, retry=1, lock=FOREIGN, lock_time=NOW_TEXT), LEASE)
        for name, status in (("failed", config.failed_status), ("ignored", config.ignored_status))
    )


ONE, TWO = steps(1), steps(2)
FIRST = ONE[0]
EDGES = (waiting(FIRST), expiring(FIRST))
TOLD = (fresh(FIRST), failed(FIRST), ignored(FIRST), ("none", None, 0))
BOTH = ("heartbeat", "update")

SMALL = (
    Scenario("2 workers, 1 step", ONE, (fresh(FIRST),), finishes=("succeed", "fail"), renewals=0),
    Scenario("1 worker, 2 steps", TWO, (fresh(FIRST),), workers=1, finishes=("succeed", "fail"), kinds=BOTH),
    Scenario("rows that wait or expire", ONE, EDGES, workers=1, finishes=("succeed", "fail")),
    Scenario("operators", ONE, TOLD, workers=1, finishes=("succeed", "fail"), operators=OPERATORS, operations=1,
             renewals=0),
    Scenario("rows of pynamodb_mate", ONE, foreign(FIRST), workers=1, finishes=("succeed", "fail")),
    Scenario("retention", ONE, ended(FIRST), workers=1, finishes=("succeed",), renewals=0, operations=2,
             operators=(*RETENTION, "redrive")),
)  # fmt: skip

FULL = (
    Scenario("2 workers, 1 step, a late message", ONE, (fresh(FIRST),), finishes=("succeed", "fail"), copies=1,
             rescues=False),
    Scenario("2 workers that rescue, 1 step, a late message", ONE, (fresh(FIRST),), finishes=("succeed",), renewals=0,
             copies=1),
    Scenario("2 workers, 1 step, all ends", ONE, (fresh(FIRST), *EDGES), kinds=BOTH, finishes=FINISHES),
    Scenario("2 workers, 2 steps", TWO, (fresh(FIRST),), finishes=("succeed", "fail"), renewals=1),
    Scenario("3 workers, 1 step", ONE, (fresh(FIRST),), workers=3, renewals=0, finishes=("succeed", "fail")),
    Scenario("2 workers, 2 steps, a late message", steps(2, max_retry=1), (fresh(FIRST),), renewals=0, copies=1,
             finishes=("succeed", "fail")),
    Scenario("2 workers, 1 step, evicted and redriven", ONE, TOLD[:2], renewals=0, finishes=("succeed", "fail"),
             operators=("evict", "redrive"), operations=1),
    Scenario("1 worker, 1 step, every operator", ONE, TOLD, workers=1, renewals=1, finishes=("succeed", "fail"),
             operators=OPERATORS, operations=1),
    Scenario("1 worker, 2 steps, all ends, a late message", TWO, (fresh(FIRST),), workers=1, finishes=FINISHES,
             kinds=BOTH, copies=1),
    Scenario("2 workers, 1 step, rows of pynamodb_mate", ONE, foreign(FIRST), finishes=("succeed", "fail")),
)  # fmt: skip
