"""BaseTask: one task as users declare, make, read and save it; the verbs that work on many are in its parents."""

from __future__ import annotations

import copy as copying
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from statustrack.core import config as core_config
from statustrack.core import lifecycle, payload, times
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import (
    ConfigError,
    StorageError,
    StorageUnavailableError,
    TaskAlreadyExistsError,
    TaskChangedError,
    TaskExecutionError,
    TaskIsNotInitializedError,
)
from statustrack.core.record import (
    ATTRIBUTES,
    INDEX_ATTRIBUTES,
    NOT_LOCKED,
    attempts_of,
    fence_of,
    lease_end_ms,
    new_row,
    notes_of,
)
from statustrack.core.record import Attempt as EndedAttempt
from statustrack.core.sharding import shard_of
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Outcome, Refused, Unknown
from statustrack.tracking import location, wakeup
from statustrack.tracking.attributes import Attributed, Instant, Json, Moment, Number, Seconds, Shown, Text
from statustrack.tracking.bulk import BulkVerbs
from statustrack.tracking.directory import directory_of
from statustrack.tracking.execution import Start
from statustrack.tracking.handlers import Handler, HandlerVerb
from statustrack.tracking.identity import new_token
from statustrack.tracking.index import StatusAndUpdateTimeIndex
from statustrack.tracking.operate import OperatorVerbs
from statustrack.tracking.query import QueryVerbs
from statustrack.tracking.redrive import RedriveVerb
from statustrack.tracking.twins import AsyncTwins

T = TypeVar("T", bound="BaseTask")


def _late_results(row: Row) -> list[dict[str, Any]]:
    return [payload.decode(text, {"detail": text}) for text in sorted(row.get("late_results") or ())]


