"""Who holds which task until when, and whose lease is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from statustrack.core.limits import ODD_LEASE_MS
from statustrack.core.payload import decode
from statustrack.core.record import NOT_LOCKED, lease_end_ms
from statustrack.core.writes import Row
from statustrack.tracking.task import BaseTask
from statustrack.tracking.view import Cost, View, instant, moment

#: Tasks read in one batch.
BATCH = 100
HOLDER_ATTRIBUTES = (
    "value", "status", "update_time", "start_time", "lock", "lease_until", "lock_time", "worker", "attempt", "progress",
)  # fmt: skip


@dataclass(frozen=True)
class Holder:
    """One task in progress and who holds it.

    ``state``: running; over (the lease has ended: the worker crashed, hangs, or lost the storage); odd (a lease that no
    sane clock has written, which counts as over); free (in progress, and nobody holds it). ``lease_until`` and
    ``lease_seconds`` (negative: over for so long) are None where there is no lease.
    """

    use_case: str
    step: str
    task_id: str
    state: str
    worker: str | None
    attempt: int
    since: datetime | None
    seconds: float | None
    lease_until: datetime | None
    lease_seconds: float | None
    progress: dict[str, object] | None


@dataclass(frozen=True)
class Holders:
    """Tasks in progress, the longest running first. ``more``: there are others that were not looked at."""

    tasks: list[Holder]
    more: bool
    now: datetime
    cost: Cost


def holders(view: View, steps: list[type[BaseTask]] | None = None, most: int = 1000) -> Holders:
    """Who holds what, of at most ``most`` tasks of each shard. On DynamoDB one request for each shard and 100 tasks."""
    found: list[Holder] = []
    more = False
    for step in view.steps if steps is None else steps:
        code = step.config.in_progress_status
        for partition in view.partitions_of(step, ("in_progress",)):
            page = view.engine.page(view.table, partition.value, limit=most)
            more = more or page.after is not None
            rows = page.rows
            if not view.engine.page_is_full and rows:
                whole = view.engine.get(view.table, [row["key"] for row in rows], attributes=HOLDER_ATTRIBUTES)
                rows = [whole[row["key"]] for row in rows if row["key"] in whole]
            found += [holder(view, step, row) for row in rows if row.get("status") == code]
    found.sort(key=lambda each: (-(each.seconds or 0), each.task_id))
    return Holders(found, more, view.now, view.spent())


def holder(view: View, step: type[BaseTask], row: Row) -> Holder:
    """What a row in progress says of its holder."""
    config = step.config
    now_ms = view.micros // 1000
    held = row.get("lock") not in (None, NOT_LOCKED)
    until = row.get("lease_until")
    end = lease_end_ms(row, config, view.micros)
    if not held:
        state = "free"
    elif isinstance(until, int) and until > now_ms + config.lease_ms + ODD_LEASE_MS:
        state, end = "odd", until
    else:
        state = "over" if end + view.engine.slack_ms(config.lease_ms) <= now_ms else "running"
    since = instant(row.get("start_time") or row.get("update_time"))
    progress = decode(row.get("progress"), None)
    return Holder(
        use_case=config.use_case_id,
        step=step.__name__,
        task_id=view.task_id(config.use_case_id, row["key"]),
        state=state,
        worker=row.get("worker"),
        attempt=int(row.get("attempt") or 0),
        since=since,
        seconds=None if since is None else (view.now - since).total_seconds(),
        lease_until=moment(end) if held else None,
        lease_seconds=(end - now_ms) / 1000 if held else None,
        progress=progress if isinstance(progress, dict) else None,
    )
