"""What ``ignore``, ``release`` and ``delete`` have in common: count, ask, do, tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from statustrack.cli import choice
from statustrack.cli.options import CHECK_FAILED

if TYPE_CHECKING:
    from statustrack.cli.render_actions import ActionScreen
    from statustrack.tracking.operate import ActionReport, Progress
    from statustrack.tracking.task import BaseTask

R = TypeVar("R", bound=tuple[Any, Any])

#: Acts on one step: its ids (None: by filter), the most tasks, whether only to look, whom to tell how far it is.
Act = Callable[["type[BaseTask]", "list[str] | None", "int | None", bool, "Progress"], "ActionReport"]


@dataclass(frozen=True)
class Words:
    """How an action is spoken of: ``ignore``, ``ignored``; why tasks that were meant were left alone."""

    verb: str
    done: str
    left_alone: str


def act(
    where: choice.Place,
    found: choice.Chosen,
    words: Words,
    call: Act,
    *,
    limit: int | None,
    dry_run: bool,
    asks: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Carry an action out on all steps that are meant; exit status 1 where a named task was left out.

    :param asks: whether it needs a yes; then it is counted first what it would be done to.
    """
    from statustrack.cli.render_actions import ActionScreen, as_json, tasks
    from statustrack.cli.words import shown

    screen = ActionScreen(quiet)
    if asks and not dry_run and not yes:
        would = _all(screen, found, call, limit, dry_run=True)
        count = sum(report.done for _, report in would)
        if count:
            names = ", ".join(
                f"{shown(each.config.use_case_id)} / {shown(each.__name__)}" for each, report in would if report.done
            )
            screen.sample([task_id for _, report in would for task_id in report.ids])
            choice.ask(f"{words.verb.capitalize()} {tasks(count)} of {names}?", yes)
    reports = _all(screen, found, call, limit, dry_run)
    left_out = list(found.left_out)
    for each, report in reports:
        own = dict(found.steps)[each]
        if own is not None and limit is None:
            done = set(report.ids)
            left_out += choice.states(each, [task_id for task_id in own if task_id not in done])
    if quiet:
        as_json(
            {
                "action": words.verb,
                "engine": where.engine.url,
                "table": where.table,
                "dry_run": dry_run,
                "matched": sum(report.matched for _, report in reports),
                "done": sum(report.done for _, report in reports),
                "steps": [
                    {
                        "use_case": each.config.use_case_id,
                        "step": each.__name__,
                        "matched": report.matched,
                        "done": report.done,
                        "left_alone": report.left_alone,
                        "ids": report.ids,
                    }
                    for each, report in reports
                ],
                "not_done": [{"id": task_id, "why": why} for task_id, why in left_out],
            }
        )
    else:
        for each, report in told_of(reports):
            name = f"{shown(each.config.use_case_id)} / {shown(each.__name__)}"
            did = f"Would {words.verb}" if dry_run else words.done.capitalize()
            left = f"; {report.left_alone:,} left alone ({words.left_alone})" * bool(report.left_alone)
            screen.line(f"{did} {tasks(report.done)} of {name}{left}.")
            screen.sample(report.ids)
        screen.reasons(f"not {words.done}", left_out)
        if dry_run:
            screen.line("Nothing was done (--dry-run).", "dim")
    if left_out:
        raise SystemExit(CHECK_FAILED)


def told_of(reports: list[R]) -> list[R]:
    """The steps that are worth a line: those where something matched; the first where nothing did."""
    return [each for each in reports if each[1].matched] or reports[:1]


def _all(
    screen: ActionScreen, found: choice.Chosen, call: Act, limit: int | None, dry_run: bool
) -> list[tuple[type[BaseTask], ActionReport]]:
    reports: list[tuple[type[BaseTask], ActionReport]] = []
    left = limit
    with screen.live():
        for each, own in found.steps:

            def told(report: ActionReport, name: str = each.__name__) -> None:
                screen.doing(f"{name}: {report.done:,} of {report.matched:,} tasks")

            report = call(each, own, left, dry_run, told)
            reports.append((each, report))
            left = None if left is None else left - report.matched
    return reports
