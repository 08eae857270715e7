"""How many tasks are in each step and status, how long the oldest has waited, what runs, and what is stuck."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from statustrack.core.lifecycle import lease_is_over
from statustrack.core.status import STATUS_NAMES
from statustrack.core.writes import Row
from statustrack.tracking.task import BaseTask
from statustrack.tracking.view import Cost, Partition, View, instant

#: A count stops here unless it is to be exact: DynamoDB reads, and bills, every index entry that it counts.
COUNTED = 10_000
#: Where pages carry the index only, one page of so many tells the count and the oldest in one request.
FIRST = 1000
#: Of what runs, so many (the longest running of each shard) are looked at.
LOOKED_AT = 200
LEASE_ATTRIBUTES = ("status", "lock", "lease_until", "lock_time")


@dataclass(frozen=True)
class Oldest:
    """The task that has been in a status for longest."""

    task_id: str
    since: datetime
    seconds: float


@dataclass(frozen=True)
class Running:
    """What is in progress in a step.

    ``long`` have been for longer than the step's lease: they are alive if they renew it. ``stuck`` of these have a
    lease that is over: their workers crashed or hang (None: the leases were not read). ``partly``: only the longest
    running were looked at.
    """

    oldest: Oldest | None
    long: int
    stuck: int | None
    partly: bool


@dataclass(frozen=True)
class StepCounts:
    """One step: its codes and counts by status name. A code that a later step waits for is counted there, and None
    here: ``goes_on_to`` names that step."""

    step: str
    codes: dict[str, int]
    counts: dict[str, int | None]
    goes_on_to: str | None
    oldest_waiting: Oldest | None
    running: Running


@dataclass(frozen=True)
class UseCaseCounts:
    """One use case. ``other`` counts codes of no known step; ``capped`` lists codes that have more than was counted."""

    use_case: str
    tasks: int
    steps: list[StepCounts]
    other: dict[str, int]
    capped: list[int]


@dataclass(frozen=True)
class Overview:
    """One table. Without ``complete`` it was written by others, and shards may be missing until ``init --adopt``."""

    table: str
    complete: bool
    use_cases: list[UseCaseCounts]
    now: datetime
    cost: Cost


class _Part(NamedTuple):
    """What one partition holds: the count, its first rows where they were wanted, and whether there are more."""

    total: int
    rows: list[Row]
    more: bool


def overview(view: View, most: int | None = COUNTED, leases: bool = False, use_case: str | None = None) -> Overview:
    """Count a table.

    On DynamoDB one request for each status and shard, and a second one for a shard in which more than 1,000 tasks wait
    or run. With ``leases`` also one for 100 tasks that have been in progress for longer than their lease.

    :param most: stop counting a shard beyond this; None: exact.
    :param leases: read the leases also where a listing does not carry them.
    :param use_case: only this one.
    :raises ConfigError: there is no such use case.
    """
    if use_case is not None:
        view.chosen(use_case)
    names = [name for name in sorted(view.directory.use_cases) if use_case in (None, name)]
    jobs: list[tuple[Partition, str]] = []
    for name in names:
        entry = view.directory.use_cases[name]
        pending = {step.codes[0] for step in entry.steps.values()}
        running = {step.codes[1] for step in entry.steps.values()}
        for partition in view.partitions(name, sorted(entry.shards)):
            kind = "first" if partition.code in pending else "held" if partition.code in running else "count"
            jobs.append((partition, kind))
    parts = view.read_all([partial(_look, view, partition, kind, most) for partition, kind in jobs])
    found: dict[str, dict[int, list[_Part]]] = {}
    for (partition, _), part in zip(jobs, parts, strict=True):
        found.setdefault(partition.use_case, {}).setdefault(partition.code, []).append(part)
    use_cases = [_use_case(view, name, found.get(name, {}), most, leases) for name in names]
    return Overview(view.table, view.directory.complete, use_cases, view.now, view.spent())


def _look(view: View, partition: Partition, kind: str, most: int | None) -> _Part:
    engine, table = view.engine, view.table
    if kind == "count":
        return _Part(engine.count(table, partition.value, most), [], False)
    if engine.page_is_full:  # a page carries the data of its tasks too, and a count costs next to nothing
        count = engine.count(table, partition.value, most)
        if not count:
            return _Part(0, [], False)
        page = engine.page(table, partition.value, limit=10 if kind == "first" else LOOKED_AT)
        return _Part(count, page.rows, page.after is not None)
    page = engine.page(table, partition.value, limit=FIRST)
    if page.after is None:
        return _Part(len(page.rows), page.rows, False)
    return _Part(engine.count(table, partition.value, most), page.rows, True)


def _use_case(view: View, name: str, found: dict[int, list[_Part]], most: int | None, leases: bool) -> UseCaseCounts:
    # An engine may count one further than it was asked to.
    counts = {code: sum(_capped(part.total, most) for part in parts) for code, parts in found.items()}
    capped = [code for code, parts in found.items() if most is not None and any(part.total > most for part in parts)]
    steps = view.steps_of(name)
    waiting = {step.config.pending_status: step.__name__ for step in steps}
    lines = []
    for step in steps:
        codes = dict(zip(STATUS_NAMES, step.config.codes, strict=True))
        following = waiting.get(codes["succeeded"])
        own: dict[str, int | None] = {status: counts.get(code, 0) for status, code in codes.items()}
        if following is not None:
            own["succeeded"] = None
        ready = [row for part in found.get(codes["pending"], ()) for row in part.rows if _is_ready(view, row)]
        running = _running(view, step, found.get(codes["in_progress"], []), leases)
        lines.append(StepCounts(step.__name__, codes, own, following, oldest(view, name, ready), running))
    known = {code for step in steps for code in step.config.codes}
    other = {str(code): count for code, count in counts.items() if code not in known and count}
    return UseCaseCounts(name, sum(counts.values()), lines, other, capped)


def _capped(count: int, most: int | None) -> int:
    return count if most is None else min(count, most)


def _is_ready(view: View, row: Row) -> bool:
    return int(row.get("ready_at") or 0) <= view.micros // 1000


def oldest(view: View, use_case: str, rows: list[Row]) -> Oldest | None:
    """The row that was written first."""
    dated = [(moment, row) for row in rows if (moment := instant(row.get("update_time"))) is not None]
    if not dated:
        return None
    since, row = min(dated, key=lambda each: each[0])
    return Oldest(view.task_id(use_case, row["key"]), since, (view.now - since).total_seconds())


def _running(view: View, step: type[BaseTask], parts: list[_Part], leases: bool) -> Running:
    rows = [row for part in parts for row in part.rows]
    longest = oldest(view, step.config.use_case_id, rows)
    # Renewing a lease does not touch update_time: it says when the task was claimed.
    late = [row for row in rows if (view.seconds_since(row.get("update_time")) or 0) > step.config.lock_expire_seconds]
    stuck: int | None = 0
    if late and (view.engine.page_is_full or leases):
        stuck = len(with_lease_over(view, step, late))
    elif late:
        stuck = None
    return Running(longest, len(late), stuck, any(part.more for part in parts))


def with_lease_over(view: View, step: type[BaseTask], rows: list[Row]) -> list[Row]:
    """Those of these rows whose lease is over: whole rows (the lease attributes at least)."""
    if not view.engine.page_is_full:
        found = view.engine.get(view.table, [row["key"] for row in rows], attributes=LEASE_ATTRIBUTES)
        rows = [{**row, **found[row["key"]]} for row in rows if row["key"] in found]
    slack = view.engine.slack_ms(step.config.lease_ms)
    return [row for row in rows if lease_is_over(step.config, row, view.micros, slack)]
