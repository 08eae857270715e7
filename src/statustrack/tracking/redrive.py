"""Redrive: failed and ignored tasks back to pending, in bulk, resumable, perhaps behind a canary."""

from __future__ import annotations

# A parent of BaseTask, typed as BaseTask's own methods; mypy's check that "self" is a supertype does not know that
# nobody else inherits from it.
# mypy: disable-error-code="misc"
import logging
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.core import lifecycle
from statustrack.core.errors import ConfigError, StorageUnavailableError
from statustrack.core.record import was_redriven
from statustrack.core.writes import Row
from statustrack.engines.protocol import Applied, Refused, trouble
from statustrack.tracking import canary as canaries
from statustrack.tracking import wakeup
from statustrack.tracking.arguments import status_codes
from statustrack.tracking.canary import CanaryReport
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import new_token, operator_name
from statustrack.tracking.selection import Selection, rounds, selected, task_id_of
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass
class RedriveReport:
    """What came of a redrive. ``redrive_id`` is in the note of every task that it redrove; give it again to go on
    with a redrive that was interrupted.

    ``stopped`` says why a redrive with a canary did not go on to the other tasks (None: it did).
    """

    redrive_id: str
    matched: int = 0
    redriven: int = 0
    changed_meanwhile: int = 0
    ids: list[str] = field(default_factory=list)
    canary: CanaryReport | None = None
    stopped: str | None = None


class RedriveVerb:
    """The verb of a task class that redrives."""

    @classmethod
    def redrive(
        cls: type[T],
        ids: Iterable[str] | None = None,
        *,
        status: Any = ("failed", "ignored"),
        group: str | None = None,
        text: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int | None = None,
        why: str = "",
        who: str | None = None,
        redrive_id: str | None = None,
        dry_run: bool = False,
        canary: int | None = None,
        require: Any = 0.95,
        wait: Any = "15m",
        progress: Callable[[RedriveReport], None] | None = None,
    ) -> RedriveReport:
        """Put failed and ignored tasks back to pending, with all their retries and without their backoff.

        What is redriven must be as it was read; a task that was redriven by this call and failed again is not redriven
        twice. Each gets a note: who, why, when, which redrive.

        :param ids: only these task ids.
        :param group: only this failure group (``task.error_group``).
        :param text: only tasks whose error summary contains this.
        :param since, until: bounds of update_time (a datetime, or an age such as ``"2h"``).
        :param limit: at most so many.
        :param redrive_id: go on with an interrupted redrive.
        :param dry_run: only find out what would be redriven.
        :param canary: redrive so many first, drawn at random, and wait for what comes of them.
        :param require: the part of the canary that must succeed at its first attempt (0.95, ``"95%"``); else nothing
            more is redriven, and ``report.stopped`` says why.
        :param wait: how long to wait for the canary (seconds, a timedelta, ``"15m"``); workers must be running.
        :param progress: called with the report after every batch, and every look at the canary.
        :raises ConfigError: an argument that cannot be; nothing was written.
        :raises StorageUnavailableError: not all were confirmed; the same call with the report's id goes on.
        """
        config = cls._config()
        codes = status_codes(list(status) if isinstance(status, tuple) else status, config)
        wrong = [code for code in codes if code not in (config.failed_status, config.ignored_status)]
        if wrong:
            raise ConfigError(f"redrive: status {wrong} of {cls.__name__} is neither failed nor ignored.")
        if redrive_id is not None and not _ID.fullmatch(str(redrive_id)):
            raise ConfigError(f"redrive_id={redrive_id!r} must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -")
        size = canaries.size_of_canary(canary)
        share, wait_seconds = canaries.share_of(require), canaries.seconds_to_wait(wait)
        selection = Selection(tuple(codes), ids, group, text, since, until, limit=limit)
        engine, table = cls._engine_and_table()
        directory_of(engine, table).ensure(config, cls.__name__)
        report = RedriveReport(str(redrive_id) if redrive_id is not None else new_token()[:12])
        run = _Redrive(cls, report, who or operator_name(), why, progress or (lambda _: None))
        rows = selected(cls, selection, lambda row: not was_redriven(row, report.redrive_id))
        if dry_run:
            for chunk in rounds(rows):
                report.matched += len(chunk)
                report.ids += [task_id_of(config, row) for row in chunk]
                run.progress(report)
            return report
        if size is not None:
            rows = run.canary(rows, size, share, wait_seconds)
        if report.stopped is None:
            for chunk in rounds(rows):
                run.redrive(chunk)
        log(
            logging.INFO, "redrive", config.use_case_id, id=report.redrive_id, redriven=report.redriven, why=why,
            stopped=report.stopped,
        )  # fmt: skip
        wakeup.tell()
        return report


