"""Whether a table is as it should be: reachable, in time, known by its directory, without dead holders or odd rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from shlex import join

from statustrack.core import times
from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.errors import TableMismatchError
from statustrack.core.limits import ITEM_BYTES, KB
from statustrack.core.record import NOT_LOCKED
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine, Finding
from statustrack.tracking.holders import Holder, holders
from statustrack.tracking.story import size_of_row
from statustrack.tracking.view import Cost, View, instant

#: The last tasks of each status and shard that are looked at whole.
SAMPLE = 50
#: Larger ones are said to be near the limit of 400 KB.
LARGE_BYTES = 300 * KB
#: A clock that is further off than this is worth a word; a reply that takes longer, too.
CLOCK_SECONDS, SLOW_MS = 2.0, 500
#: DynamoDB takes up to two days to delete what has expired.
LATE_SECONDS = 3 * 86_400

_LOOKED_INTO = ("key", "lock", "status", "update_time", "expire_at")


@dataclass(frozen=True)
class Checkup:
    """What was found. ``looked_at``: how many tasks were read whole."""

    table: str
    findings: list[Finding]
    looked_at: int
    now: datetime
    cost: Cost

    def has(self, *states: str) -> bool:
        """Whether something was found that is in one of these states."""
        return any(finding.state in states for finding in self.findings)


def checkup(engine: Engine, table: str, everything: bool = False) -> Checkup:
    """Look at a table from all sides. Changes nothing.

    :param everything: read every task, and not only the last ones of each status (DynamoDB bills that).
    :raises TableNotFoundError: there is no such table.
    """
    meter = engine.meter
    before = (meter.requests, meter.read_units)
    try:
        view = View(engine, table)
    except TableMismatchError:  # a table of another shape cannot be read, but it can be looked at
        found = engine.inspect(table)
        now = times.micros_to_datetime(engine.now())
        return Checkup(table, found, 0, now, Cost(meter.requests - before[0], meter.read_units - before[1]))
    found = [_reach(view), _clock(view), *view.engine.inspect(view.table), *_directory(view)]
    rows = list(_all_rows(view) if everything else _last_rows(view))
    remedy = next((each.fix for each in found if each.topic == "retention"), "")
    found += [*_leases(view), *_odd(view, rows), *_expired(view, rows, remedy), _sizes(rows, everything)]
    cost = Cost(meter.requests - before[0], meter.read_units - before[1])
    return Checkup(view.table, found, len(rows), view.now, cost)


def _reach(view: View) -> Finding:
    clock = view.engine.clock
    before = clock.boot()
    view.engine.get(view.table, [DIRECTORY_KEY])
    took = (clock.boot() - before) / 1000
    if took > SLOW_MS:
        return Finding("reach", "warning", f"a read takes {took:,.0f} ms", "look at the network, or at the load there")
    return Finding("reach", "good", f"answers in {took:,.1f} ms")


def _clock(view: View) -> Finding:
    engine = view.engine
    off = (engine.now() - engine.clock.wall()) / 1_000_000
    doubt = engine.uncertainty_ms() / 1000
    if abs(off) > CLOCK_SECONDS + doubt:
        way = "behind" if off > 0 else "ahead"
        return Finding(
            "clock", "warning",
            f"this machine's clock is {abs(off):,.1f} s {way}. Leases are safe, they go by the storage's clock; times "
            "in your own logs are off",
            "switch on NTP (timedatectl set-ntp true)",
        )  # fmt: skip
    if not doubt:
        return Finding("clock", "good", "one machine, one clock")
    return Finding("clock", "good", f"agrees with the storage's within {max(abs(off), doubt):.1f} s")


def _directory(view: View) -> Iterator[Finding]:
    known = view.directory
    adopt = f"statustrack init --adopt --table {view.table}"
    if not known.complete:
        what = "is incomplete" if known.use_cases else "is missing"
        yield Finding(
            "directory", "warning", f"it {what}: others wrote to the table first, and shards may be overlooked", adopt
        )
    elif not known.use_cases:
        yield Finding("directory", "good", "nothing has been written yet")
    else:
        steps = sum(len(entry.steps) for entry in known.use_cases.values())
        names = ", ".join(sorted(known.use_cases)[:5]) + ", ..." * (len(known.use_cases) > 5)
        yield Finding("directory", "good", f"knows {steps} step{'s' * (steps != 1)} of {names}")
    bare = [name for name, entry in sorted(known.use_cases.items()) if not entry.steps]
    if bare:
        names = ", ".join(bare[:5]) + ", ..." * (len(bare) > 5)
        yield Finding(
            "directory", "note", f"only status codes are known, no steps, of use case {names}",
            "run its program once: a step enters itself when it first writes",
        )  # fmt: skip


def _leases(view: View) -> Iterator[Finding]:
    found = holders(view)
    by_state: dict[str, list[Holder]] = {}
    for each in found.tasks:
        by_state.setdefault(each.state, []).append(each)
    running = len(by_state.get("running", ()))
    for state, says in (
        ("over", "over without an outcome: a worker crashed, hangs, or lost the storage. Start one: it takes over"),
        ("odd", "with an end that no sane clock has written; it counts as over. Look at the clocks of the workers"),
        ("free", "of nobody, though the task is in progress. Start a worker: it takes over"),
    ):  # fmt: skip
        some = by_state.get(state, [])
        if some:
            names = ", ".join(each.task_id for each in some[:3]) + ", ..." * (len(some) > 3)
            many = f"{len(some):,}{'+' * found.more} lease{'s' * (len(some) > 1)}"
            fix = join(["statustrack", "explain", some[0].task_id])
            yield Finding("leases", "warning", f"{many} ({names}) {says}", fix)
    if running == len(found.tasks):
        says = f"{running:,}{'+' * found.more} in progress, every lease runs" if running else "nothing is in progress"
        yield Finding("leases", "good", says)


def _odd(view: View, rows: list[tuple[Row, int]]) -> Iterator[Finding]:
    codes = {step.codes[1] for entry in view.directory.use_cases.values() for step in entry.steps.values()}
    locked = [row for row, _ in rows if row.get("lock") not in (None, NOT_LOCKED) and row.get("status") not in codes]
    if locked:
        yield Finding(
            "locks", "note", f"{len(locked):,} tasks have a lock though none is in progress ({locked[0]['key']})",
            "a claim takes them when that lock is over; nothing need be done",
        )  # fmt: skip
    ahead = [
        row for row, _ in rows
        if (moment := instant(row.get("update_time"))) is not None and (moment - view.now).total_seconds() > 60
    ]  # fmt: skip
    if ahead:
        yield Finding(
            "times", "warning", f"{len(ahead):,} tasks were written in the future ({ahead[0]['key']}): a clock was set",
            "set the clocks; listings show these tasks when their time has come",
        )  # fmt: skip


def _expired(view: View, rows: list[tuple[Row, int]], remedy: str) -> Iterator[Finding]:
    before = view.micros // 1_000_000 - LATE_SECONDS
    late = [row for row, _ in rows if isinstance(row.get("expire_at"), int) and row["expire_at"] < before]
    if late:
        says = f"{len(late):,} tasks are here days after their retention ({late[0]['key']})"
        yield Finding("retention", "warning", says, remedy)


def _sizes(rows: list[tuple[Row, int]], everything: bool) -> Finding:
    if not rows:
        return Finding("sizes", "good", "there are no tasks")
    sizes = sorted(((size, row["key"]) for row, size in rows), reverse=True)
    which = "all" if everything else "the last"
    large = [each for each in sizes if each[0] >= LARGE_BYTES]
    tasks = f"{which} {len(rows):,} task{'s' * (len(rows) != 1)}"
    says = f"of {tasks} the largest takes {sizes[0][0] / KB:,.1f} of {ITEM_BYTES // KB} KB"
    if large:
        return Finding(
            "sizes", "warning", f"{says} ({large[0][1]}); {len(large):,} are near the limit",
            "keep large data elsewhere, and its address in the task",
        )  # fmt: skip
    return Finding("sizes", "good", says)


def _last_rows(view: View) -> Iterator[tuple[Row, int]]:
    partitions = [
        partition
        for name, entry in sorted(view.directory.use_cases.items())
        for partition in view.partitions(name, sorted(entry.shards))
    ]
    pages = view.read_all(
        [partial(view.engine.page, view.table, each.value, limit=SAMPLE, newest_first=True) for each in partitions]
    )
    rows = [row for page in pages for row in page.rows]
    if not view.engine.page_is_full and rows:
        rows = list(view.engine.get(view.table, [row["key"] for row in rows]).values())
    return map(_kept, rows)


def _all_rows(view: View) -> Iterator[tuple[Row, int]]:
    return (_kept(row) for row in view.engine.scan(view.table) if row["key"] != DIRECTORY_KEY)


def _kept(row: Row) -> tuple[Row, int]:
    """What is looked at of a row, and its size: a million whole rows are not kept."""
    return {name: row[name] for name in _LOOKED_INTO if name in row}, size_of_row(row)
