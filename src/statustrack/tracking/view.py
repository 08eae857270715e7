"""One look at a table through its directory: its use cases, steps and partitions, the time, and what looking costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from statustrack.core import times
from statustrack.core.errors import ConfigError
from statustrack.core.status import STATUS_NAMES
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine
from statustrack.tracking import threads
from statustrack.tracking.directory import directory_of
from statustrack.tracking.known import find_step, known_steps, step_of
from statustrack.tracking.task import BaseTask

R = TypeVar("R")


@dataclass(frozen=True)
class Cost:
    """What an answer took: requests (statements, on SQLite), and read units (DynamoDB)."""

    requests: int
    read_units: float


@dataclass(frozen=True)
class Partition:
    """One partition of the status index: a status code and shard of a use case."""

    use_case: str
    code: int
    shard: int
    value: str  #: as stored


class View:
    """A table as its directory describes it at this moment. The directory is read once, when the view is made."""

    def __init__(self, engine: Engine, table: str) -> None:
        self.engine = engine
        self.table = table
        self._spent = (engine.meter.requests, engine.meter.read_units)
        self.directory = directory_of(engine, table).read()
        self.micros = engine.now()

    @cached_property
    def now(self) -> datetime:
        """Service time when the look began."""
        return times.micros_to_datetime(self.micros)

    @cached_property
    def steps(self) -> list[type[BaseTask]]:
        """A task class for every step of the directory, by use case and codes."""
        return known_steps(self.engine, self.table, self.directory)

    def steps_of(self, use_case: str) -> list[type[BaseTask]]:
        """The steps of one use case, by codes."""
        return [step for step in self.steps if step.config.use_case_id == use_case]

    def step_at(self, use_case: str, code: int | None) -> type[BaseTask] | None:
        """The step that a task with this status code is in; None: of no known step."""
        return step_of(self.steps_of(use_case), code)

    def named(self, use_case: str, code: int | None) -> tuple[str, str]:
        """The step's label and the status name of a code; empty, and the code as text, where no step knows it."""
        step = self.step_at(use_case, code)
        name = step.config.name_of(code) if step is not None and code is not None else None
        return (step.__name__ if step is not None else "", name or str(code))

    def chosen(self, use_case: str | None = None, step: str | None = None) -> list[type[BaseTask]]:
        """The steps that are meant: all, those of a use case, or the one with this label or code.

        :raises ConfigError: there is no such use case or step; the message lists the candidates.
        """
        if use_case is not None and use_case not in self.directory.use_cases:
            names = ", ".join(sorted(self.directory.use_cases)) or "none"
            raise ConfigError(f"there is no use case {use_case!r} in table {self.table!r}. There are: {names}.")
        if step is not None:
            return [find_step(self.steps, use_case, step)]
        return [each for each in self.steps if use_case in (None, each.config.use_case_id)]

    def partitions(self, use_case: str, codes: Iterable[int]) -> list[Partition]:
        """The partitions of these status codes, all shards that were ever used."""
        entry = self.directory.use_cases[use_case]
        return [
            Partition(use_case, code, shard, entry.partition(use_case, code, shard))
            for code in dict.fromkeys(codes)
            for shard in range(1, max(1, entry.shards.get(code, 1)) + 1)
        ]

    def partitions_of(self, step: type[BaseTask], names: Iterable[str]) -> list[Partition]:
        """The partitions of these statuses of a step, which the directory need not know."""
        config = step.config
        found = []
        for name in names:
            code = config.codes[STATUS_NAMES.index(name)]
            shards = max(self.directory.shards(config.use_case_id, code), config.status_shards.get(code, 1))
            found += [
                Partition(config.use_case_id, code, shard, config.partition(code, shard))
                for shard in range(1, shards + 1)
            ]
        return found

    def task_id(self, use_case: str, key: str) -> str:
        """The id of a task within its use case."""
        return key[len(use_case) + len(self.directory.use_cases[use_case].sep) :]

    def code_of(self, use_case: str, row: Row) -> int | None:
        """The status code of a row, also of one that the index gave."""
        status = row.get("status")
        if isinstance(status, int):
            return status
        parts = str(row.get("value") or "").rsplit(self.directory.use_cases[use_case].sep, 2)
        return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None

    def read_all(self, calls: Sequence[Callable[[], R]]) -> list[R]:
        """The results of several reads, at once where they wait on a network."""
        return threads.read_all(self.engine, calls)

    def seconds_since(self, text: object) -> float | None:
        """How long ago a stored instant was, in seconds; None where it is none."""
        moment = instant(text)
        return None if moment is None else (self.now - moment).total_seconds()

    def spent(self) -> Cost:
        """What was asked of the engine since the view was made, or since this was last called."""
        meter = self.engine.meter
        before, self._spent = self._spent, (meter.requests, meter.read_units)
        return Cost(meter.requests - before[0], meter.read_units - before[1])


def instant(text: object) -> datetime | None:
    """A stored instant as a datetime; None for what is none (rows that others wrote)."""
    if not isinstance(text, str) or text == times.EPOCH_TEXT:
        return None
    try:
        return times.parse(text)
    except ValueError:
        return None


def moment(ms: object) -> datetime | None:
    """Stored milliseconds as a datetime; None where there are none, or beyond what a calendar holds."""
    if not isinstance(ms, int):
        return None
    try:
        return times.micros_to_datetime(ms * 1000)
    except OverflowError:
        return None


def plain(answer: Any) -> Any:
    """An answer as JSON can hold it: objects for dataclasses, ISO 8601 texts for instants."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {field.name: plain(getattr(answer, field.name)) for field in dataclasses.fields(answer)}
    if isinstance(answer, datetime):
        return answer.isoformat()
    if isinstance(answer, Mapping):
        return {str(name): plain(value) for name, value in answer.items()}
    if isinstance(answer, tuple) and hasattr(answer, "_asdict"):
        return {name: plain(value) for name, value in answer._asdict().items()}
    if isinstance(answer, (list, tuple)):
        return [plain(each) for each in answer]
    return answer
