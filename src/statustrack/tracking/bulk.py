"""Many tasks at once: create, claim, save and delete in batches."""

# These are parents of BaseTask whose methods are typed as BaseTask's (so that users get their own class back); mypy's
# check that "self" is a supertype does not know that nobody else inherits from them.
# mypy: disable-error-code="misc"

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.core import lifecycle
from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.errors import ConfigError, StorageUnavailableError, TaskChangedError
from statustrack.core.payload import encode_data
from statustrack.core.record import new_row
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused, Rejected, Unknown, trouble
from statustrack.tracking import wakeup
from statustrack.tracking.arguments import limit_of
from statustrack.tracking.claim_loop import CLAIM_BATCH, ClaimedContext, ClaimLoop
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import new_token
from statustrack.tracking.query import use_case_prefix
from statustrack.tracking.trace import log

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

T = TypeVar("T", bound="BaseTask")

#: What create_many hands to the engine at a time (which sends it in requests of its own size).
CREATE_CHUNK = 2000
#: Or less, where their data is large: so many characters of it.
CHUNK_CHARACTERS = 16_000_000


@dataclass
class CreateReport:
    """What came of ``create_many``."""

    created: int = 0
    existing: int = 0
    existing_ids: list[str] = field(default_factory=list)


class BulkVerbs:
    """The verbs of a task class that write many tasks."""

    @classmethod
    def create_many(cls: type[T], items: Iterable[Any]) -> CreateReport:
        """Create many tasks; existing ones are never overwritten, but reported.

        :param items: ids, (id, data) pairs, or tasks made with :meth:`make`; any iterable, also an endless stream: it
            is read and written in chunks of 2,000 (fewer where they carry much data).
        :raises ConfigError, InvalidDataError: names the position of the item; nothing of its chunk was written (earlier
            chunks were).
        :raises StorageUnavailableError: not all were confirmed; the same call again creates what is missing.
        """
        config = cls._config()
        engine, table = cls._engine_and_table()
        directory_of(engine, table).ensure(config, cls.__name__)
        report = CreateReport()
        chunk: list[Write] = []
        ids: list[str] = []
        size = 0
        for position, item in enumerate(items):
            try:
                task_id, row = _new_row(cls, item, engine)
            except (ConfigError, ValueError) as error:
                error.args = (f"item {position} of create_many: {error}",)
                raise
            ids.append(task_id)
            chunk.append(lifecycle.create(row))
            size += len(row["data"])
            if len(chunk) == CREATE_CHUNK or size > CHUNK_CHARACTERS:
                _create_chunk(engine, table, chunk, ids, report)
                chunk, ids, size = [], [], 0
        if chunk:
            _create_chunk(engine, table, chunk, ids, report)
        return report

    @classmethod
    def claim_many(
        cls: type[T],
        limit: int | None = None,
        *,
        batch: Any = CLAIM_BATCH,
        lock_expire_seconds: float | None = None,
    ) -> Generator[ClaimedContext[T], None, None]:
        """Claim what is unfinished, in batches, and hand it out one by one::

            for ctx in Step1.claim_many(limit=100):
                with ctx:
                    ctx.set_data(work(ctx.task))

        Leases are renewed from the claim on. What was claimed and not begun is given back, uncounted, when the loop
        is left.
        Tasks that were written after the call began (failed in this very loop, say) are not claimed again by it. A task
        whose last attempt was lost is handed out alone, so that one that kills its process takes no others with it.

        A claim whose reply was lost is not handed out: it is released by its token, uncounted, as soon as the storage
        answers. A row (from elsewhere) that is too large even to be claimed is ended as ignored, with the reason.

        :param limit: at most so many tasks (None: until nothing is left to claim).
        :param batch: claims per request, 1 to 25.
        :raises ConfigError: a bad argument; or a context was not entered in the loop.
        :raises StorageUnavailableError: the next tasks could not be read; what was not begun is given back.
        """
        if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 25:
            raise ConfigError(f"batch={batch!r} must be a whole number from 1 to 25.")
        return ClaimLoop(cls, limit_of(limit), batch, lock_expire_seconds).contexts()

    @classmethod
    def batch_write(cls, auto_commit: bool = True) -> BatchWrite:
        """``with Task.batch_write() as batch: batch.save(task); batch.delete(task)``: whole-item puts and deletes in
        batches.

        As :meth:`save` and :meth:`delete`: what somebody holds, or has claimed since it was read, is refused.
        ``auto_commit`` writes as soon as a batch is full; otherwise all at the end.
        """
        return BatchWrite(cls, auto_commit)  # type: ignore[arg-type]

    @classmethod
    def delete_all(cls: type[T]) -> int:
        """Delete every task of the table, held ones too, of every use case; the number deleted."""
        return _delete_by_prefix(cls, "", forced=True)

    @classmethod
    def delete_tasks_by_use_case_id(cls: type[T], use_case_id: str | None = None, *, force: bool = False) -> int:
        """Delete all tasks of a use case; the number deleted. Held ones are left (and logged) unless ``force``.
        Reads the whole table."""
        return _delete_by_prefix(cls, use_case_prefix(cls, use_case_id), forced=force)