class BaseTask(QueryVerbs, BulkVerbs, RedriveVerb, OperatorVerbs, AsyncTwins, HandlerVerb, Attributed):
    """A task and the table that it lives in. Subclass it with a ``Meta`` (where) and a ``config`` (what)::

        class Step1(BaseTask):
            class Meta:
                table_name = "jobs"

            config = TrackerConfig.make("invoices", status=Step1StatusEnum)

    ``Meta`` may have ``table_name``, ``region``, ``host`` (DynamoDB), ``engine`` (an engine URL), ``billing_mode``,
    ``read_capacity_units``, ``write_capacity_units``, ``tags``.
    """

    config: ClassVar[TrackerConfig]
    _handler: ClassVar[Handler | None] = None
    status_and_update_time_index = StatusAndUpdateTimeIndex()

    key: Text[str] = Text()
    value: Text[str] = Text()
    status: Number[int] = Number()
    create_time: Instant[datetime] = Instant(times.EPOCH)
    update_time: Instant[datetime] = Instant(times.EPOCH)
    retry: Number[int] = Number(0)
    lock: Text[str] = Text(NOT_LOCKED)
    lock_time: Instant[datetime] = Instant(times.EPOCH)
    data: Json[dict[str, Any]] = Json(dict)
    errors: Json[dict[str, Any]] = Json(lambda: {"history": []})
    attempt: Number[int] = Number(0)
    lease_until: Moment[datetime | None] = Moment()
    ready_at: Moment[datetime | None] = Moment()
    claimed_from: Text[str | None] = Text()
    start_time: Instant[datetime | None] = Instant()
    worker: Text[str | None] = Text()
    create_id: Text[str | None] = Text()
    attempts: Shown[list[EndedAttempt]] = Shown(attempts_of)
    error_group: Text[str | None] = Text()
    error_summary: Text[str | None] = Text()
    notes: Shown[list[dict[str, Any]]] = Shown(notes_of)
    late_results: Shown[list[dict[str, Any]]] = Shown(_late_results)
    expire_at: Seconds[datetime | None] = Seconds()

    def __init__(self, **attributes: Any) -> None:
        unknown = sorted(set(attributes) - set(ATTRIBUTES))
        if unknown:
            raise ConfigError(
                f"unknown attributes {unknown}: a task has {', '.join(ATTRIBUTES)}. Keep your own in data={{...}}."
            )
        self._row: Row = {}
        self._decoded: dict[str, Any] = {}
        self._engine: Engine | None = None
        self._table = ""
        self._read_status: int | None = None
        self._whole = True
        for name, value in attributes.items():
            setattr(self, name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        config = cls.__dict__.get("config")
        if config is not None and not isinstance(config, TrackerConfig):
            raise ConfigError(f"{cls.__name__}.config is {config!r}: make it with TrackerConfig.make(...).")
        meta = cls.__dict__.get("Meta")
        if meta is not None:
            location.own_url(meta)

    @classmethod
    def _from_row(cls: type[T], row: Row, engine: Engine | None, table: str) -> T:
        task = cls.__new__(cls)
        task._row, task._decoded, task._engine, task._table = row, {}, engine, table
        task._read_status = row.get("status") if engine is not None else None
        task._whole = True
        return task

    @classmethod
    def _from_index(cls: type[T], row: Row, engine: Engine, table: str) -> T:
        """A task with what the index carries: on every engine the same, so that a program does not come to depend on
        what one engine happens to read along."""
        kept = {name: row[name] for name in _INDEXED if name in row}
        status = cls._config().status_of_value(row.get("value"))
        if status is not None:
            kept["status"] = status
        task = cls._from_row(kept, engine, table)
        task._whole = False
        return task

    @classmethod
    def _config(cls) -> TrackerConfig:
        config: TrackerConfig | None = getattr(cls, "config", None)
        if config is None:
            raise ConfigError(
                f"{cls.__name__} has no config: set config = TrackerConfig.make(...) in it, or use one of its "
                f"subclasses."
            )
        return config

    @classmethod
    def _engine_and_table(cls) -> tuple[Engine, str]:
        return location.engine_for(cls), location.table_of(cls)

    def _where(self) -> tuple[Engine, str]:
        """Where this task came from; a new or unpickled one belongs where its class does."""
        return (self._engine, self._table) if self._engine is not None else self._engine_and_table()

    def _take(self, row: Row) -> None:
        self._row = row
        self._decoded = {}
        self._read_status, self._whole = row.get("status"), True

    def __getstate__(self) -> dict[str, Any]:
        return {"row": self._stored(), "read_status": self._read_status, "whole": self._whole}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._row, self._decoded, self._engine, self._table = state["row"], {}, None, ""
        self._read_status, self._whole = state["read_status"], state["whole"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseTask) and type(other) is type(self) and other._stored() == self._stored()

    def __hash__(self) -> int:
        return hash((type(self), self._row.get("key")))

    def __repr__(self) -> str:
        shown = [f"status={self.status_name!r}"]
        shown += [
            f"{name}={self._row[name]!r}" for name in ("attempt", "retry", "update_time", "worker") if name in self._row
        ]
        return f"{type(self).__name__}({self._row.get('key')!r}, {', '.join(shown)})"

    # --- names -------------------------------------------------------------------------------------------------------

    @classmethod
    def make_key(cls, task_id: str, _use_case_id: str | None = None) -> str:
        """The stored key of a task id: ``{use_case_id}{sep}{task_id}``. Raises ``ConfigError`` for an id that cannot
        be stored."""
        config = cls._config()
        if _use_case_id is not None:
            core_config.check_use_case(_use_case_id, config.sep)
        key = config.key(task_id, _use_case_id)
        core_config.check_key(key, task_id)
        return key

    @classmethod
    def make_value(
        cls,
        status: int,
        _use_case_id: str | None = None,
        _task_id: str | None = None,
        _shard_id: int | None = None,
    ) -> str:
        """The stored ``value``, ``{use_case_id}{sep}{status}{sep}{shard}``: the hash key of the status index.

        Needs the task id (its shard follows from it) or the shard.
        """
        config = cls._config()
        if _shard_id is None:
            if _task_id is None:
                raise ConfigError("make_value needs _task_id (the shard follows from it) or _shard_id.")
            key = cls.make_key(_task_id, _use_case_id)
            _shard_id = shard_of(key, config.status_shards.get(int(status), 1))
        return config.partition(int(status), _shard_id, _use_case_id)

    @property
    def use_case_id(self) -> str:
        """The use case part of the key."""
        return self.key.split(self.config.sep, 1)[0]

    @property
    def task_id(self) -> str:
        """The id of the task, unique in its use case."""
        return self.key.split(self.config.sep, 1)[1]

    @property
    def shard_id(self) -> int:
        """The shard of the status index that the task is in now."""
        return int(self.value.rsplit(self.config.sep, 1)[1])

    @property
    def status_name(self) -> str:
        """The name of the status in this step; for a code of another step the code itself, as text."""
        status = self.status
        return self.config.name_of(status) or str(status)

    def is_pending(self) -> bool:
        """Whether the task waits for this step."""
        return self.status == self.config.pending_status

    def is_in_progress(self) -> bool:
        """Whether the task is in this step's work (its holder may be dead: see :meth:`is_locked`)."""
        return self.status == self.config.in_progress_status

    def is_failed(self) -> bool:
        """Whether this step failed last, and will be tried again."""
        return self.status == self.config.failed_status

    def is_succeeded(self) -> bool:
        """Whether this step is done."""
        return self.status == self.config.succeeded_status

    def is_ignored(self) -> bool:
        """Whether this step failed too often, or was given up."""
        return self.status == self.config.ignored_status

    def is_locked(self, expected_lock: str | None = None, utc_now: datetime | None = None) -> bool:
        """Whether somebody holds the task and the lease has not run out.

        :param expected_lock: if it is the task's lock token, the task counts as not locked (it is yours).
        :param utc_now: judge at this time instead of now.
        """
        lock = self.lock
        if lock == NOT_LOCKED or (expected_lock is not None and lock == expected_lock):
            return False
        if expected_lock is not None:
            return True
        if utc_now is not None:
            now = times.datetime_to_micros(utc_now)
        else:
            engine = self._where()[0]
            now = engine.now()
        return lease_end_ms(self._row, self.config, now) > now // 1000

    @property
    def fence(self) -> int:
        """The fencing token of the last attempt (see ``ExecutionContext.fence``)."""
        return fence_of(self._row)

    @property
    def progress(self) -> dict[str, Any] | None:
        """What the running (or last) attempt said of its progress: fraction, message, time."""
        shown: dict[str, Any] | None = payload.decode(self._row.get("progress"), None)
        return shown

    def to_dict(self, copy: bool = False) -> dict[str, Any]:
        """The attributes as a dict of Python values (with ``copy`` one that shares nothing with the task)."""
        shown = {name: getattr(self, name) for name in ATTRIBUTES if name in self._row or name in _ALWAYS}
        return copying.deepcopy(shown) if copy else shown

    def _stored(self) -> Row:
        """The row with what was changed in place written back."""
        row = dict(self._row)
        for name in ("data", "errors"):
            if name in self._decoded:
                row[name] = payload.encode_data(self._decoded[name], name)
        return row

    # --- making and reading ------------------------------------------------------------------------------------------

    @classmethod
    def make(
        cls: type[T],
        task_id: str,
        data: dict[str, Any] | None = None,
        _use_case_id: str | None = None,
        _status: int | None = None,
        _shard_id: int | None = None,
        **kwargs: Any,
    ) -> T:
        """A new task object; nothing is written. Further attributes of a task can be given by name.

        :raises ConfigError: an id or attribute that cannot be stored.
        :raises InvalidDataError: data that cannot be stored.
        """
        config = cls._config()
        status = config.pending_status if _status is None else int(_status)
        key = cls.make_key(task_id, _use_case_id)
        value = cls.make_value(status, _use_case_id, task_id, _shard_id)
        clock = cls._engine_and_table()[0].clock
        row = new_row(config, key, clock.wall(), payload.encode_data(data), new_token(), status, value)
        task = cls._from_row(row, None, "")
        for name, given in kwargs.items():
            if name not in ATTRIBUTES:
                raise ConfigError(
                    f"unknown attribute {name!r}: a task has {', '.join(ATTRIBUTES)}. Keep your own in data={{...}}."
                )
            setattr(task, name, given)
        return task

    @classmethod
    def make_and_save(
        cls: type[T],
        task_id: str,
        data: dict[str, Any] | None = None,
        _use_case_id: str | None = None,
        _status: int | None = None,
        _shard_id: int | None = None,
        *,
        exist_ok: bool = False,
        **kwargs: Any,
    ) -> T:
        """Create a task. One that exists is never overwritten.

        :param exist_ok: return the task that is there instead of raising.
        :raises TaskAlreadyExistsError: the task is there; ``.task`` is it.
        :raises ConfigError, InvalidDataError: nothing was written.
        """
        task = cls.make(task_id, data, _use_case_id, _status, _shard_id, **kwargs)
        engine, table = cls._engine_and_table()
        directory_of(engine, table).ensure(cls.config, cls.__name__)
        stamp = times.to_text(engine.now())  # service time: fencing tokens and the order of listings are made of it
        for name in ("create_time", "update_time"):
            if name not in kwargs:
                task._row[name] = stamp
        write = lifecycle.create(task._row)
        outcome = engine.apply(table, [write])[0]
        if isinstance(outcome, Applied):
            wakeup.tell()
            return cls._from_row(outcome.row, engine, table)
        if isinstance(outcome, Refused):
            current = outcome.current
            if current is None:
                current = engine.get(table, [task.key]).get(task.key)
            there = None if current is None else cls._from_row(current, engine, table)
            if exist_ok and there is not None:
                return there
            error = TaskAlreadyExistsError(
                f"{TaskExecutionError.to_task(task.use_case_id, task_id)} exists already"
                + (f" (status {there.status_name}, attempt {there.attempt})" if there is not None else "")
                + ": it was left as it is. Pass exist_ok=True to get it, or use save() on it to replace it."
            )
            error.task = there
            raise error
        raise _undelivered(outcome, "create", task.key)

    @classmethod
    def create(cls: type[T], task_id: str, data: dict[str, Any] | None = None, *, exist_ok: bool = False) -> T:
        """Short for :meth:`make_and_save`."""
        return cls.make_and_save(task_id, data, exist_ok=exist_ok)

    @classmethod
    def get_one_or_none(
        cls: type[T],
        task_id: str,
        consistent_read: bool = False,
        attributes_to_get: Sequence[str] | None = None,
        _use_case_id: str | None = None,
    ) -> T | None:
        """The task with this id, or None. Without ``consistent_read`` DynamoDB may answer as of a moment ago."""
        engine, table = cls._engine_and_table()
        key = cls.make_key(task_id, _use_case_id)
        row = engine.get(table, [key], consistent_read, attributes_to_get).get(key)
        if row is None:
            return None
        task = cls._from_row(row, engine, table)
        task._whole = attributes_to_get is None
        return task

    @classmethod
    def get(cls: type[T], task_id: str) -> T:
        """The task with this id, as it is now. Raises ``TaskIsNotInitializedError`` when there is none."""
        task = cls.get_one_or_none(task_id, consistent_read=True)
        if task is None:
            raise TaskIsNotInitializedError.make(cls.config.use_case_id, task_id)
        return task

    def refresh(self, consistent_read: bool = True) -> None:
        """Read all attributes anew. Raises ``TaskIsNotInitializedError`` when the task is gone."""
        engine, table = self._where()
        row = engine.get(table, [self.key], consistent_read).get(self.key)
        if row is None:
            raise TaskIsNotInitializedError.make(self.use_case_id, self.task_id)
        self._take(row)
        self._engine, self._table = engine, table

    # --- whole-item writes -------------------------------------------------------------------------------------------

    def _save_write(self, forced: bool = False) -> Write:
        if not self._whole:
            raise ConfigError(
                f"save of {self.key!r}: this task carries a part of its attributes only (it comes from a listing, "
                f"or from "
                "attributes_to_get), and would replace all of them. Call refresh() first."
            )
        attempt = int(self._row.get("attempt") or 0)
        return lifecycle.save(self._stored(), attempt=attempt, status=self._read_status, forced=forced)

    def save(self, *, force: bool = False) -> None:
        """Put the whole item, as pynamodb does: what is stored is replaced by this object, attributes we do not know
        included.

        Refused while somebody holds the task, and when it was claimed since it was read; ``force`` saves all the same
        (the attempt number still does not go back).

        :raises TaskChangedError: ``.task`` is what is there.
        """
        engine, table = self._where() if self._engine is not None else self._engine_and_table()
        directory_of(engine, table).ensure(self.config, type(self).__name__)
        outcome = engine.apply(table, [self._save_write(force)])[0]
        for _ in range(10):
            if not (force and isinstance(outcome, Refused) and outcome.current is not None):
                break
            self._row["attempt"] = max(self.attempt, int(outcome.current.get("attempt") or 0))
            outcome = engine.apply(
                table, [lifecycle.save(self._stored(), attempt=int(outcome.current.get("attempt") or 0), forced=True)]
            )[0]
        if isinstance(outcome, Applied):
            self._take(outcome.row)
            self._engine, self._table = engine, table
            return
        if isinstance(outcome, Refused):
            raise _changed(type(self), "save", self.key, outcome.current, engine, table)
        raise _undelivered(outcome, "save", self.key)

    def delete(self, *, force: bool = False) -> None:
        """Delete the task. Refused while somebody holds it, and when it was claimed since it was read, unless
        ``force``.

        :raises TaskChangedError: ``.task`` is what is there.
        """
        engine, table = self._where()
        write = lifecycle.delete(self.key, attempt=None if force else int(self._row.get("attempt") or 0), forced=force)
        outcome = engine.apply(table, [write])[0]
        if isinstance(outcome, Refused):
            raise _changed(type(self), "delete", self.key, outcome.current, engine, table)
        if not isinstance(outcome, Applied):
            raise _undelivered(outcome, "delete", self.key)

    # --- the table ---------------------------------------------------------------------------------------------------

    @classmethod
    def create_table(
        cls,
        wait: bool = False,
        read_capacity_units: int | None = None,
        write_capacity_units: int | None = None,
        billing_mode: str | None = None,
        ignore_update_ttl_errors: bool = False,
    ) -> None:
        """Make the table (and on SQLite the file) unless it is there. With a retention (``keep_succeeded_seconds`` or
        ``keep_ignored_seconds``) DynamoDB's TTL is switched on for it, also where it is there.

        :param wait: until it can be used (DynamoDB takes some seconds); with a retention it is waited for in any case.
        :param ignore_update_ttl_errors: only log it when TTL cannot be switched on (no permission, say).
        :raises TableMismatchError: a table of that name is there that is not one of ours.
        """
        engine, table = cls._engine_and_table()
        config: TrackerConfig | None = getattr(cls, "config", None)
        options = location.options_of(
            cls,
            billing_mode=billing_mode,
            read_capacity_units=read_capacity_units,
            write_capacity_units=write_capacity_units,
            expires=config is not None
            and (config.keep_succeeded_seconds is not None or config.keep_ignored_seconds is not None),
            ignore_ttl_errors=ignore_update_ttl_errors,
        )
        if engine.create_table(table, options, wait=wait):
            directory_of(engine, table).table_made()
            if wait:
                directory_of(engine, table).create()

    @classmethod
    def exists(cls) -> bool:
        """Whether the table is there."""
        engine, table = cls._engine_and_table()
        return engine.exists(table)

    @classmethod
    def delete_table(cls) -> None:
        """Remove the table with everything in it."""
        engine, table = cls._engine_and_table()
        engine.drop_table(table)
        directory_of(engine, table).table_dropped()

    @classmethod
    def adopt(cls) -> None:
        """Read every row of a table that others wrote (pynamodb_mate, say) once, and note every use case, status and
        shard in its directory, so that no listing misses any."""
        engine, table = cls._engine_and_table()
        directory_of(engine, table).adopt()

    @classmethod
    def forget_step(cls, use_case_id: str, codes: Sequence[int]) -> bool:
        """Take a step that is gone for good out of the table's directory, so that its codes are free; no task is
        touched."""
        engine, table = cls._engine_and_table()
        return directory_of(engine, table).forget(use_case_id, tuple(int(code) for code in codes))

    # --- the core ----------------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls: type[T],
        task_id: str,
        more_pending_status: int | list[int] | None = None,
        detailed_error: bool = False,
        debug: bool = False,
        *,
        create: bool = False,
        data: dict[str, Any] | None = None,
        lock_expire_seconds: float | None = None,
    ) -> Start[T]:
        """**The core**: ``with Step.start(task_id) as ctx:`` claims the task, runs the block, records the outcome.

        The status becomes in_progress and the task is locked for ``lock_expire_seconds``, renewed while the block runs.
        When the block ends: succeeded; with an exception: failed (ignored after ``max_retry`` in a row), the error is
        kept
        and the exception goes on. Ctrl-C, a shutdown and a cancellation give the task back uncounted. Works as
        ``async with`` too. A crashed worker's task is taken over once its lease is over.

        :param more_pending_status: further statuses that may be claimed, instead of the step's own.
        :param detailed_error: raise the specific error (locked, succeeded, ignored, ...) instead of the general one.
        :param debug: print a trace.
        :param create: create the task, with ``data``, if it is not there.
        :param lock_expire_seconds: another lease than the step's, for this attempt.
        :raises ConfigError: a bad argument, named; nothing was read or written.
        :raises TaskIsNotReadyToStartError: it cannot be started now; ``.reason``, ``.task``, ``.retry_at`` say more.
        :raises TaskLeaseLostError: at the end: the lease was lost, the outcome is not recorded.
        :raises TaskOutcomeUnknownError: at the end: the storage did not answer until the lease ended.
        """
        cls._config()
        return Start(cls, task_id, more_pending_status, detailed_error, debug, create, data, lock_expire_seconds)


