"""How quickly a step gets on: throughput, durations and outcomes of its last attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

from statustrack.core.record import Attempt, attempts_of
from statustrack.core.sharding import merge
from statustrack.core.writes import Row
from statustrack.tracking.view import Cost, View, moment

#: Attempts of each step that are looked at.
LAST = 100


@dataclass(frozen=True)
class Pace:
    """The last ended attempts of one step: ``attempts`` of them, from ``since`` to ``until``.

    ``failed`` counts failed, ignored and lost ones. ``per_minute`` is over that time (None: there are fewer than two);
    ``median_seconds`` and ``p95_seconds`` are the durations of those that succeeded (None: none did).
    """

    use_case: str
    step: str
    attempts: int
    succeeded: int
    failed: int
    lost: int
    since: datetime | None
    until: datetime | None
    per_minute: float | None
    median_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True)
class Paces:
    """The pace of each step."""

    steps: list[Pace]
    now: datetime
    cost: Cost


def paces(view: View, last: int = LAST, use_case: str | None = None) -> Paces:
    """The pace of every step, from the histories of the tasks that moved last.

    On DynamoDB one request for each status and shard, and one for 100 tasks.

    :param last: how many attempts of each step; as many tasks of a use case are read.
    """
    found: list[Pace] = []
    for name, entry in sorted(view.directory.use_cases.items()):
        if use_case not in (None, name) or not entry.steps:
            continue
        attempts: dict[int, list[Attempt]] = {}
        for row in _moved_last(view, name, last):
            for attempt in attempts_of(row):
                attempts.setdefault(attempt.status, []).append(attempt)
        found += [
            _pace(name, step.__name__, attempts.get(step.config.in_progress_status, []), last)
            for step in view.steps_of(name)
        ]
    return Paces(found, view.now, view.spent())


def _moved_last(view: View, use_case: str, last: int) -> list[Row]:
    entry = view.directory.use_cases[use_case]
    first = min(step.codes[0] for step in entry.steps.values())
    codes = [code for code in sorted(entry.shards) if code != first]
    pages = view.read_all(
        [
            partial(view.engine.page, view.table, partition.value, limit=last, newest_first=True)
            for partition in view.partitions(use_case, codes)
        ]
    )
    merged = merge((page.rows for page in pages), lambda row: (row["update_time"], row["key"]), newest_first=True)
    rows = list(islice(merged, last))
    if view.engine.page_is_full or not rows:
        return rows
    return list(view.engine.get(view.table, [row["key"] for row in rows], attributes=("attempts",)).values())


def _pace(use_case: str, step: str, attempts: list[Attempt], last: int) -> Pace:
    ended = [each for each in attempts if each.outcome in ("succeeded", "failed", "ignored", "lost")]
    ended = sorted(ended, key=_end)[-last:]
    seconds = sorted(each.duration_ms / 1000 for each in ended if each.outcome == "succeeded")
    lost = sum(each.outcome == "lost" for each in ended)
    first, final = (_end(ended[0]), _end(ended[-1])) if ended else (0, 0)
    return Pace(
        use_case,
        step,
        attempts=len(ended),
        succeeded=len(seconds),
        failed=len(ended) - len(seconds),
        lost=lost,
        since=moment(first) if ended else None,
        until=moment(final) if ended else None,
        per_minute=(len(ended) - 1) * 60_000 / (final - first) if final > first else None,
        median_seconds=percentile(seconds, 50),
        p95_seconds=percentile(seconds, 95),
    )


def _end(attempt: Attempt) -> int:
    return attempt.start_ms + attempt.duration_ms


def percentile(values: list[float], percent: int) -> float | None:
    """The least of these sorted values that ``percent`` of them do not exceed (nearest rank); None of no values."""
    if not values:
        return None
    return values[max(0, -(-len(values) * percent // 100) - 1)]
