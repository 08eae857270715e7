"""Operators' verbs on many or one: redrive, ignore, release, explain."""

from __future__ import annotations

# Parents of BaseTask, typed as BaseTask's own methods; mypy's check that "self" is a supertype does not know that
# nobody
# else inherits from them.
# mypy: disable-error-code="misc"
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.core import explain as explaining
from statustrack.core import lifecycle
from statustrack.core.config import TrackerConfig
from statustrack.core.directory import Directory
from statustrack.core.errors import (
    ConfigError,
    StorageUnavailableError,
    TaskChangedError,
    TaskExecutionError,
    TaskIsNotInitializedError,
)
from statustrack.core.explain import Explanation
from statustrack.core.record import NOT_LOCKED, lease_end_ms
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused, trouble
from statustrack.tracking import wakeup
from statustrack.tracking.arguments import limit_of, status_codes
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import new_token, operator_name
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: Tasks per round: one batch of reads, one batch of writes.
ROUND = 500


@dataclass
class RedriveReport:
    """What came of a redrive. ``redrive_id`` is in the note of every task that it redrove; give it again to go on
    with a
    redrive that was interrupted."""

    redrive_id: str
    matched: int = 0
    redriven: int = 0
    changed_meanwhile: int = 0
    ids: list[str] = field(default_factory=list)


