"""One page of tasks for people: by status, failure group, age and id prefix, with a mark where to go on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from statustrack.core.errors import ConfigError
from statustrack.core.sharding import merge
from statustrack.core.writes import Row
from statustrack.engines.protocol import Cursor
from statustrack.tracking.groups import last_words
from statustrack.tracking.holders import BATCH, Holder, holder
from statustrack.tracking.overview import with_lease_over
from statustrack.tracking.task import BaseTask
from statustrack.tracking.view import Cost, Partition, View, instant, moment

#: A filter that the storage does not know gives up, until it is asked to go on, after so many tasks.
LOOKED_AT = 10_000
PAGE = 500
#: What of a row a listing needs, where a read may choose.
_KEPT = (
    "value", "status", "update_time", "create_time", "retry", "attempt", "ready_at", "start_time", "worker",
    "error_group", "error_summary", "errors", "lock", "lock_time", "lease_until", "progress",
)  # fmt: skip


@dataclass(frozen=True)
class ListedTask:
    """One task of a listing. ``since`` is when it came to its status. ``holder`` where it is in progress; ``error``
    where it has failed or is ignored; ``ready_at`` where it waits for a backoff or is snoozed."""

    use_case: str
    step: str
    task_id: str
    status: str
    since: datetime | None
    created: datetime | None
    retry: int
    attempt: int
    ready_at: datetime | None
    group: str | None
    error: str | None
    holder: Holder | None


@dataclass(frozen=True)
class Listing:
    """A page of tasks. ``after`` goes on behind it (None: that was all). ``looked_at`` is how many tasks were read to
    find these."""

    tasks: list[ListedTask]
    after: str | None
    looked_at: int
    now: datetime
    cost: Cost


@dataclass(frozen=True)
class Wanted:
    """What a listing is to show: partitions, filters, order. ``since`` and ``until`` are stored update_times."""

    partitions: Sequence[Partition]
    group: str | None = None
    prefix: str = ""
    stuck: bool = False
    since: str | None = None
    until: str | None = None
    newest_first: bool = True


def page_of_tasks(view: View, wanted: Wanted, limit: int = 20, after: str | None = None) -> Listing:
    """Up to ``limit`` tasks by update_time.

    On DynamoDB one request for each status and shard (more where a filter leaves out most), and one for 100 shown
    tasks, whose errors and leases the index does not carry.

    :param after: the mark of the page before.
    :raises ConfigError: ``after`` is no such mark.
    """
    start = _Mark.of(after)
    merged = _by_prefix(view, wanted, start) if wanted.prefix and view.engine.page_is_full else None
    if merged is None:
        streams = [_stream(view, partition, wanted, start, limit) for partition in wanted.partitions]
        merged = merge(streams, _order, wanted.newest_first)
    shown: list[tuple[Row, Partition]] = []
    seen: set[str] = set()
    looked_at, ended = 0, True
    mark = _Mark(start.time, dict(start.keys)) if start else _Mark("", {})
    # Rows come in batches where more of them may have to be read, so that it is read for many at once.
    at_once = BATCH if wanted.stuck or wanted.group else 1
    while batch := list(islice(merged, max(1, min(at_once, LOOKED_AT - looked_at)))):
        if len(shown) >= limit or looked_at >= LOOKED_AT:
            ended = False
            break
        fitting = _fitting(view, wanted, batch)
        for row, partition in batch:
            if len(shown) >= limit:
                ended = False
                break
            looked_at += 1
            mark.move(row, partition)
            found = fitting.get(row["key"])
            if found is not None and row["key"] not in seen:
                seen.add(row["key"])
                shown.append((found, partition))
    tasks = _whole(view, shown)
    return Listing(tasks, None if ended else mark.text(), looked_at, view.now, view.spent())


class _Mark:
    """Where a page ended: the update_time of its last task, and the keys of those of that very time, by partition."""

    def __init__(self, time: str, keys: dict[str, str]) -> None:
        self.time = time
        self.keys = keys

    def move(self, row: Row, partition: Partition) -> None:
        if row["update_time"] != self.time:
            self.time, self.keys = row["update_time"], {}
        self.keys[partition.value] = row["key"]

    def text(self) -> str:
        parts = [self.time, self.keys]
        return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, text: str | None) -> _Mark | None:
        if text is None:
            return None
        try:
            time, keys = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if instant(time) is None or not keys:
                raise ValueError
            return cls(str(time), {str(value): str(key) for value, key in keys.items()})
        except (ValueError, TypeError, AttributeError, binascii.Error):
            raise ConfigError(
                f"after={text!r} is no mark of a listing: take the one that the page before ended with."
            ) from None


def _order(each: tuple[Row, Partition]) -> tuple[str, str]:
    return (each[0]["update_time"], each[0]["key"])


def _by_prefix(view: View, wanted: Wanted, start: _Mark | None) -> Iterator[tuple[Row, Partition]] | None:
    """Those whose id begins so, in order; None: there are too many of them to be sorted.

    Where the table itself is what is read, its keys are in order, and a prefix is a range of them; elsewhere a scan
    reads, and bills, every task there is.
    """
    by_value = {partition.value: partition for partition in wanted.partitions}
    found: list[tuple[Row, Partition]] = []
    for use_case in dict.fromkeys(partition.use_case for partition in wanted.partitions):
        prefix = use_case + view.directory.use_cases[use_case].sep + wanted.prefix
        for row in islice(view.engine.scan(view.table, prefix, attributes=_KEPT), LOOKED_AT + 1 - len(found)):
            partition = by_value.get(row.get("value", ""))
            if partition is not None:
                found.append((row, partition))
    if len(found) > LOOKED_AT:
        return None
    since, until = wanted.since or "", wanted.until or "~"
    found = [each for each in found if since <= each[0].get("update_time", "") <= until]
    found.sort(key=_order, reverse=wanted.newest_first)
    if start is not None and wanted.newest_first:
        found = [each for each in found if _order(each) < (start.time, min(start.keys.values()))]
    elif start is not None:
        found = [each for each in found if _order(each) > (start.time, max(start.keys.values()))]
    return iter(found)


def _stream(
    view: View, partition: Partition, wanted: Wanted, start: _Mark | None, limit: int
) -> Iterator[tuple[Row, Partition]]:
    since, until = wanted.since, wanted.until
    after: Cursor | None = None
    if start is not None:
        key = start.keys.get(partition.value)
        # Ages are counted from now: since the page before, the mark may have left them. No storage starts outside.
        if key is not None and (since or "") <= start.time <= (until or "~"):
            after = Cursor(start.time, key)
        elif wanted.newest_first:
            until = start.time if until is None else min(until, start.time)
        else:
            since = start.time if since is None else max(since, start.time)
        if since is not None and until is not None and since > until:
            return
    plain = not (wanted.group or wanted.prefix or wanted.stuck)
    size = min(PAGE, limit + 1) if plain else PAGE
    while True:
        page = view.engine.page(
            view.table, partition.value,
            limit=size, after=after, newest_first=wanted.newest_first, since=since, until=until,
        )  # fmt: skip
        yield from ((row, partition) for row in page.rows)
        if page.after is None:
            return
        after = page.after


def _fitting(view: View, wanted: Wanted, batch: list[tuple[Row, Partition]]) -> dict[str, Row]:
    """Those that the filters leave, by key; the storage does not know these filters."""
    rows = []
    read: dict[str, Row] = {}
    if wanted.group is not None and not view.engine.page_is_full:
        # An older index does not carry the group; of one that does, these are the few tasks without an error.
        bare = [row["key"] for row, _ in batch if "error_group" not in row]
        read = view.engine.get(view.table, bare, attributes=("error_group",)) if bare else {}
    for row, partition in batch:
        if wanted.group is not None and read.get(row["key"], row).get("error_group") != wanted.group:
            continue
        if wanted.prefix and not view.task_id(partition.use_case, row["key"]).startswith(wanted.prefix):
            continue
        rows.append((row, partition))
    if not wanted.stuck:
        return {row["key"]: row for row, _ in rows}
    found: dict[str, Row] = {}
    by_step: dict[type[BaseTask], list[Row]] = {}
    for row, partition in rows:
        step = view.step_at(partition.use_case, partition.code)
        if step is not None:
            by_step.setdefault(step, []).append(row)
    for step, members in by_step.items():
        found.update({row["key"]: row for row in with_lease_over(view, step, members)})
    return found


def _whole(view: View, shown: list[tuple[Row, Partition]]) -> list[ListedTask]:
    if not view.engine.page_is_full and shown:
        found = view.engine.get(view.table, [row["key"] for row, _ in shown], attributes=_KEPT)
        # A listing is a hint: a task that has moved on meanwhile is left out.
        shown = [
            ({**row, **found[row["key"]]}, partition)
            for row, partition in shown
            if found.get(row["key"], {}).get("value") == partition.value
        ]
    return [listed(view, partition.use_case, row) for row, partition in shown]


def listed(view: View, use_case: str, row: Row) -> ListedTask:
    """A row as a listing shows it."""
    code = view.code_of(use_case, row)
    step = view.step_at(use_case, code)
    label, status = view.named(use_case, code)
    ready = row.get("ready_at")
    return ListedTask(
        use_case=use_case,
        step=label,
        task_id=view.task_id(use_case, row["key"]),
        status=status,
        since=instant(row.get("update_time")),
        created=instant(row.get("create_time")),
        retry=int(row.get("retry") or 0),
        attempt=int(row.get("attempt") or 0),
        ready_at=moment(ready) if isinstance(ready, int) and ready > view.micros // 1000 else None,
        group=row.get("error_group"),
        error=last_words(row) or None if status in ("failed", "ignored") else None,
        holder=holder(view, step, row) if step is not None and status == "in_progress" else None,
    )
