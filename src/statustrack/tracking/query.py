"""Finding and counting tasks by status: all shards at once, one stream, ordered by update_time."""

# These are parents of BaseTask whose methods are typed as BaseTask's (so that users get their own class back); mypy's
# check that "self" is a supertype does not know that nobody else inherits from them.
# mypy: disable-error-code="misc"

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.core import lifecycle, times
from statustrack.core.config import RESERVED_USE_CASE, check_use_case
from statustrack.core.directory import Directory
from statustrack.core.errors import ConfigError
from statustrack.core.sharding import merge
from statustrack.core.writes import Row
from statustrack.engines.protocol import Cursor, Engine, Page
from statustrack.tracking import threads
from statustrack.tracking.arguments import bound_of, limit_of, status_codes
from statustrack.tracking.directory import directory_of
from statustrack.tracking.results import Results

if TYPE_CHECKING:
    from concurrent.futures import Future

    from statustrack.tracking.groups import Failures
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: Rows per page when there is no limit, and rows per batch read of auto_refresh.
PAGE = 1000
REFRESH = 100


class QueryVerbs:
    """The verbs of a task class that find and count."""

    @classmethod
    def query_by_status(
        cls: type[T],
        status: Any,
        limit: int | None = None,
        older_task_first: bool = True,
        auto_refresh: bool = False,
        use_case_id: str | None = None,
        *,
        since: Any = None,
        until: Any = None,
    ) -> Results[T]:
        """Tasks by status, merged over shards and statuses by update_time; a lazy :class:`Results` iterator.

        A listing is a hint: it sees nothing written after it began, and a task may have moved on by the time you look
        at it. Its tasks carry the index attributes (id, status, times, retry, attempt, worker, error group); ``data``
        and
        ``errors`` read as empty until ``task.refresh()``, or with ``auto_refresh``.

        :param status: a code, enum member or name, or a list of them.
        :param limit: at most so many tasks in total (None: all; the original's default was 10 per shard).
        :param older_task_first: by update_time, oldest first, or newest first.
        :param auto_refresh: read all attributes, in batches; tasks that have left the status meanwhile are left out.
        :param use_case_id: another use case of the same table.
        :param since, until: bounds of update_time: a datetime, or an age (timedelta, seconds, ``"2h"``).
        """
        codes = status_codes(status, cls._config())
        return Results(_Listing(cls, codes, limit, older_task_first, auto_refresh, use_case_id, since, until).tasks())

    @classmethod
    def query_for_unfinished(
        cls: type[T],
        limit: int | None = None,
        older_task_first: bool = True,
        auto_refresh: bool = False,
        use_case_id: str | None = None,
    ) -> Results[T]:
        """Tasks that ``start`` would take now: pending and failed ones (and more_pending), not those in backoff or
        snoozed,
        and those whose worker crashed (their lease is over). Ordered and lazy as in :meth:`query_by_status`."""
        config = cls._config()
        codes = list(lifecycle.claimable(config))
        listing = _Listing(
            cls, codes, limit, older_task_first, auto_refresh, use_case_id, None, None, claimable_only=True
        )
        return Results(listing.tasks())

    @classmethod
    def count_by_status(
        cls: type[T],
        status: Any = None,
        use_case_id: str | None = None,
        *,
        most: int | None = None,
    ) -> dict[str, int]:
        """How many tasks are in each status: status name (for foreign codes the code as text) to count.

        :param status: a status or list of them (None: the five of this step).
        :param most: stop counting a status beyond this (DynamoDB reads, and bills, every index entry it counts).
        """
        config = cls._config()
        codes = list(config.codes) if status is None else status_codes(status, config)
        engine, table = cls._engine_and_table()
        directory = _read_directory(cls, engine, table)
        partitions = [
            (code, partition) for code in codes for partition in _partitions(cls, directory, code, use_case_id)
        ]
        counts = threads.read_all(engine, [lambda p=p: engine.count(table, p, most) for _, p in partitions])
        totals = dict.fromkeys((config.name_of(code) or str(code) for code in codes), 0)
        for (code, _), count in zip(partitions, counts, strict=True):
            totals[config.name_of(code) or str(code)] += count
        return totals

    @classmethod
    def count_tasks_by_use_case_id(cls: type[T], use_case_id: str | None = None) -> int:
        """How many tasks a use case has. Reads the whole table (DynamoDB bills that): see :meth:`count_by_status`."""
        engine, table = cls._engine_and_table()
        return sum(1 for _ in engine.scan(table, use_case_prefix(cls, use_case_id), attributes=("key",)))

    @classmethod
    def failures(
        cls: type[T], *, since: Any = None, until: Any = None, most: int | None = 10_000, samples: int = 3
    ) -> Failures:
        """The failed and ignored tasks of this step, as groups of like failures, the largest first.

        ``for group in Step1.failures(since="2h"): print(group.count, group.summary, group.samples)``; a group has
        ``group`` (what :meth:`redrive` takes), ``summary``, ``count``, ``failed``, ``ignored``, ``first_seen``,
        ``last_seen`` and ``samples`` (ids).

        :param since, until: bounds of update_time: a datetime, or an age (timedelta, seconds, ``"2h"``).
        :param most: look at the last so many of each status and shard; None: at all. ``more`` says whether there are.
        :param samples: ids of each group.
        """
        from statustrack.tracking.groups import failures  # it builds on task classes
        from statustrack.tracking.view import View

        limit_of(most)
        engine, table = cls._engine_and_table()
        view = View(engine, table)
        directory_of(engine, table).warn_if_incomplete(view.directory)
        return failures(
            view,
            [cls],
            since=bound_of(since, "since", view.micros),
            until=bound_of(until, "until", view.micros),
            most=most,
            samples=samples,
        )