#: Shown by ``to_dict`` also when the row lacks them, as the original's model has defaults for them.
_ALWAYS = ("create_time", "update_time", "retry", "lock", "lock_time", "data", "errors")
_INDEXED = ("key", "value", "update_time", *INDEX_ATTRIBUTES)


def _changed(cls: type[T], verb: str, key: str, current: Row | None, engine: Engine, table: str) -> TaskChangedError:
    there = None if current is None else cls._from_row(current, engine, table)
    if there is None:
        what = "it is gone"
    elif there.lock != NOT_LOCKED:
        what = f"{there.worker or 'somebody'} holds it (status {there.status_name}, attempt {there.attempt})"
    else:
        what = f"it has moved on since it was read (status {there.status_name}, attempt {there.attempt})"
    error = TaskChangedError(
        f"{verb} of {key!r} was refused: {what}. Nothing was changed. refresh() and decide again, or pass force=True."
    )
    error.task = there
    return error


def _undelivered(outcome: Outcome, verb: str, key: str) -> StorageError:
    if isinstance(outcome, Unknown):
        error = StorageUnavailableError(
            f"{verb} of {key!r} was not confirmed: {outcome.cause}. It may have landed; the same call tells."
        )
        error.__cause__ = outcome.cause
        return error
    return StorageError(f"{verb} of {key!r} is refused by the storage: {getattr(outcome, 'reason', outcome)}")
