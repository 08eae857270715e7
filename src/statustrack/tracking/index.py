"""StatusAndUpdateTimeIndex: the status index of a task class, and the query of one of its partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from statustrack.core.errors import ConfigError
from statustrack.engines.protocol import Cursor
from statustrack.tracking.results import Results

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask


class StatusAndUpdateTimeIndex:
    """The index over ``value`` (use case, status, shard) and ``update_time``.

    Declaring it in a task class is optional: every class has one.
    """

    index_name = "status_and_update_time-index"

    def __init__(self) -> None:
        self._owner: type[BaseTask] | None = None

    def __get__(self, instance: Any, owner: type[BaseTask]) -> StatusAndUpdateTimeIndex:
        if self._owner is owner:
            return self
        bound = StatusAndUpdateTimeIndex()
        bound._owner = owner
        return bound

    def query(
        self,
        hash_key: str,
        range_key_condition: Any = None,
        filter_condition: Any = None,
        consistent_read: bool | None = False,
        scan_index_forward: bool | None = None,
        limit: int | None = None,
        last_evaluated_key: dict[str, Any] | None = None,
        attributes_to_get: list[str] | None = None,
        page_size: int | None = None,
        rate_limit: float | None = None,
    ) -> Results[Any]:
        """The tasks of one partition, by update_time; make the hash key with ``Task.make_value(status,
        _shard_id=...)``.

        The tasks carry the attributes of the index only: call ``task.refresh()`` for the rest.

        :param scan_index_forward: oldest first (None or True) or newest first (False).
        :param limit: at most so many tasks (None: all).
        :param page_size: tasks per request.
        :raises ConfigError: an option of pynamodb that takes its own expression objects was given.
        """
        owner = self._owner
        if owner is None:
            raise ConfigError(
                "this index belongs to no task class: use it as an attribute of one, Task.status_and_update_time_index."
            )
        for name, value in (
            ("range_key_condition", range_key_condition),
            ("filter_condition", filter_condition),
            ("last_evaluated_key", last_evaluated_key),
        ):
            if value is not None:
                raise ConfigError(
                    f"{name} is not supported here: it takes an expression object of pynamodb. Use "
                    f"query_by_status(..., since=, until=), "
                    "or .filter(function) on the result."
                )
        if consistent_read:
            raise ConfigError(
                "consistent_read=True: an index is never read consistently; refresh() the tasks you need."
            )
        newest_first = scan_index_forward is False
        return Results(self._rows(owner, hash_key, newest_first, limit, page_size or 100))

    def _rows(
        self, owner: type[BaseTask], partition: str, newest_first: bool, limit: int | None, page_size: int
    ) -> Iterator[BaseTask]:
        engine, table = owner._engine_and_table()
        after: Cursor | None = None
        left = limit
        while left is None or left > 0:
            size = page_size if left is None else min(page_size, left)
            page = engine.page(table, partition, limit=size, after=after, newest_first=newest_first)
            for row in page.rows:
                yield owner._from_index(row, engine, table)
            if page.after is None:
                return
            after = page.after
            if left is not None:
                left -= len(page.rows)
