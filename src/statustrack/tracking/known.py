"""The steps of a table as its directory knows them: task classes that work without the user's code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from statustrack.core.config import DIRECTORY_KEY, TrackerConfig
from statustrack.core.directory import Directory, StepEntry, UseCaseEntry
from statustrack.core.errors import ConfigError, TaskIsNotInitializedError
from statustrack.core.status import STATUS_NAMES
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine
from statustrack.tracking.directory import directory_of
from statustrack.tracking.task import BaseTask

#: Errors list so many candidates.
SHOWN = 12


class KnownTask(BaseTask):
    """Base of the classes made here: bound to an engine and a table, whatever the environment says."""

    _place: ClassVar[tuple[Engine, str]]

    @classmethod
    def _engine_and_table(cls) -> tuple[Engine, str]:
        return cls._place


class FoundTask(NamedTuple):
    """One stored task, found by its id alone."""

    use_case_id: str
    task_id: str
    row: Row
    step: type[BaseTask] | None  #: the step that the task is in now (:func:`step_of`)
    steps: list[type[BaseTask]]  #: all steps of its use case


def known_steps(engine: Engine, table: str, directory: Directory | None = None) -> list[type[BaseTask]]:
    """A task class for every step that the table's directory lists, by use case and codes.

    They are bound to this engine and table; their names are the labels of the steps, their configurations what the
    directory says (codes, pads, shards, retries, lease, more_pending). Nothing is written by making them, nor does
    using them write to the directory: it has said all this itself.

    :param directory: one that was just read, so that it need not be read again.
    """
    shared = directory_of(engine, table)
    known = shared.read() if directory is None else directory
    steps: list[type[BaseTask]] = []
    for use_case_id, entry in sorted(known.use_cases.items()):
        for step in sorted(entry.steps.values(), key=lambda step: step.codes):
            made = _step_class(engine, table, use_case_id, entry, step)
            shared.trust(made.config)
            steps.append(made)
    return steps


def _step_class(engine: Engine, table: str, use_case_id: str, entry: UseCaseEntry, step: StepEntry) -> type[BaseTask]:
    facts: dict[str, Any] = {}
    for name, code in zip(STATUS_NAMES, step.codes, strict=True):
        facts[f"{name}_status"] = code
        facts[f"n_{name}_shard"] = max(1, entry.shards.get(code, 1))
    config = TrackerConfig.make(
        use_case_id,
        more_pending_status=list(step.more_pending),
        sep=entry.sep,
        status_zero_pad=entry.status_pad,
        status_shard_zero_pad=entry.shard_pad,
        max_retry=step.max_retry,
        lock_expire_seconds=step.lock_expire_seconds,
        retry_delay_seconds=step.retry_delay_seconds,
        keep_succeeded_seconds=step.keep_succeeded_seconds,
        keep_ignored_seconds=step.keep_ignored_seconds,
        **facts,
    )
    meta = type("Meta", (), {"table_name": table})
    content = {"Meta": meta, "config": config, "_place": (engine, table), "__module__": __name__}
    fallback = f"Step{step.codes[0]}"
    try:
        return type(step.label or fallback, (KnownTask,), content)
    except (ValueError, UnicodeEncodeError):  # a label that others wrote, and no class can have
        return type(fallback, (KnownTask,), content)


def step_of(steps: Iterable[type[BaseTask]], status: int | None) -> type[BaseTask] | None:
    """The step that a task of this status code is in; None where no step knows the code.

    A code that one step ends with and another begins with belongs to the one that waits for it; what a step only takes
    from another (more_pending) belongs to the other.
    """
    ends: type[BaseTask] | None = None
    takes: type[BaseTask] | None = None
    for step in steps:
        config = step.config
        if status in config.codes:
            if status != config.succeeded_status:
                return step
            ends = ends or step
        elif status in config.more_pending_status:
            takes = takes or step
    return ends or takes


def find_step(
    steps: Sequence[type[BaseTask]], use_case_id: str | None = None, step: str | int | None = None
) -> type[BaseTask]:
    """The one step that is meant: by use case, by label (class name) or by one of its status codes.

    :param use_case_id: None: any.
    :param step: a label, a code, or the digits of a code; None: the only one there is.
    :raises ConfigError: none or several fit; the message lists the candidates.
    """
    asked = [f"use case {use_case_id!r}"] if use_case_id is not None else []
    fitting = [each for each in steps if use_case_id in (None, each.config.use_case_id)]
    candidates = fitting or list(steps)
    if step is not None:
        asked.append(f"step {step!r}")
        fitting = _by_name(fitting, str(step)) or _by_code(fitting, str(step))
    if len(fitting) == 1:
        return fitting[0]
    what = " and ".join(asked) or "no choice"
    if not candidates:
        raise ConfigError(
            f"{what}: the directory of this table knows no step. A step is entered when its own code first creates, "
            "starts or saves a task there."
        )
    if fitting:
        raise ConfigError(
            f"{what} leaves {len(fitting)} steps. Choose one by use case, label or code: {_list(fitting)}."
        )
    raise ConfigError(f"{what} fits no step of this table. There are: {_list(candidates)}.")


def _by_name(steps: list[type[BaseTask]], name: str) -> list[type[BaseTask]]:
    exact = [each for each in steps if each.__name__ == name]
    return exact or [each for each in steps if each.__name__.lower() == name.lower()]


def _by_code(steps: list[type[BaseTask]], digits: str) -> list[type[BaseTask]]:
    if not (digits.isascii() and digits.isdigit()):
        return []
    by_use_case: dict[str, list[type[BaseTask]]] = {}
    for each in steps:
        by_use_case.setdefault(each.config.use_case_id, []).append(each)
    found = (step_of(each, int(digits)) for each in by_use_case.values())
    return [each for each in found if each is not None]


def _list(steps: Sequence[type[BaseTask]]) -> str:
    names = [f"{step_name(each)} (codes {', '.join(map(str, each.config.codes))})" for each in steps[:SHOWN]]
    more = [f"and {len(steps) - SHOWN} more"] if len(steps) > SHOWN else []
    return ", ".join(names + more)


def step_name(step: type[BaseTask]) -> str:
    """How messages name a step: ``use case / label``."""
    return f"{step.config.use_case_id} / {step.__name__}"


def find_task(
    engine: Engine, table: str, task_id: str, use_case_id: str | None = None, directory: Directory | None = None
) -> FoundTask:
    """The stored task with this id (or whole key), read consistently, and the step that it is in.

    :param use_case_id: where the same id is in several use cases.
    :param directory: one that was just read, so that it need not be read again.
    :raises TaskIsNotInitializedError: no use case of the table has it.
    :raises ConfigError: several have it; or there is no such use case.
    """
    directory = directory_of(engine, table).read() if directory is None else directory
    _check_use_case(directory, table, use_case_id)
    places = _places(directory, task_id, use_case_id)
    rows = engine.get(table, list(places)) if places else {}
    if not rows:
        raise TaskIsNotInitializedError(
            f"there is no task {task_id!r} in table {table!r} at {engine.url}: {_use_cases(directory)}."
        )
    if len(rows) > 1:
        names = ", ".join(sorted(places[key][0] for key in rows))
        raise ConfigError(f"task {task_id!r} is in several use cases of table {table!r}: choose one of {names}.")
    ((key, row),) = rows.items()
    name, own_id = places[key]
    steps = [each for each in known_steps(engine, table, directory) if each.config.use_case_id == name]
    return FoundTask(name, own_id, row, step_of(steps, row.get("status")), steps)


def find_tasks(
    engine: Engine, table: str, task_ids: Iterable[str], use_case_id: str | None = None
) -> tuple[dict[type[BaseTask], list[str]], list[tuple[str, str]]]:
    """Many ids (or whole keys), by the step that each task is in; and those that are in none, each with the reason.

    :param use_case_id: where ids are in several use cases.
    :raises ConfigError: there is no such use case.
    """
    directory = directory_of(engine, table).read()
    _check_use_case(directory, table, use_case_id)
    steps = known_steps(engine, table, directory)
    found: dict[type[BaseTask], list[str]] = {}
    others: list[tuple[str, str]] = []
    ids = iter(dict.fromkeys(task_ids))
    while chunk := list(islice(ids, 500)):
        places = {task_id: _places(directory, task_id, use_case_id) for task_id in chunk}
        keys = [key for each in places.values() for key in each]
        rows = engine.get(table, keys, attributes=("key", "status")) if keys else {}
        for task_id, each in places.items():
            there = [(name, own_id, rows[key]) for key, (name, own_id) in each.items() if key in rows]
            if len(there) != 1:
                names = ", ".join(sorted(name for name, _, _ in there))
                others.append((task_id, f"it is in several use cases: {names}" if there else "there is no such task"))
                continue
            name, own_id, row = there[0]
            step = step_of((step for step in steps if step.config.use_case_id == name), row.get("status"))
            if step is None:
                others.append((task_id, f"no step of use case {name!r} knows its status {row.get('status')}"))
            else:
                found.setdefault(step, []).append(own_id)
    return found, others


def _check_use_case(directory: Directory, table: str, use_case_id: str | None) -> None:
    if use_case_id is not None and use_case_id not in directory.use_cases:
        raise ConfigError(f"there is no use case {use_case_id!r} in table {table!r}: {_use_cases(directory)}.")


def _places(directory: Directory, task_id: str, use_case_id: str | None) -> dict[str, tuple[str, str]]:
    """The keys under which an id (or whole key) may be stored: use case and id of each."""
    places: dict[str, tuple[str, str]] = {}
    for name, entry in directory.use_cases.items():
        if use_case_id in (None, name) and task_id:
            prefix = name + entry.sep
            places[prefix + task_id] = (name, task_id)
            if task_id.startswith(prefix) and task_id != prefix:
                places.setdefault(task_id, (name, task_id[len(prefix) :]))
    places.pop(DIRECTORY_KEY, None)
    return places


def _use_cases(directory: Directory) -> str:
    names = sorted(directory.use_cases)
    if not names:
        return "its directory knows no use case (a table that others wrote is read by `statustrack init --adopt`)"
    return "its use cases are " + ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))