def _new_row(cls: type[Any], item: Any, engine: Engine) -> tuple[str, Row]:
    config = cls.config
    data: Any = None
    if isinstance(item, str):
        task_id = item
    elif isinstance(item, tuple) and len(item) == 2:
        task_id, data = item
    elif isinstance(item, cls):
        return item.task_id, item._stored()
    else:
        raise ConfigError(f"{item!r} is neither an id, nor an (id, data) pair, nor a {cls.__name__}.")
    key = cls.make_key(task_id)
    status = config.pending_status
    text = "{}" if data is None else encode_data(data)
    return task_id, new_row(config, key, engine.now(), text, new_token(), status, config.value(key, status))


def _create_chunk(engine: Engine, table: str, chunk: list[Write], ids: list[str], report: CreateReport) -> None:
    failed: Unknown | Rejected | None = None
    for task_id, outcome in zip(ids, engine.apply(table, chunk), strict=True):
        if isinstance(outcome, Applied):
            report.created += 1
        elif isinstance(outcome, Refused):
            report.existing += 1
            report.existing_ids.append(task_id)
        else:
            failed = outcome
    wakeup.tell()
    if failed is not None:
        cause = trouble(failed)
        raise StorageUnavailableError(
            f"create_many: not all tasks were confirmed ({cause}); {report.created} created and {report.existing} "
            f"existing so far. "
            "The same call again creates what is missing and overwrites nothing."
        )


class BatchWrite:
    """Collects whole-item puts and deletes, and writes them in batches."""

    def __init__(self, cls: type[BaseTask], auto_commit: bool = True) -> None:
        self._cls = cls
        self._auto_commit = auto_commit
        self._writes: list[Write] = []
        self._refused: list[tuple[str, str, Row | None]] = []

    def save(self, put_item: Any) -> None:
        """Put the whole item (see :meth:`BaseTask.save`)."""
        engine, table = self._cls._engine_and_table()
        directory_of(engine, table).ensure(put_item.config, type(put_item).__name__)
        self._add(put_item._save_write())

    def delete(self, del_item: Any) -> None:
        """Delete the item (see :meth:`BaseTask.delete`)."""
        self._add(lifecycle.delete(del_item.key, attempt=int(del_item._row.get("attempt") or 0)))

    def _add(self, write: Write) -> None:
        self._writes.append(write)
        if self._auto_commit and len(self._writes) >= self._cls._engine_and_table()[0].batch:
            self.commit()

    def commit(self) -> None:
        """Write what was collected."""
        writes, self._writes = self._writes, []
        if not writes:
            return
        engine, table = self._cls._engine_and_table()
        for write, outcome in zip(writes, engine.apply(table, writes), strict=True):
            if isinstance(outcome, Refused):
                self._refused.append((write.event, write.key, outcome.current))
            elif not isinstance(outcome, Applied):
                cause = trouble(outcome)
                raise StorageUnavailableError(
                    f"batch_write: {write.event} of {write.key!r} was not confirmed: {cause}."
                )

    def __enter__(self) -> BatchWrite:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            return
        self.commit()
        if self._refused:
            engine, table = self._cls._engine_and_table()
            current = self._refused[0][2]
            refusal = TaskChangedError(
                f"batch_write: {len(self._refused)} of the writes were refused, because somebody holds the task or "
                f"it has moved on since "
                f"it was read: {', '.join(f'{event} {key!r}' for event, key, _ in self._refused[:5])}. The others "
                f"were written. "
                "Read those tasks again and decide."
            )
            refusal.task = None if current is None else self._cls._from_row(current, engine, table)
            raise refusal


def _delete_by_prefix(cls: type[BaseTask], prefix: str, forced: bool) -> int:
    engine, table = cls._engine_and_table()
    deleted = held = 0
    chunk: list[Write] = []

    def flush() -> None:
        nonlocal deleted, held
        for write, outcome in zip(chunk, engine.apply(table, chunk), strict=True):
            if isinstance(outcome, Applied):
                deleted += 1
            elif isinstance(outcome, Refused):
                held += 1
            else:
                cause = trouble(outcome)
                raise StorageUnavailableError(
                    f"deleting: {write.key!r} was not confirmed: {cause}. {deleted} were deleted; call again."
                )
        chunk.clear()

    for row in engine.scan(table, prefix, attributes=("key",)):
        if row["key"] == DIRECTORY_KEY:
            continue
        chunk.append(lifecycle.delete(row["key"], forced=forced))
        if len(chunk) >= CREATE_CHUNK:
            flush()
    if chunk:
        flush()
    if held:
        log(logging.WARNING, "delete_left_held", prefix or "*", left=held)
    return deleted