class OperatorVerbs:
    """The verbs of a task class for people who put things right."""

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
        :raises StorageUnavailableError: not all were confirmed; the same call with the report's id goes on.
        """
        config = cls._config()
        codes = status_codes(status if not isinstance(status, tuple) else list(status), config)
        wrong = [code for code in codes if code not in (config.failed_status, config.ignored_status)]
        if wrong:
            raise ConfigError(f"redrive: status {wrong} of {cls.__name__} is neither failed nor ignored.")
        engine, table = cls._engine_and_table()
        directory_of(engine, table).ensure(config, cls.__name__)
        report = RedriveReport(redrive_id or new_token()[:12])
        started = engine.now()
        rows = _matching(cls, engine, table, ids, codes, since, until, group, text, report.redrive_id)
        if (most := limit_of(limit)) is not None:
            rows = islice(rows, most)
        while chunk := list(islice(rows, ROUND)):
            report.matched += len(chunk)
            if dry_run:
                report.ids += [_id_of(config, row) for row in chunk]
                continue
            _redrive_chunk(cls, engine, table, chunk, started, who or operator_name(), why, report)
        if not dry_run:
            log(logging.INFO, "redrive", config.use_case_id, id=report.redrive_id, redriven=report.redriven, why=why)
            wakeup.tell()
        return report

    @classmethod
    def ignore(cls: type[T], task_id: str, *, why: str = "", who: str | None = None) -> T:
        """Give a pending or failed task up by hand: it becomes ignored, with a note.

        :raises TaskIsNotInitializedError: there is no such task.
        :raises TaskChangedError: it is neither pending nor failed, or changed meanwhile.
        """
        config = cls._config()
        engine, table, row = _read(cls, task_id)
        if row.get("status") not in (config.pending_status, config.failed_status):
            raise _refused(cls, "ignore", row, engine, table, "only a pending or failed task can be ignored")
        write = lifecycle.ignore(config, row, now=engine.now(), who=who or operator_name(), why=why)
        return _apply(cls, "ignore", write, engine, table)

    @classmethod
    def release(cls: type[T], task_id: str, *, why: str = "", who: str | None = None, force: bool = False) -> T:
        """Evict a dead holder: the attempt counts as lost, and the task is failed (ignored when its retries are used
        up).

        It can be claimed again once the evicted lease has ended, since the holder may only seem dead; at once with
        ``force``, which evicts a holder whose lease still runs, too.

        :raises TaskChangedError: nobody holds it, its lease still runs (and not ``force``), or it changed meanwhile.
        """
        config = cls._config()
        engine, table, row = _read(cls, task_id)
        now = engine.now()
        if row.get("status") != config.in_progress_status:
            raise _refused(cls, "release", row, engine, table, "it is not in progress in this step")
        if not force and lease_end_ms(row, config, now) > now // 1000 and row.get("lock") not in (None, NOT_LOCKED):
            raise _refused(
                cls, "release", row, engine, table, "its lease still runs; pass force=True if its worker is known dead"
            )
        write = lifecycle.evict(config, row, now=now, who=who or operator_name(), why=why, forced=force)
        return _apply(cls, "release", write, engine, table)

    @classmethod
    def explain(cls: type[T], task_id: str) -> Explanation:
        """Why is this task not running, who holds it until when, what would a claim do, and what can be done."""
        config = cls._config()
        engine, table = cls._engine_and_table()
        key = cls.make_key(task_id)
        row = engine.get(table, [key]).get(key)
        names = code_names(directory_of(engine, table).read(30.0), config.use_case_id)
        return explaining.explain(config, row, engine.now(), engine.slack_ms(config.lease_ms), names=names)


def code_names(directory: Directory, use_case_id: str) -> dict[int, str]:
    """What each status code of a use case means, as ``Step1.succeeded = Step2.pending``."""
    names: dict[int, list[str]] = {}
    entry = directory.use_cases.get(use_case_id)
    for step in entry.steps.values() if entry else ():
        for code, role in step.roles():
            if role != "more_pending":
                names.setdefault(code, []).append(f"{step.label}.{role}")
    return {code: " = ".join(said) for code, said in names.items()}


def _id_of(config: TrackerConfig, row: Row) -> str:
    return str(row["key"]).split(config.sep, 1)[1]


def _matching(
    cls: type[T],
    engine: Engine,
    table: str,
    ids: Iterable[str] | None,
    codes: list[int],
    since: Any,
    until: Any,
    group: str | None,
    text: str | None,
    redrive_id: str,
) -> Iterator[Row]:
    if ids is not None:
        many = iter(ids)

        def by_id() -> Iterator[Row]:
            while chunk := list(islice(many, 100)):
                keys = [cls.make_key(task_id) for task_id in chunk]
                found = engine.get(table, keys)
                yield from (found[key] for key in dict.fromkeys(keys) if key in found)

        rows = by_id()
    else:
        # Read consistently: the guard of the redrive is what was read here.
        rows = (
            task._row
            for task in cls.query_by_status(codes, auto_refresh=True, since=since, until=until)
            if group is None or task._row.get("error_group") == group
        )
    for row in rows:
        if (
            row.get("status") in codes
            and (group is None or row.get("error_group") == group)
            and (text is None or text in str(row.get("error_summary") or ""))
            and f'"{redrive_id}"' not in str(row.get("notes") or "")
        ):
            yield row


def _redrive_chunk(
    cls: type[T],
    engine: Engine,
    table: str,
    rows: list[Row],
    started: int,
    who: str,
    why: str,
    report: RedriveReport,
) -> None:
    config, now = cls._config(), engine.now()
    writes: list[Write] = [
        lifecycle.redrive(config, row, now=now, started=started, redrive_id=report.redrive_id, who=who, why=why)
        for row in rows
    ]
    for row, outcome in zip(rows, engine.apply(table, writes), strict=True):
        if isinstance(outcome, Applied):
            report.redriven += 1
            report.ids.append(_id_of(config, row))
        elif isinstance(outcome, Refused):
            report.changed_meanwhile += 1
        else:
            cause = trouble(outcome)
            raise StorageUnavailableError(
                f"redrive {report.redrive_id}: {row['key']!r} was not confirmed: {cause}. {report.redriven} were "
                f"redriven; "
                f"go on with redrive_id={report.redrive_id!r}."
            )


def _read(cls: type[T], task_id: str) -> tuple[Engine, str, Row]:
    engine, table = cls._engine_and_table()
    key = cls.make_key(task_id)
    row = engine.get(table, [key]).get(key)
    if row is None:
        raise TaskIsNotInitializedError.make(cls._config().use_case_id, task_id)
    return engine, table, row


def _apply(cls: type[T], verb: str, write: Write, engine: Engine, table: str) -> T:
    outcome = engine.apply(table, [write])[0]
    if isinstance(outcome, Applied):
        log(logging.WARNING, verb, write.key)
        return cls._from_row(outcome.row, engine, table)
    if isinstance(outcome, Refused):
        raise _refused(cls, verb, outcome.current or {"key": write.key}, engine, table, "it changed meanwhile")
    cause = trouble(outcome)
    raise StorageUnavailableError(
        f"{verb} of {write.key!r} was not confirmed: {cause}. Look at the task, and try again."
    )


def _refused(cls: type[T], verb: str, row: Row, engine: Engine, table: str, why: str) -> TaskChangedError:
    task = cls._from_row(row, engine, table)
    name = TaskExecutionError.to_task(task.use_case_id, task.task_id)
    status = task.status_name if "status" in row else "gone"
    error = TaskChangedError(f"{verb} of {name} (status {status}) was refused: {why}. Nothing was changed.")
    error.task = task
    return error
