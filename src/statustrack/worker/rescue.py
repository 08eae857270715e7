"""Tasks of dead workers: the in-progress partitions are walked in slices, so that all workers together read each once
per lease."""

from __future__ import annotations

import logging
import random
from time import monotonic

from statustrack.core import lifecycle, times
from statustrack.core.record import lease_end_ms
from statustrack.core.writes import Row
from statustrack.engines.protocol import Applied, Cursor
from statustrack.tracking import hooks
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import worker_name
from statustrack.tracking.retention import expiry
from statustrack.tracking.trace import log
from statustrack.worker.jobs import Job
from statustrack.worker.report import Report
from statustrack.worker.source import DIRECTORY_SECONDS

#: The first look is small: many workers may start at once, and none knows yet how many they are.
FIRST_SLICE, SLICE = 25, 100
#: A circle takes so many leases for each worker: a little more than one, so that together they read less than one.
LEASES = 1.25
#: Small partitions cost little: they are looked at more often than once per lease.
OFTEN = 4.0
FEW = 250
REMEMBERED = 50_000


class Rescue:
    """Looks after the in-progress tasks of one step, a slice at a time."""

    def __init__(self, job: Job, report: Report) -> None:
        self.job = job
        self.report = report
        self.rivals = 0
        self.next_at = 0.0  #: monotonic: when to look at the next slice
        self._partition = -1
        self._names: list[str] = []
        self._after: Cursor | None = None
        self._rows = 0
        self._workers: set[str] = set()
        self._last_rows = 0
        self._looked: dict[str, int] = {}
        self._slice = FIRST_SLICE

    def slice(self) -> list[str]:
        """Look at one slice; the keys of the tasks that were taken from dead workers and are for us to run. Those in a
        rival's part it finds by reading: were they ours too, one of us would be refused."""
        job = self.job
        engine = job.engine
        now = engine.now()
        if self._partition < 0 or self._partition >= len(self._names):
            self._begin()
        slack = engine.slack_ms(job.config.lease_ms)
        # Only a task that was claimed at least a lease ago can have a lease that is over (others are found later).
        until = times.to_text(now - (job.config.lease_ms + slack) * 1000)
        page = engine.page(job.table, self._names[self._partition], limit=self._slice, after=self._after, until=until)
        rows = page.rows
        self._rows += len(rows)
        for row in rows:
            if row.get("worker"):
                self._workers.add(row["worker"])
        self._slice = SLICE
        over = self._over(rows, now, slack)
        rescued = self._take(over) if over else []
        self._after = page.after
        if page.after is None:
            self._partition += 1
            if self._partition >= len(self._names):
                self._finish()
        self._pace(bool(over))
        return rescued

    def _begin(self) -> None:
        job = self.job
        directory = directory_of(job.engine, job.table).read(DIRECTORY_SECONDS)
        code = job.config.in_progress_status
        shards = max(job.config.status_shards.get(code, 1), directory.shards(job.config.use_case_id, code), 1)
        self._names = [job.config.partition(code, shard) for shard in range(1, shards + 1)]
        random.shuffle(self._names)
        self._partition, self._after, self._rows = 0, None, 0
        self._workers = set()

    def _finish(self) -> None:
        self._last_rows = self._rows
        self._workers.discard(worker_name())
        self.rivals = len(self._workers)
        self._partition = -1

    def _pace(self, found: bool) -> None:
        """A burst is worked off at once (the caller claims in between); else a circle takes as many leases as there are
        workers."""
        if found:
            self.next_at = 0.0
            return
        lease = self.job.config.lease_ms / 1000
        rows = max(self._last_rows, self._rows)
        rivals = max(self.rivals, len(self._workers - {worker_name()}))
        pause = LEASES * lease * (rivals + 1) / max(1, len(self._names), -(-rows // SLICE))
        if rows < FEW and self._after is None:
            pause = min(pause, lease) / OFTEN
        self.next_at = monotonic() + pause * (0.5 + random.random())

    def _over(self, rows: list[Row], now: int, slack: int) -> list[Row]:
        """The rows, whole, whose lease is over. One that was looked at is left alone until its lease can be over."""
        job, now_ms = self.job, now // 1000
        if job.engine.page_is_full:
            full: dict[str, Row] = {row["key"]: row for row in rows}
        else:
            keys = [row["key"] for row in rows if self._looked.get(row["key"], 0) <= now_ms]
            full = job.engine.get(job.table, keys) if keys else {}
            if len(self._looked) > REMEMBERED:
                self._looked.clear()
        found = []
        for key, row in full.items():
            if lifecycle.lease_is_over(job.config, row, now, slack):
                found.append(row)
                self._looked.pop(key, None)
            elif not job.engine.page_is_full:
                end = lease_end_ms(row, job.config, now) + slack
                self._looked[key] = max(end, now_ms + job.config.lease_ms)
        return found

    def _take(self, rows: list[Row]) -> list[str]:
        """Take them from their dead holders in one request: those that may be tried again are then run alone, by
        whoever has nothing else at hand."""
        job = self.job
        engine, config = job.engine, job.config
        now = engine.now()
        expire_at = expiry(engine, job.table, config, config.ignored_status, now)
        writes = [lifecycle.rescue(config, row, now=now, expire_at=expire_at) for row in rows]
        again: list[str] = []
        for row, outcome in zip(rows, engine.apply(job.table, writes), strict=True):
            if not isinstance(outcome, Applied):
                continue  # its holder lives, or another worker was quicker
            self.report.rescued += 1
            after = outcome.row
            if after.get("status") == config.ignored_status:
                self.report.ignored += 1
                log(logging.WARNING, "ignored", row["key"], retry=after.get("retry"), error=after.get("error_summary"))
                self._fire("ignored", after)
            else:
                log(logging.WARNING, "rescued", row["key"], attempt=row.get("attempt"), holder=row.get("worker"))
                job.source.forget(str(row.get("worker")))
                self._fire("taken_over", after)
                again.append(row["key"])
        return [key for key in again if job.source.is_ours(key)]

    def _fire(self, event: str, row: Row) -> None:
        if hooks.registered:
            hooks.fire(event, self.job.step._from_row(row, self.job.engine, self.job.table))
