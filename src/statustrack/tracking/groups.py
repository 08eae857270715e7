"""Failures that are alike, as groups: how many tasks, since when, the last words, and a few of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

from statustrack.core.record import errors_of
from statustrack.core.writes import Row
from statustrack.engines.protocol import Cursor
from statustrack.tracking.task import BaseTask
from statustrack.tracking.view import Cost, Partition, View, instant

#: Failed tasks of a shard that are looked at, the last ones first.
LOOKED_AT = 10_000
SAMPLES = 3
PAGE = 1000
#: Rows read one by one because the index is one that carries no group.
READ = 500


@dataclass(frozen=True)
class FailureGroup:
    """Tasks that are failed or ignored for like reasons: same step, exception type, place, and message without its
    numbers and ids.

    ``group`` is the stored ``error_group`` (None: no error is recorded, as for tasks that an operator gave up).
    ``first_seen`` and ``last_seen`` are when the first and the last of these tasks came to be as they are; ``samples``
    are the ids of the last ones.
    """

    use_case: str
    step: str
    group: str | None
    summary: str
    count: int
    failed: int
    ignored: int
    first_seen: datetime | None
    last_seen: datetime | None
    samples: list[str]


@dataclass(frozen=True)
class Failures:
    """Failure groups, the largest first. ``more``: there are older failures than the ``looked_at`` ones."""

    groups: list[FailureGroup]
    looked_at: int
    more: bool
    now: datetime
    cost: Cost

    def __iter__(self) -> Iterator[FailureGroup]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)


def failures(
    view: View,
    steps: Sequence[type[BaseTask]] | None = None,
    *,
    since: str | None = None,
    until: str | None = None,
    most: int | None = LOOKED_AT,
    samples: int = SAMPLES,
) -> Failures:
    """The failure groups of these steps (all). On DynamoDB one request for each shard and page, and one for 100
    samples.

    :param since, until: bounds of update_time, as stored text.
    :param most: look at the last so many of each status and shard; None: at all.
    """
    wanted = view.steps if steps is None else steps
    jobs: list[tuple[type[BaseTask], Partition]] = [
        (step, partition) for step in wanted for partition in view.partitions_of(step, ("failed", "ignored"))
    ]
    read = view.read_all([partial(_rows, view, partition, since, until, most) for _, partition in jobs])
    groups: dict[tuple[type[BaseTask], str | None], list[tuple[Row, int]]] = {}
    for (step, partition), (rows, _) in zip(jobs, read, strict=True):
        for row in _with_groups(view, rows):
            groups.setdefault((step, row.get("error_group")), []).append((row, partition.code))
    for members in groups.values():
        members.sort(key=lambda each: str(each[0].get("update_time")), reverse=True)
    words = _words(view, [members[0][0] for members in groups.values()])
    found = [_group(view, step, group, members, words, samples) for (step, group), members in groups.items()]
    found.sort(key=lambda each: (-each.count, each.use_case, each.step, each.group or ""))
    looked_at = sum(len(rows) for rows, _ in read)
    return Failures(found, looked_at, any(more for _, more in read), view.now, view.spent())


def _rows(
    view: View, partition: Partition, since: str | None, until: str | None, most: int | None
) -> tuple[list[Row], bool]:
    """The last rows of a partition, without their data, and whether there are older ones."""
    kept: list[Row] = []
    after: Cursor | None = None
    while most is None or len(kept) < most:
        limit = PAGE if most is None else min(PAGE, most - len(kept))
        page = view.engine.page(
            view.table, partition.value, limit=limit, after=after, newest_first=True, since=since, until=until
        )
        kept += [
            {name: row[name] for name in ("key", "update_time", "error_group", "error_summary") if name in row}
            for row in page.rows
        ]
        after = page.after
        if after is None:
            return kept, False
    return kept, True


def _with_groups(view: View, rows: list[Row]) -> list[Row]:
    """Rows with their groups, also where the index is an older one that does not carry them."""
    bare = [row["key"] for row in islice((row for row in rows if "error_group" not in row), READ)]
    if view.engine.page_is_full or not bare:
        return rows
    found = view.engine.get(view.table, bare, attributes=("error_group",))
    return [{**row, **found.get(row["key"], {})} for row in rows]


def _words(view: View, rows: list[Row]) -> dict[str, str]:
    """The last error in one line, by key, of one task of each group."""
    whole = view.engine.get(view.table, [row["key"] for row in rows], attributes=("error_summary", "errors", "notes"))
    return {key: last_words(row) for key, row in whole.items()}


def last_words(row: Row) -> str:
    """The last error of a row in one line; empty where none is recorded."""
    summary = row.get("error_summary")
    if isinstance(summary, str) and summary:
        return summary
    history = errors_of(row)["history"]  # a row of pynamodb_mate has no summary
    last = history[-1] if history and isinstance(history[-1], dict) else {}
    return " ".join(str(last.get("error") or "").split())[:120]


def _group(
    view: View,
    step: type[BaseTask],
    group: str | None,
    members: list[tuple[Row, int]],
    words: dict[str, str],
    samples: int,
) -> FailureGroup:
    use_case = step.config.use_case_id
    failed = sum(code == step.config.failed_status for _, code in members)
    return FailureGroup(
        use_case=use_case,
        step=step.__name__,
        group=group,
        summary=words.get(members[0][0]["key"], ""),
        count=len(members),
        failed=failed,
        ignored=len(members) - failed,
        first_seen=instant(members[-1][0].get("update_time")),
        last_seen=instant(members[0][0].get("update_time")),
        samples=[row["key"][len(use_case) + len(step.config.sep) :] for row, _ in members[:samples]],
    )
