"""What operators do to single tasks and to many: ignore, release, delete, explain."""

from __future__ import annotations

# A parent of BaseTask, typed as BaseTask's own methods; mypy's check that "self" is a supertype does not know that
# nobody else inherits from it.
# mypy: disable-error-code="misc"
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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
from statustrack.tracking.arguments import status_codes
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import operator_name
from statustrack.tracking.retention import PruneReport, expiry, prune
from statustrack.tracking.selection import Selection, rounds, selected, task_id_of
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: Makes the write for a row (``now`` in microseconds); None: the row is to be left alone.
_Make = Callable[[Row, int], Write | None]


@dataclass
class ActionReport:
    """What came of an action on many tasks; of a dry run, what would come of it.

    ``left_alone`` counts those that were meant and not touched: somebody holds them, or they changed meanwhile.
    """

    action: str
    matched: int = 0
    done: int = 0
    left_alone: int = 0
    ids: list[str] = field(default_factory=list)  #: those done
    left_ids: list[str] = field(default_factory=list)


Progress = Callable[[ActionReport], None]


class OperatorVerbs:
    """The verbs of a task class for people who put things right."""

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
        write = _ignoring(cls, engine, table, who, why)(row, engine.now())
        assert write is not None
        return _apply(cls, "ignore", write, engine, table)

    @classmethod
    def ignore_many(
        cls: type[T],
        ids: Iterable[str] | None = None,
        *,
        status: Any = ("pending", "failed"),
        group: str | None = None,
        text: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int | None = None,
        why: str = "",
        who: str | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ActionReport:
        """Give up pending and failed tasks by hand: as :meth:`ignore`, for all that are chosen as in :meth:`redrive`.

        :raises ConfigError: an argument that cannot be; nothing was written.
        :raises StorageUnavailableError: not all were confirmed; the same call goes on.
        """
        config = cls._config()
        codes = _codes_among(cls, "ignore", status, (config.pending_status, config.failed_status))
        selection = Selection(codes, ids, group, text, since, until, limit=limit)
        engine, table = cls._engine_and_table()
        make = _ignoring(cls, engine, table, who, why)
        return _act(cls, "ignore", selection, make, dry_run, progress, why=why, who=who)

    @classmethod
    def release(cls: type[T], task_id: str, *, why: str = "", who: str | None = None, force: bool = False) -> T:
        """Evict a dead holder: the attempt counts as lost, and the task is failed (ignored when its retries are used
        up).

        It can be claimed again once the evicted lease has ended, since the holder may only seem dead; at once with
        ``force``, which evicts a holder whose lease still runs, too.

        :raises TaskChangedError: nobody holds it, its lease still runs (and not ``force``), or it changed meanwhile.
        """
        engine, table, row = _read(cls, task_id)
        if row.get("status") != cls._config().in_progress_status:
            raise _refused(cls, "release", row, engine, table, "it is not in progress in this step")
        write = _evicting(cls, engine, table, who, why, force)(row, engine.now())
        if write is None:
            raise _refused(
                cls, "release", row, engine, table, "its lease still runs; pass force=True if its worker is known dead"
            )
        return _apply(cls, "release", write, engine, table)

    @classmethod
    def release_many(
        cls: type[T],
        ids: Iterable[str] | None = None,
        *,
        worker: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int | None = None,
        why: str = "",
        who: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ActionReport:
        """Evict dead holders: as :meth:`release`, for all in-progress tasks that are chosen. Those whose lease still
        runs are left alone, and counted, unless ``force``.

        :param worker: only what is held by workers whose name begins so (``host:`` is a machine, ``host:pid`` one
            process on it).
        :raises ConfigError: an argument that cannot be; nothing was written.
        :raises StorageUnavailableError: not all were confirmed; the same call goes on.
        """
        codes = (cls._config().in_progress_status,)
        selection = Selection(codes, ids, since=since, until=until, worker=worker, limit=limit)
        engine, table = cls._engine_and_table()
        make = _evicting(cls, engine, table, who, why, force)
        return _act(cls, "release", selection, make, dry_run, progress, why=why, who=who)

    @classmethod
    def delete_many(
        cls: type[T],
        ids: Iterable[str] | None = None,
        *,
        status: Any = None,
        group: str | None = None,
        text: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int | None = None,
        why: str = "",
        who: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ActionReport:
        """Delete the tasks that are chosen by id (in whatever status), or by status. Held ones are left alone, and
        counted, unless ``force``. Nothing is left to note it in: the log says who and why.

        :raises ConfigError: neither ids nor a status; or an argument that cannot be. Nothing was deleted.
        :raises StorageUnavailableError: not all were confirmed; the same call goes on.
        """
        config = cls._config()
        codes = None if status is None else tuple(status_codes(_listed(status), config))
        selection = Selection(codes, ids, group, text, since, until, limit=limit)

        def make(row: Row, _: int) -> Write | None:
            if not force and row.get("lock") not in (None, NOT_LOCKED):
                return None
            return lifecycle.delete(
                row["key"], attempt=int(row.get("attempt") or 0), status=row.get("status"), forced=force
            )

        return _act(cls, "delete", selection, make, dry_run, progress, why=why, who=who)

    @classmethod
    def prune(
        cls: type[T],
        *,
        limit: int | None = None,
        dry_run: bool = False,
        progress: Callable[[PruneReport], None] | None = None,
    ) -> PruneReport:
        """Delete the tasks of the table (of all its use cases) whose retention has ended. See
        :func:`statustrack.tracking.retention.prune`."""
        engine, table = cls._engine_and_table()
        return prune(engine, table, limit=limit, dry_run=dry_run, progress=progress)

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


# --- one write for a row ---------------------------------------------------------------------------------------------


def _ignoring(cls: type[BaseTask], engine: Engine, table: str, who: str | None, why: str) -> _Make:
    config, name = cls._config(), who or operator_name()

    def make(row: Row, now: int) -> Write:
        expire_at = expiry(engine, table, config, config.ignored_status, now)
        return lifecycle.ignore(config, row, now=now, who=name, why=why, expire_at=expire_at)

    return make


def _evicting(cls: type[BaseTask], engine: Engine, table: str, who: str | None, why: str, force: bool) -> _Make:
    config, name = cls._config(), who or operator_name()

    def make(row: Row, now: int) -> Write | None:
        if not force and lease_end_ms(row, config, now) > now // 1000:
            return None
        expire_at = expiry(engine, table, config, config.ignored_status, now)
        return lifecycle.evict(config, row, now=now, who=name, why=why, forced=force, expire_at=expire_at)

    return make


# --- many ------------------------------------------------------------------------------------------------------------


def _act(
    cls: type[BaseTask],
    action: str,
    selection: Selection,
    make: _Make,
    dry_run: bool,
    progress: Progress | None,
    *,
    why: str,
    who: str | None,
) -> ActionReport:
    config = cls._config()
    engine, table = cls._engine_and_table()
    report = ActionReport(action)
    for chunk in rounds(selected(cls, selection)):
        report.matched += len(chunk)
        now = engine.now()
        made = [(task_id_of(config, row), make(row, now)) for row in chunk]
        writes = [write for _, write in made if write is not None]
        outcomes = iter(engine.apply(table, writes) if writes and not dry_run else ())
        unconfirmed: list[tuple[str, object]] = []
        for task_id, write in made:
            outcome = None if write is None or dry_run else next(outcomes)
            if (dry_run and write is not None) or isinstance(outcome, Applied):
                report.done += 1
                report.ids.append(task_id)
            elif outcome is None or isinstance(outcome, Refused):
                report.left_alone += 1
                report.left_ids.append(task_id)
            else:
                unconfirmed.append((task_id, trouble(outcome)))
        if progress is not None:
            progress(report)
        if unconfirmed:
            task_id, cause = unconfirmed[0]
            raise StorageUnavailableError(
                f"{action}: {len(unconfirmed)} tasks were not confirmed, {task_id!r} among them: {cause}. "
                f"{report.done} are done; the same call goes on with the others."
            )
    if not dry_run:
        # What is ignored or released carries a note; of what is deleted this is all that is left.
        level = logging.WARNING if action == "delete" and report.done else logging.INFO
        log(
            level, action, config.use_case_id, tasks=report.done, left_alone=report.left_alone,
            who=who or operator_name(), why=why,
        )  # fmt: skip
    return report


def _listed(status: Any) -> Any:
    return list(status) if isinstance(status, tuple) else status


def _codes_among(cls: type[BaseTask], verb: str, status: Any, allowed: tuple[int, ...]) -> tuple[int, ...]:
    config: TrackerConfig = cls._config()
    codes = status_codes(_listed(status), config)
    wrong = [code for code in codes if code not in allowed]
    if wrong:
        names = " nor ".join(str(config.name_of(code)) for code in allowed)
        raise ConfigError(f"{verb}: status {wrong} of {cls.__name__} is neither {names}.")
    return tuple(codes)


# --- one -------------------------------------------------------------------------------------------------------------


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
