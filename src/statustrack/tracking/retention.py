"""Retention: when a finished task may be deleted, and deleting those whose time has come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from statustrack.core import lifecycle
from statustrack.core.config import DIRECTORY_KEY, TrackerConfig
from statustrack.core.directory import Directory
from statustrack.core.errors import StorageError, StorageUnavailableError
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused, trouble
from statustrack.tracking.arguments import limit_of
from statustrack.tracking.directory import directory_of
from statustrack.tracking.selection import rounds
from statustrack.tracking.trace import log

#: What prune reads of a row.
_READ = ("key", "status", "attempt", "expire_at")


def expiry(engine: Engine, table: str, config: TrackerConfig, status: int, now: int) -> int | None:
    """When retention may take a task that ends in this status now (epoch seconds); None: never.

    Never while a step of the directory goes on from this status.
    """
    keep = config.keep_succeeded_seconds if status == config.succeeded_status else config.keep_ignored_seconds
    if keep is None:
        return None
    try:
        directory = directory_of(engine, table).read(30.0)
    except StorageError:  # then it is kept for ever: the outcome is more important than its retention
        return None
    entry = directory.use_cases.get(config.use_case_id)
    if entry is not None and entry.goes_on(status):
        return None
    return now // 1_000_000 + int(keep)


@dataclass
class PruneReport:
    """What came of a prune. ``expired`` were found past their ``expire_at``; ``kept`` have a step that goes on from
    their status (added later, say): they are not deleted, and their ``expire_at`` is removed."""

    read: int = 0
    expired: int = 0
    deleted: int = 0
    kept: int = 0
    changed_meanwhile: int = 0


def prune(
    engine: Engine,
    table: str,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[PruneReport], None] | None = None,
) -> PruneReport:
    """Delete the tasks of a table whose retention has ended, in batches. Reads every task of the table.

    DynamoDB does it by itself where TTL is on; it may take days, and this does not.

    :param limit: delete at most so many.
    :param dry_run: only find out how many there are.
    :raises StorageUnavailableError: not all were confirmed; the same call goes on.
    """
    report = PruneReport()
    most = limit_of(limit)
    known = directory_of(engine, table).read()
    rows = _expiring(engine, table, known, report)
    for chunk in rounds(rows if most is None else islice(rows, most)):
        writes = [_write(known, row) for row in chunk]
        deletes = sum(write.kind == "delete" for write in writes)
        report.expired += deletes
        if dry_run:
            report.kept += len(writes) - deletes
        else:
            _carry_out(engine, table, writes, report)
        if progress is not None:
            progress(report)
    if not dry_run and (report.deleted or report.kept):
        log(logging.INFO, "prune", table, deleted=report.deleted, kept=report.kept)
    return report


def _expiring(engine: Engine, table: str, known: Directory, report: PruneReport) -> Iterator[Row]:
    now = engine.now() // 1_000_000
    for row in engine.scan(table, attributes=_READ):
        if row["key"] != DIRECTORY_KEY:
            report.read += 1
            if "expire_at" in row and (row["expire_at"] <= now or _goes_on(known, row)):
                yield row


def _goes_on(known: Directory, row: Row) -> bool:
    key, status = row["key"], row.get("status")
    return status is not None and any(
        key.startswith(name + entry.sep) and entry.goes_on(status) for name, entry in known.use_cases.items()
    )


def _write(known: Directory, row: Row) -> Write:
    return lifecycle.lift_expiry(row) if _goes_on(known, row) else lifecycle.expire(row)


def _carry_out(engine: Engine, table: str, writes: list[Write], report: PruneReport) -> None:
    for write, outcome in zip(writes, engine.apply(table, writes), strict=True):
        if isinstance(outcome, Applied):
            report.deleted += write.kind == "delete"
            report.kept += write.kind != "delete"
        elif isinstance(outcome, Refused):
            report.changed_meanwhile += 1
        else:
            raise StorageUnavailableError(
                f"prune: {write.key!r} was not confirmed: {trouble(outcome)}. {report.deleted} were deleted; "
                "call again."
            )
