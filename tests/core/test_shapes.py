"""A write that names its shape: the constants that it gives are those of its guard, in its order."""

from __future__ import annotations

import pytest

from statustrack.core import lifecycle
from statustrack.core.config import TrackerConfig
from statustrack.core.record import new_row
from statustrack.core.writes import Row, Write, apply, constants

CONFIG = TrackerConfig.make("job", 10, 20, 30, 40, 50, lock_expire_seconds=60)
NOW = 1_700_000_000_000_000
KEY = CONFIG.key("id")


def held(attempt: int) -> Row:
    free = new_row(CONFIG, KEY, NOW, "{}", "id", 10, CONFIG.value(KEY, 10))
    row = apply(lifecycle.claim(CONFIG, KEY, token="t" * 32, worker="w", now=NOW), free)
    assert row is not None
    return {**row, "attempt": attempt}


WRITES = {
    "claim": lifecycle.claim(CONFIG, KEY, token="t" * 32, worker="w", now=NOW, slack_ms=700, lease_ms=9000),
    "claim of more": lifecycle.claim(CONFIG, KEY, token="t" * 32, worker="w", now=NOW, statuses=(10, 30, 99)),
    "succeed": lifecycle.succeed(CONFIG, held(1), now=NOW),
    "succeed of a row without attempts": lifecycle.succeed(CONFIG, held(0), now=NOW),
    "release": lifecycle.release(CONFIG, held(7), now=NOW),
    "give_back": lifecycle.give_back(CONFIG, held(7), now=NOW),
}


@pytest.mark.parametrize("write", list(WRITES.values()), ids=list(WRITES))
def test_the_values_are_the_constants_of_the_guard(write: Write) -> None:
    assert write.shape is not None
    assert write.values == constants(write.guard)


def test_guards_of_one_shape_differ_in_constants_only() -> None:
    by_shape: dict[object, list[Write]] = {}
    for write in WRITES.values():
        by_shape.setdefault(write.shape, []).append(write)
    for writes in by_shape.values():
        forms = {tuple(tuple(each[:2] for each in clause.any_of) for clause in write.guard) for write in writes}
        assert len(forms) == 1
