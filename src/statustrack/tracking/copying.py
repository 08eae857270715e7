"""All tasks of one table into another, on the same engine or another one: resumable, and nothing is overwritten."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice

from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.directory import Directory
from statustrack.core.errors import ConfigError, StorageUnavailableError
from statustrack.core.record import ATTRIBUTES, NOT_LOCKED
from statustrack.core.writes import Row
from statustrack.engines.protocol import Applied, Engine, Refused, Rejected, trouble
from statustrack.tracking.directory import directory_of, observe
from statustrack.tracking.trace import log

#: Tasks per round: a whole number of requests of every engine.
ROUND = 500
#: An index follows its table in a moment: counts that fall short are taken again so often, after such a pause.
COUNTS, PAUSE_SECONDS = 5, 1.0


@dataclass(frozen=True)
class Count:
    """How many tasks of one use case and status code are here and there."""

    use_case: str
    status: int
    source: int
    target: int


@dataclass
class CopyReport:
    """What came of a copy. Lists hold the keys of tasks.

    ``there`` were at the target already, the same; ``differing`` are there otherwise, and stay as they are there;
    ``running`` are held by a worker: left out, or copied as they are; ``rejected`` can never be stored there, each with
    the reason. ``short`` are the counts at the end that fall short of what they must be.
    """

    read: int = 0
    copied: int = 0
    there: int = 0
    differing: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    short: list[Count] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every task of the source is at the target as it is here."""
        return not (self.differing or self.rejected or self.short) and self.read == self.copied + self.there


def copy(
    source: tuple[Engine, str],
    target: tuple[Engine, str],
    *,
    include_running: bool = False,
    progress: Callable[[CopyReport], None] | None = None,
) -> CopyReport:
    """Copy every task of a table to another one that is there. Interrupted, the same call goes on.

    A task is put where there is none of its key; one that is there stays as it is, and is reported where it differs.
    Attributes that the library does not know go along. The directories are merged by max. At the end each status is
    counted at both ends. Stop the workers first: what changes at the source behind the copy is not copied again.

    :param source, target: engine and table.
    :param include_running: also copy what a worker holds, as it is: at the target it is taken over when its lease ends,
        while the worker goes on at the source. Without it those are left out; the same call copies them later.
    :raises ConfigError: the same table twice, or tables that do not go together; nothing was written.
    :raises StorageUnavailableError: not all were confirmed; the same call goes on.
    """
    (from_engine, from_table), (to_engine, to_table) = source, target
    if (from_engine.url, from_table) == (to_engine.url, to_table):
        raise ConfigError(f"source and target are the same: table {from_table!r} at {from_engine.url}.")
    known = directory_of(from_engine, from_table).read()
    run = _Copy(to_engine, to_table, known, include_running)
    directory_of(to_engine, to_table).merge(known)
    rows = iter(row for row in from_engine.export(from_table) if row["key"] != DIRECTORY_KEY)
    while chunk := list(islice(rows, ROUND)):
        run.take(chunk)
        if progress is not None:
            progress(run.report)
    run.count(from_engine, from_table)
    report = run.report
    log(
        logging.INFO, "copy", from_table, to=f"{to_engine.url} {to_table}", copied=report.copied, there=report.there,
        differing=len(report.differing), running=len(report.running), rejected=len(report.rejected),
    )  # fmt: skip
    return report


class _Copy:
    """One call of ``copy``, seen from the target."""

    def __init__(self, engine: Engine, table: str, known: Directory, include_running: bool) -> None:
        self.engine = engine
        self.table = table
        self.known = known
        self.include_running = include_running
        self.report = CopyReport()
        self.seen = deepcopy(known)
        self._look_first = True
        self._missing: Counter[tuple[str, int]] = Counter()

    def take(self, rows: Sequence[Row]) -> None:
        """One round."""
        report = self.report
        report.read += len(rows)
        wanted = []
        for row in rows:
            if row.get("lock") not in (None, NOT_LOCKED):
                report.running.append(row["key"])
                if not self.include_running:
                    self._left_out(row)
                    continue
            wanted.append(row)
        self._widen(wanted)
        if self._look_first:
            # Once a round finds nothing of its own at the target, there is nothing to resume: putting tells as well.
            there = self.engine.get(self.table, [row["key"] for row in wanted])
            self._look_first = bool(there)
            for row in wanted:
                if row["key"] in there:
                    self._is_there(row, there[row["key"]])
            wanted = [row for row in wanted if row["key"] not in there]
        if wanted:
            self._put(wanted)

    def _put(self, rows: list[Row]) -> None:
        unconfirmed: list[tuple[str, object]] = []
        for row, outcome in zip(rows, self.engine.insert(self.table, rows), strict=True):
            if isinstance(outcome, Applied):
                self.report.copied += 1
            elif isinstance(outcome, Refused):
                self._look_first = True
                self._is_there(row, outcome.current)
            elif isinstance(outcome, Rejected):
                self.report.rejected.append((row["key"], outcome.reason))
                self._left_out(row)
            else:
                unconfirmed.append((row["key"], trouble(outcome)))
        if unconfirmed:
            key, cause = unconfirmed[0]
            raise StorageUnavailableError(
                f"copy: {len(unconfirmed)} tasks were not confirmed, {key!r} among them: {cause}. "
                f"{self.report.copied} were copied; the same call goes on with the others."
            )

    def _is_there(self, row: Row, current: Row | None) -> None:
        if current is not None and _known(current) == _known(row):
            self.report.there += 1
        else:
            self.report.differing.append(row["key"])
            self._left_out(row)

    def _left_out(self, row: Row) -> None:
        place = observe(Directory(), str(row.get("value") or ""), self.known)
        if place is not None:
            self._missing[place] += 1

    def _widen(self, rows: list[Row]) -> None:
        """Shards that the source's directory does not know (a table that others wrote) are told before they are
        written to."""
        before = _size(self.seen)
        for row in rows:
            if isinstance(row.get("value"), str):
                observe(self.seen, row["value"], self.known)
        if _size(self.seen) != before:
            directory_of(self.engine, self.table).merge(self.seen)

    def count(self, from_engine: Engine, from_table: str) -> None:
        """Count every status at both ends. The target may have more: it held others before."""
        report, nobody = self.report, threading.Event()
        for attempt in range(COUNTS):
            report.counts = [
                Count(name, status, here, there)
                for name, status, partitions in _partitions(self.seen)
                for here, there in [
                    (_count(from_engine, from_table, partitions), _count(self.engine, self.table, partitions))
                ]
            ]
            report.short = [
                each for each in report.counts if each.target < each.source - self._missing[each.use_case, each.status]
            ]
            if not report.short or attempt == COUNTS - 1:
                return
            self.engine.clock.wait(nobody, PAUSE_SECONDS)


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if name in ATTRIBUTES and not isinstance(value, dict)}


def _size(directory: Directory) -> int:
    return sum(sum(entry.shards.values()) + len(entry.shards) for entry in directory.use_cases.values())


def _partitions(directory: Directory) -> Iterator[tuple[str, int, list[str]]]:
    for name, entry in sorted(directory.use_cases.items()):
        for status, shards in sorted(entry.shards.items()):
            yield name, status, [entry.partition(name, status, shard) for shard in range(1, shards + 1)]


def _count(engine: Engine, table: str, partitions: list[str]) -> int:
    return sum(engine.count(table, partition) for partition in partitions)