class _Redrive:
    """One call of ``redrive``: what all its batches share."""

    def __init__(
        self, cls: type[BaseTask], report: RedriveReport, who: str, why: str, progress: Callable[[RedriveReport], None]
    ) -> None:
        self.cls = cls
        self.config = cls._config()
        self.engine, self.table = cls._engine_and_table()
        self.started = self.engine.now()
        self.report = report
        self.who = who
        self.why = why
        self.progress = progress

    def redrive(self, rows: list[Row]) -> list[Row]:
        """One batch; the rows that were redriven."""
        report, now = self.report, self.engine.now()
        writes = [
            lifecycle.redrive(
                self.config,
                row,
                now=now,
                started=self.started,
                redrive_id=report.redrive_id,
                who=self.who,
                why=self.why,
            )
            for row in rows
        ]
        report.matched += len(rows)
        done: list[Row] = []
        unconfirmed: list[tuple[str, object]] = []
        for row, outcome in zip(rows, self.engine.apply(self.table, writes), strict=True):
            if isinstance(outcome, Applied):
                report.redriven += 1
                report.ids.append(task_id_of(self.config, row))
                done.append(row)
            elif isinstance(outcome, Refused):
                report.changed_meanwhile += 1
            else:
                unconfirmed.append((str(row["key"]), trouble(outcome)))
        self.progress(report)
        if unconfirmed:
            key, cause = unconfirmed[0]
            raise StorageUnavailableError(
                f"redrive {report.redrive_id}: {len(unconfirmed)} were not confirmed, {key!r} among them: {cause}. "
                f"{report.redriven} were redriven; go on with redrive_id={report.redrive_id!r}."
            )
        return done

    def canary(self, rows: Iterator[Row], size: int, share: float, wait_seconds: float) -> Iterator[Row]:
        """Redrive a sample and wait for it; what is left to redrive if it did well."""
        head = list(islice(rows, max(canaries.DRAWN_FROM, size)))
        drawn = set(random.sample(range(len(head)), min(size, len(head))))
        sample = self.redrive([row for index, row in enumerate(head) if index in drawn])
        rest = chain((row for index, row in enumerate(head) if index not in drawn), rows)
        if not sample:
            return rest  # nothing matched, or all of it has moved on
        wakeup.tell()
        found = self.report.canary = CanaryReport(
            len(sample), canaries.needed_of(len(sample), share), [task_id_of(self.config, row) for row in sample]
        )
        found.waiting = found.size
        attempts = {str(row["key"]): int(row.get("attempt") or 0) for row in sample}
        canaries.watch(
            self.engine, self.table, self.config, attempts, found, wait_seconds, lambda: self.progress(self.report)
        )
        if not found.passed:
            how = f"{found.succeeded} of {found.size} succeeded, {found.failed} failed"
            if found.waiting:
                how += f", {found.waiting} have no outcome after {found.seconds:.0f} s (are workers running?)"
            self.report.stopped = f"the canary did not pass: {how}; {found.needed} had to succeed"
        return rest
