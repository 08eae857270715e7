"""The words that the parts of the model share: its units, and what a message, its result and a mutant are."""

from __future__ import annotations

from typing import Any, NamedTuple

from statustrack.core import times
from statustrack.core.failure import from_reason

NOW = 1_700_000_000_000_000
TICK = 1_000_000
LEASE = 2  #: ticks
NOW_TEXT = times.to_text(NOW)
KEY = "job____1"
FOREIGN = "foreign0"  #: the lock of a worker that runs pynamodb_mate, and was there before the search
FAILURE = from_reason("error", "boom")

#: Events of a holder that end its attempt, with the outcome that they record.
FINISHES = {
    "succeed": "succeeded",
    "fail": "failed",
    "give_up": "ignored",
    "release": "released",
    "snooze": "snoozed",
    "give_back": "given back",
    "too_large": "ignored",
}
LOSSES = ("lost", "evicted")


def mate_lock(spec: Spec) -> str:
    """The lock of a worker of pynamodb_mate that claims during the search: another one each time."""
    return f"foreign_{spec.token}"


def is_foreign(lock: str | None) -> bool:
    """Whether a worker of pynamodb_mate holds it."""
    return lock is not None and lock.startswith("foreign")


class Spec(NamedTuple):
    """A write that was sent ``age`` ticks ago, in terms of what its sender knew: enough to build the real one."""

    event: str
    step: int
    token: str  #: of the holder; an id of the operator's own for operators
    row: int  #: what was observed when it was sent, or the claim's after-image
    extra: int  #: ticks between a redrive's begin and its sending; version of the data of an update
    age: int


class Result(NamedTuple):
    """What the store did with a write."""

    applied: bool  #: the guard held
    mine: bool  #: refused, but it had landed before
    row: int
    ended: tuple[int, str, str] | None  #: an attempt (number and lock token) that it ended, and how
    problems: tuple[str, ...]


class Mutant(NamedTuple):
    """A guard without one clause, or without one alternative of a clause."""

    event: str
    clause: str
    alternative: tuple[str, str, Any] | None = None
