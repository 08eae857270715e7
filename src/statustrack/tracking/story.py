"""The whole story of one task: where it is, who holds it, every attempt, error, note and late result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from statustrack.core.errors import TaskIsNotInitializedError
from statustrack.core.explain import Explanation
from statustrack.core.explain import explain as explain_row
from statustrack.core.payload import decode, size_of
from statustrack.core.record import ATTRIBUTES, attempts_of, errors_of, fence_of, notes_of
from statustrack.core.writes import Row
from statustrack.tracking.holders import Holder, holder
from statustrack.tracking.known import FoundTask, find_task
from statustrack.tracking.operate import code_names
from statustrack.tracking.task import BaseTask
from statustrack.tracking.view import Cost, View, instant, moment

_NO_SUCH = "Check the id and the use case; create it, or start it with create=True."


@dataclass(frozen=True)
class StoryAttempt:
    """One attempt. ``outcome`` is running for the one under way; ``error`` is what it failed with, in one line."""

    attempt: int
    step: str
    outcome: str
    start: datetime | None
    seconds: float
    worker: str
    error: str | None


@dataclass(frozen=True)
class StoryError:
    """One entry of the error history."""

    attempt: int | None
    step: str
    kind: str
    nth_retry: int | None
    time: str
    error: str
    traceback: str


@dataclass(frozen=True)
class Story:
    """All that the table knows of one task. ``steps`` are the steps of its use case in order; ``more`` holds attributes
    that others added. Sizes are bytes."""

    use_case: str
    step: str
    task_id: str
    status: str
    code: int | None
    steps: list[str]
    created: datetime | None
    updated: datetime | None
    attempt: int
    fence: int
    retry: int
    max_retry: int | None
    ready_at: datetime | None
    expire_at: datetime | None
    group: str | None
    holder: Holder | None
    progress: dict[str, Any] | None
    attempts: list[StoryAttempt]
    errors: list[StoryError]
    notes: list[dict[str, Any]]
    late_results: list[dict[str, Any]]
    data: Any
    data_bytes: int
    bytes: int
    more: dict[str, Any]
    explanation: Explanation | None
    now: datetime
    cost: Cost


@dataclass(frozen=True)
class Explained:
    """Why a task is where it is, as the step ``step`` sees it (empty: no step of the directory knows its status)."""

    use_case: str
    step: str
    task_id: str
    status: str
    explanation: Explanation
    now: datetime
    cost: Cost


def story(view: View, task_id: str, use_case: str | None = None) -> Story:
    """The story of a task. Two requests on DynamoDB: the directory, and the task.

    :raises TaskIsNotInitializedError: there is no such task.
    :raises ConfigError: several use cases have one; or there is no such use case.
    """
    found = find_task(view.engine, view.table, task_id, use_case, view.directory)
    row, step = found.row, found.step
    label, status = view.named(found.use_case_id, row.get("status"))
    errors = [_error(view, found, each) for each in errors_of(row)["history"] if isinstance(each, dict)]
    held = holder(view, step, row) if step is not None and status == "in_progress" else None
    expire_at, data = row.get("expire_at"), row.get("data")
    progress = decode(row.get("progress"), None)
    return Story(
        use_case=found.use_case_id,
        step=label,
        task_id=found.task_id,
        status=status,
        code=row.get("status"),
        steps=[each.__name__ for each in found.steps],
        created=instant(row.get("create_time")),
        updated=instant(row.get("update_time")),
        attempt=int(row.get("attempt") or 0),
        fence=fence_of(row),
        retry=int(row.get("retry") or 0),
        max_retry=None if step is None else step.config.max_retry,
        ready_at=moment(row.get("ready_at")),
        expire_at=moment(expire_at * 1000) if isinstance(expire_at, int) else None,
        group=row.get("error_group"),
        holder=held,
        progress=progress if isinstance(progress, dict) else None,
        attempts=_attempts(view, found, held, errors),
        errors=errors,
        notes=notes_of(row),
        late_results=[_late(view, found, text) for text in sorted(row.get("late_results") or ())],
        data=decode(data, data),
        data_bytes=size_of(data) if isinstance(data, str) else 0,
        bytes=size_of_row(row),
        more={name: _plain(value) for name, value in row.items() if name not in ATTRIBUTES},
        explanation=None if step is None else _explain(view, step, row),
        now=view.now,
        cost=view.spent(),
    )


def explained(view: View, task_id: str, use_case: str | None = None, step: str | None = None) -> Explained:
    """Why a task is (not) running, as its own step sees it, or another that is named.

    :raises ConfigError: several use cases have one; or there is no such use case or step.
    """
    try:
        found = find_task(view.engine, view.table, task_id, use_case, view.directory)
    except TaskIsNotInitializedError as error:
        missing = Explanation("missing", f"{str(error)[:1].upper()}{str(error)[1:]}", "create_first", _NO_SUCH)
        return Explained(use_case or "", "", task_id, "", missing, view.now, view.spent())
    seen = view.chosen(found.use_case_id, step)[0] if step is not None else found.step
    _, status = view.named(found.use_case_id, found.row.get("status"))
    if seen is None:
        explanation = Explanation(
            "other_step",
            f"Its status {status} belongs to no step that the directory of this table knows.",
            "refuse",
            "A step is entered when its own code first creates, starts or saves a task here.",
        )
    else:
        explanation = _explain(view, seen, found.row)
    label = "" if seen is None else seen.__name__
    return Explained(found.use_case_id, label, found.task_id, status, explanation, view.now, view.spent())


def _explain(view: View, step: type[BaseTask], row: Row) -> Explanation:
    config = step.config
    names = code_names(view.directory, config.use_case_id)
    return explain_row(config, row, view.micros, view.engine.slack_ms(config.lease_ms), names=names)


def _label(view: View, use_case: str, code: object) -> str:
    """The step that has a code as its in_progress or failed one."""
    for step in view.steps_of(use_case):
        if code in (step.config.in_progress_status, step.config.failed_status):
            return step.__name__
    return "" if code is None else str(code)


def _attempts(view: View, found: FoundTask, held: Holder | None, errors: list[StoryError]) -> list[StoryAttempt]:
    words = {each.attempt: each.error for each in errors if each.attempt is not None}
    shown = [
        StoryAttempt(
            each.attempt,
            _label(view, found.use_case_id, each.status),
            str(each.outcome),
            moment(each.start_ms),
            each.duration_ms / 1000,
            str(each.worker),
            words.get(each.attempt) if each.outcome in ("failed", "ignored", "lost", "evicted") else None,
        )
        for each in attempts_of(found.row)
    ]
    if held is not None:
        outcome = {"over": "lease over", "odd": "lease over", "free": "nobody"}.get(held.state, "running")
        seconds = held.seconds or 0.0
        shown.append(StoryAttempt(held.attempt, held.step, outcome, held.since, seconds, held.worker or "", None))
    return shown


def _error(view: View, found: FoundTask, entry: dict[str, Any]) -> StoryError:
    attempt, nth = entry.get("attempt"), entry.get("nth_retry")
    return StoryError(
        attempt=attempt if isinstance(attempt, int) else None,
        step=_label(view, found.use_case_id, entry.get("status")),
        kind=str(entry.get("kind") or "error"),
        nth_retry=nth if isinstance(nth, int) else None,
        time=str(entry.get("update_time") or ""),
        error=str(entry.get("error") or ""),
        traceback=str(entry.get("traceback") or ""),
    )


def _late(view: View, found: FoundTask, text: str) -> dict[str, Any]:
    entry = decode(text, None)
    if not isinstance(entry, dict):
        return {"detail": text}
    return {**entry, "step": _label(view, found.use_case_id, entry.get("status"))}


def size_of_row(row: Row) -> int:
    """About what a row takes in DynamoDB: names and values in UTF-8; a number as its digits."""
    total = 0
    for name, value in row.items():
        members = value if isinstance(value, (frozenset, set)) else (value,)
        total += size_of(name) + sum(size_of(str(member)) for member in members)
    return total


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (frozenset, set)) else value
