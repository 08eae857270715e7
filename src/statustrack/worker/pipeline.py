"""Steps that go on where others succeed: a pipeline, and the checks that say what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError
from statustrack.tracking import location
from statustrack.tracking.directory import directory_of
from statustrack.tracking.task import BaseTask


class Pipeline:
    """Steps in their order: ``st.Pipeline("documents", Step1, Step2)``.

    :raises ConfigError: the steps do not fit; the message says which, and why.
    """

    def __init__(self, name: Any, *steps: type[BaseTask]) -> None:
        if not name or not isinstance(name, str):
            raise ConfigError(f"Pipeline({name!r}): the first argument is its name, a text.")
        if not steps:
            raise ConfigError(f"Pipeline({name!r}) has no steps: name at least one task class.")
        for step in steps:
            _check_step(step, f"Pipeline({name!r})")
        self.name: str = name
        self.steps: tuple[type[BaseTask], ...] = steps
        for before, after in itertools.pairwise(steps):
            _check_fit(name, before, after)

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {', '.join(step.__name__ for step in self.steps)})"

    def count_by_status(self, **options: Any) -> dict[str, dict[str, int]]:
        """The counts of every step: class name to status to count."""
        return {step.__name__: step.count_by_status(**options) for step in self.steps}


def steps_of(given: Iterable[Any]) -> list[type[BaseTask]]:
    """The steps of steps and pipelines, each once, in their order."""
    steps: dict[type[BaseTask], None] = {}
    for each in given:
        if isinstance(each, Pipeline):
            steps.update(dict.fromkeys(each.steps))
        elif isinstance(each, (list, tuple)):
            steps.update(dict.fromkeys(steps_of(each)))
        else:
            _check_step(each, "Worker")
            steps[each] = None
    if not steps:
        raise ConfigError("a worker needs at least one step (a task class with a handler) or pipeline.")
    return list(steps)


def check_sources(steps: Sequence[type[BaseTask]]) -> None:
    """Each step's pending code must come from somewhere: from a step that the table knows, or from its own creation.

    :raises ConfigError: no step, here or in the table's directory, succeeds with a code that a later step waits for,
        although the step before is missing too.
    """
    for step in steps:
        config = step._config()
        engine, table = step._engine_and_table()
        entry = directory_of(engine, table).read().use_cases.get(config.use_case_id)
        known = list(entry.steps.values()) if entry is not None else []
        others = [other for other in known if other.codes != config.codes]
        if not others:
            continue
        produced = {other.codes[3] for other in others} | {each._config().succeeded_status for each in steps}
        first = min(other.codes[0] for other in others)
        if config.pending_status not in produced and config.pending_status > first:
            before = ", ".join(
                f"{other.label or other.codes} ends at {other.codes[3]} ({_name(step, other.codes[3])})"
                for other in sorted(others, key=lambda each: each.codes)
            )
            raise ConfigError(
                f"no step produces status {config.pending_status}, which {step.__name__} waits for: in use case "
                f"{config.use_case_id!r} of table {table!r} {before}. Give {step.__name__} one of these as its pending "
                "code, or, if its tasks are created directly, give it codes below those of the other steps."
            )


def _name(step: type[BaseTask], code: int) -> str:
    return step._config().name_of(code) or "of another step"


def _check_step(step: Any, where: str) -> None:
    if not (isinstance(step, type) and issubclass(step, BaseTask)):
        raise ConfigError(f"{where}: {step!r} is not a task class (a subclass of BaseTask with a config).")
    step._config()


def _check_fit(name: str, before: type[BaseTask], after: type[BaseTask]) -> None:
    first: TrackerConfig = before._config()
    second: TrackerConfig = after._config()
    what = f"Pipeline({name!r}): {after.__name__} cannot follow {before.__name__}: "
    if first.use_case_id != second.use_case_id:
        raise ConfigError(
            f"{what}use_case_id is {first.use_case_id!r} there and {second.use_case_id!r} here; a task keeps its key, "
            "so both must be the same."
        )
    if location.table_of(before) != location.table_of(after):
        raise ConfigError(
            f"{what}their tables are {location.table_of(before)!r} and {location.table_of(after)!r}; a task stays in "
            "its table."
        )
    for option in ("sep", "status_zero_pad", "status_shard_zero_pad"):
        if getattr(first, option) != getattr(second, option):
            raise ConfigError(f"{what}{option} is {getattr(first, option)!r} and {getattr(second, option)!r}.")
    takes = (second.pending_status, *second.more_pending_status)
    if first.succeeded_status not in takes:
        raise ConfigError(
            f"{what}{before.__name__} succeeds with status {_code(first, first.succeeded_status)}, and "
            f"{after.__name__} waits for {' or '.join(_code(second, code) for code in takes)}. Make the succeeded code "
            "of the one the pending code of the other."
        )


def _code(config: TrackerConfig, code: int) -> str:
    name = config.name_of(code)
    return f"{code} ({name})" if name else str(code)
