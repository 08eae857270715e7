"""Which tasks an operator means: by id or by status, failure group, text, age, worker; read whole and consistently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from statustrack.core.errors import ConfigError
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine
from statustrack.tracking.arguments import limit_of

if TYPE_CHECKING:
    from statustrack.core.config import TrackerConfig
    from statustrack.tracking.task import BaseTask

#: Tasks per round: one batch of reads, one batch of writes.
ROUND = 500


@dataclass(frozen=True)
class Selection:
    """What must be true of a task. ``codes`` are the status codes that it may have, with ``ids`` too (None, with
    ``ids`` only: any).

    ``group`` is a failure group (``task.error_group``), ``text`` a part of its error summary, ``worker`` what the name
    of its (last) worker begins with; ``since`` and ``until`` bound update_time (a datetime, or an age such as
    ``"2h"``); ``limit`` is the most tasks in all.
    """

    codes: tuple[int, ...] | None
    ids: Iterable[str] | None = None
    group: str | None = None
    text: str | None = None
    since: Any = None
    until: Any = None
    worker: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        limit_of(self.limit)
        if self.codes is None and self.ids is None:
            raise ConfigError("say which tasks are meant: by ids, or by status.")
        if isinstance(self.ids, str):
            raise ConfigError(f"ids={self.ids!r} is a text: give a list of ids, [{self.ids!r}].")
        texts: tuple[tuple[str, Any], ...] = (("group", self.group), ("text", self.text), ("worker", self.worker))
        for name, value in texts:
            if value is not None and (not isinstance(value, str) or not value):
                raise ConfigError(f"{name}={value!r} must be a text that is not empty, or None for any.")

    def fits(self, row: Row) -> bool:
        """Whether a whole row is one of those meant (age aside, which the listing sees to)."""
        return (
            (self.codes is None or row.get("status") in self.codes)
            and (self.group is None or row.get("error_group") == self.group)
            and (self.text is None or self.text in str(row.get("error_summary") or ""))
            and (self.worker is None or str(row.get("worker") or "").startswith(self.worker))
        )


def selected(cls: type[BaseTask], selection: Selection, wanted: Callable[[Row], bool] | None = None) -> Iterator[Row]:
    """The rows that are meant, whole, as they were when they were read: what is done to them is guarded by that.

    They are read lazily, up to ``ROUND`` ahead; each task comes once. ``wanted`` is one more condition.
    """
    engine, table = cls._engine_and_table()
    read = _listed if selection.ids is None else _by_id
    fitting = (
        row for row in read(cls, engine, table, selection) if selection.fits(row) and (wanted is None or wanted(row))
    )
    return fitting if selection.limit is None else islice(fitting, selection.limit)


def rounds(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in portions for one batch of writes each."""
    while chunk := list(islice(rows, ROUND)):
        yield chunk


def task_id_of(config: TrackerConfig, row: Row) -> str:
    """The task id in a row's key."""
    return str(row["key"]).split(config.sep, 1)[1]


def _by_id(cls: type[BaseTask], engine: Engine, table: str, selection: Selection) -> Iterator[Row]:
    many = iter(selection.ids or ())
    seen: set[str] = set()
    while chunk := list(islice(many, ROUND)):
        keys = [key for key in dict.fromkeys(cls.make_key(task_id) for task_id in chunk) if key not in seen]
        seen.update(keys)
        found = engine.get(table, keys) if keys else {}
        yield from (found[key] for key in keys if key in found)


def _listed(cls: type[BaseTask], engine: Engine, table: str, selection: Selection) -> Iterator[Row]:
    """What the status index lists, read whole where the index alone does not exclude it."""
    listing = cls.query_by_status(
        list(selection.codes or ()), auto_refresh=engine.page_is_full, since=selection.since, until=selection.until
    )
    if engine.page_is_full:
        yield from (task._row for task in listing)
        return
    while chunk := list(islice(listing, ROUND)):
        keys = [task.key for task in chunk if _may_fit(task._row, selection)]
        found = engine.get(table, keys) if keys else {}
        yield from (found[key] for key in keys if key in found)


def _may_fit(row: Row, selection: Selection) -> bool:
    # An older index carries neither attribute: what it does not say is looked up.
    group, worker = row.get("error_group"), row.get("worker")
    return (selection.group is None or group is None or group == selection.group) and (
        selection.worker is None or worker is None or worker.startswith(selection.worker)
    )