def use_case_prefix(cls: type[BaseTask], use_case_id: str | None) -> str:
    """What the keys of a use case begin with: with the separator, so that ``inv`` is not ``invoice``."""
    config = cls._config()
    name = config.use_case_id if use_case_id is None else use_case_id
    if name == RESERVED_USE_CASE:
        raise ConfigError(f"use_case_id {name!r} is the table's own directory.")
    check_use_case(name, config.sep)
    return name + config.sep


def _read_directory(cls: type[BaseTask], engine: Engine, table: str) -> Directory:
    shared = directory_of(engine, table)
    directory = shared.read()
    shared.warn_if_incomplete(directory)
    return directory


def _partitions(cls: type[BaseTask], directory: Directory, code: int, use_case_id: str | None) -> list[str]:
    config = cls._config()
    name = config.use_case_id if use_case_id is None else use_case_id
    own = config.status_shards.get(code, 1) if name == config.use_case_id else 1
    shards = max(own, directory.shards(name, code), 1)
    return [config.partition(code, shard, name) for shard in range(1, shards + 1)]


class _Listing:
    """One listing: the streams of its partitions, merged, refreshed, cut."""

    def __init__(
        self,
        cls: type[Any],
        codes: list[int],
        limit: int | None,
        oldest_first: bool,
        auto_refresh: bool,
        use_case_id: str | None,
        since: Any,
        until: Any,
        claimable_only: bool = False,
    ) -> None:
        if use_case_id is not None:
            use_case_prefix(cls, use_case_id)
        self.cls = cls
        self.config = cls._config()
        self.codes = codes
        self.limit = limit_of(limit)
        self.newest_first = not oldest_first
        self.auto_refresh = auto_refresh
        self.use_case_id = use_case_id
        self.since = since
        self.until = until
        self.claimable_only = claimable_only

    def tasks(self) -> Iterator[Any]:
        if self.limit == 0:
            return
        self.engine, self.table = self.cls._engine_and_table()
        self.now = self.engine.now()
        rows = self.rows()
        if self.limit is not None:
            rows = islice(rows, self.limit)
        make = self.cls._from_row if self.auto_refresh else self.cls._from_index
        for row in rows:
            yield make(row, self.engine, self.table)

    def rows(self) -> Iterator[Row]:
        """Full rows with auto_refresh, else index rows (at least)."""
        merged = merge(self._streams(), lambda row: (row["update_time"], row["key"]), self.newest_first)
        if not self.engine.page_is_full:
            merged = _once(merged)
            if self.auto_refresh:
                return self._refreshed(merged)
        return merged

    def _refreshed(self, rows: Iterator[Row]) -> Iterator[Row]:
        while batch := list(islice(rows, REFRESH)):
            current = self.engine.get(self.table, [row["key"] for row in batch])
            for row in batch:
                now = current.get(row["key"])
                if now is not None and now.get("value") == row["value"]:
                    yield now

    def _streams(self) -> list[Iterator[Row]]:
        since = bound_of(self.since, "since", self.now)
        began = times.to_text(self.now + self.engine.uncertainty_ms() * 1000)
        until = min(began, bound_of(self.until, "until", self.now) or "9999")
        known = directory_of(self.engine, self.table)
        codes = self.codes
        first: dict[str, Future[Page]] = {}
        guess = max(1, sum(self.config.status_shards.get(code, 1) for code in codes))
        size = PAGE if self.limit is None else min(PAGE, max(20, math.ceil(1.5 * self.limit / guess) + 5))
        if self.engine.parallel_reads:
            # The first pages of the shards that the configuration knows, while the directory is being read.
            for code in codes:
                for partition in _partitions(self.cls, Directory(), code, self.use_case_id):
                    first[partition] = threads.read_pool().submit(self._page, partition, size, None, since, until)
        directory = known.read()
        known.warn_if_incomplete(directory)
        partitions = [p for code in codes for p in _partitions(self.cls, directory, code, self.use_case_id)]
        if self.engine.parallel_reads:
            for partition in partitions:
                if partition not in first:
                    first[partition] = threads.read_pool().submit(self._page, partition, size, None, since, until)
        streams = [self._stream(partition, first.get(partition), size, since, until) for partition in partitions]
        if self.claimable_only:
            streams += [
                self._crashed(partition)
                for partition in _partitions(self.cls, directory, self.config.in_progress_status, self.use_case_id)
            ]
        return streams

    def _page(self, partition: str, size: int, after: Cursor | None, since: str | None, until: str | None) -> Page:
        page: Page = self.engine.page(
            self.table,
            partition,
            limit=size,
            after=after,
            newest_first=self.newest_first,
            since=since,
            until=until,
            ready_ms=self.now // 1000 if self.claimable_only else None,
        )
        return page

    def _stream(
        self, partition: str, first: Future[Page] | None, size: int, since: str | None, until: str | None
    ) -> Iterator[Row]:
        page = self._page(partition, size, None, since, until) if first is None else first.result()
        while True:
            yield from page.rows
            if page.after is None:
                return
            page = self._page(partition, min(PAGE, size * 2), page.after, since, until)

    def _crashed(self, partition: str) -> Iterator[Row]:
        """In-progress tasks whose lease is over. The index does not carry leases, so candidates are read."""
        slack = self.engine.slack_ms(self.config.lease_ms)
        # Only a task that was claimed at least a lease ago can have a lease that is over (shorter ones given to start()
        # are found a little later).
        until = times.to_text(self.now - self.config.lease_ms * 1000)
        after: Cursor | None = None
        while True:
            page = self._page(partition, PAGE, after, None, until)
            for at in range(0, len(page.rows), REFRESH):
                batch = page.rows[at : at + REFRESH]
                full = (
                    {row["key"]: row for row in batch}
                    if self.engine.page_is_full
                    else self.engine.get(self.table, [row["key"] for row in batch])
                )
                for row in batch:
                    current = full.get(row["key"])
                    if current is not None and lifecycle.lease_is_over(self.config, current, self.now, slack):
                        yield row
            if page.after is None:
                return
            after = page.after


def _once(rows: Iterator[Row]) -> Iterator[Row]:
    """Each key once: while an index catches up, a task that moved can be seen where it was and where it is."""
    seen: set[str] = set()
    for row in rows:
        if row["key"] not in seen:
            seen.add(row["key"])
            yield row
