"""What came of a run of the demo: every task read back, its answers checked, its attempts counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from statustrack.demo.questions import QUESTIONS, check
from statustrack.demo.run import Run
from statustrack.demo.story import Progress, Victim

#: How many answers are shown, and how many ids of a group of failures.
SAMPLES = 3


@dataclass(frozen=True)
class Group:
    """Failures with one reason: how many documents, the reason in one line, some of their ids."""

    step: str
    count: int
    reason: str
    task_ids: list[str]


@dataclass(frozen=True)
class Check:
    """Something that must be so."""

    passed: bool
    text: str
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """The end of a run."""

    progress: Progress
    groups: list[Group]
    story: list[tuple[int, str, str, str]]  #: of the killed worker's task: attempt, step, outcome, worker
    answers: list[tuple[str, str]]  #: some of them, in words
    checks: list[Check]
    victim: Victim | None
    notes: list[str]

    @property
    def is_good(self) -> bool:
        """Whether all went as it must."""
        return all(check.passed for check in self.checks)


def report(run: Run) -> Report:
    """Read every task of the run and judge it."""
    tasks = _read(run)
    steps = {step.config.in_progress_status: step.__name__ for step in (run.extract, run.answer)}
    checks = [_all_ended(run, tasks)]
    if run.inbox.truth:
        checks += [_answers_are_right(run, tasks), _broken_are_ignored(run, tasks)]
    checks.append(_nothing_twice(tasks))
    victim = run.victim
    story: list[tuple[int, str, str, str]] = []
    notes = list(run.inbox.left_out)
    if victim is not None:
        task = tasks.get(victim.task_id)
        story = [(a.attempt, steps.get(a.status, "?"), a.outcome, a.worker) for a in task.attempts] if task else []
        lost = any(entry[0] == victim.attempt and entry[2] == "lost" for entry in story)
        after = any(entry[0] > victim.attempt and entry[2] in ("succeeded", "ignored") for entry in story)
        checks.append(Check(lost and after, "the killed worker's task was taken over and brought to its end"))
    elif run.kill and run.worked:
        notes.append("No worker was killed: all was done before one could be caught with a task.")
    return Report(run.look(), _groups(run, tasks), story, _samples(run, tasks), checks, victim, notes)


def _read(run: Run) -> dict[str, Any]:
    """Every task. DynamoDB's index follows the table with a delay: what is not there yet is waited for."""
    codes = sorted({*run.extract.config.codes, *run.answer.config.codes})
    for pause in (0.2, 0.5, 1.0, 0.0):
        tasks = {task.task_id: task for task in run.answer.query_by_status(codes, auto_refresh=True)}
        if len(tasks) >= run.total or run.engine.name == "sqlite":
            break
        time.sleep(pause)
    return tasks


def _all_ended(run: Run, tasks: dict[str, Any]) -> Check:
    ended = (run.extract.config.ignored_status, run.answer.config.succeeded_status, run.answer.config.ignored_status)
    left = [name for name in run.inbox.task_ids if name not in tasks or tasks[name].status not in ended]
    done = run.total - len(left)
    return Check(not left, f"{done:,} of {run.total:,} documents came to an end", left)


def _answers_are_right(run: Run, tasks: dict[str, Any]) -> Check:
    truth, wrong = run.inbox.truth, []
    for name, facts in truth.items():
        answers = tasks[name].data.get("answers") if name in tasks else None
        problems = check(answers, facts) if answers else ["there are no answers"]
        if problems:
            wrong.append(f"{name}: {'; '.join(problems)}")
    right = len(truth) - len(wrong)
    return Check(not wrong, f"answers equal the truth: {right:,} of {len(truth):,} ({len(QUESTIONS)} questions)", wrong)


def _broken_are_ignored(run: Run, tasks: dict[str, Any]) -> Check:
    config, wrong = run.extract.config, []
    for name, phrase in run.inbox.broken.items():
        task = tasks.get(name)
        errors = task.errors["history"] if task else []
        if task is None or task.status != config.ignored_status:
            wrong.append(f"{name} is not ignored")
        elif task.retry != config.max_retry or phrase not in errors[-1]["error"]:
            wrong.append(f"{name}: {task.retry} tries, {errors[-1:]}")
    text = f"{len(run.inbox.broken)} broken documents are ignored after {config.max_retry} tries, each with its errors"
    return Check(not wrong, text, wrong)


def _nothing_twice(tasks: dict[str, Any]) -> Check:
    outcomes: Counter[str] = Counter()
    twice = []
    for name, task in tasks.items():
        outcomes.update(entry.outcome for entry in task.attempts)
        succeeded = Counter(entry.status for entry in task.attempts if entry.outcome == "succeeded")
        twice += [name for count in succeeded.values() if count > 1]
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    return Check(not twice, f"no step of a task succeeded twice ({sum(outcomes.values()):,} attempts: {told})", twice)


def _groups(run: Run, tasks: dict[str, Any]) -> list[Group]:
    found: dict[tuple[str, str], list[Any]] = {}
    for step in (run.extract, run.answer):
        for task in tasks.values():
            if task.status == step.config.ignored_status:
                found.setdefault((step.__name__, task.error_group or ""), []).append(task)
    groups = [
        Group(step, len(some), some[0].error_summary or "no reason is on record", [task.task_id for task in some])
        for (step, _), some in found.items()
    ]
    return sorted(groups, key=lambda group: -group.count)


def _samples(run: Run, tasks: dict[str, Any]) -> list[tuple[str, str]]:
    answered = (name for name in run.inbox.task_ids if _is_answered(tasks.get(name)))
    return [(name, _sentence(tasks[name].data["answers"])) for name in islice(answered, SAMPLES)]


def _is_answered(task: Any) -> bool:
    return task is not None and bool(task.data.get("answers"))


def _sentence(answer: dict[str, Any]) -> str:
    money = f"{Decimal(answer['total_due']):,}" if answer["total_due"] else "an amount that was not found"
    parts = [f"{answer['seller'] or '?'} asks {answer['buyer'] or '?'} for {answer['currency'] or ''} {money}"]
    if answer["due_date"]:
        parts.append(f"due {answer['due_date']}" + (" and overdue" if answer["overdue"] else ""))
    if answer["needs_approval"]:
        parts.append("needs an approval")
    return ", ".join(parts).replace("  ", " ")
