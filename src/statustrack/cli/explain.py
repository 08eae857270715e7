"""``statustrack explain``: why a task is not running, who holds it, what a claim would do, what a person can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import (
    CHECK_FAILED,
    cost_option,
    debug_option,
    engine_option,
    json_option,
    tables_option,
    to_type,
)

if TYPE_CHECKING:
    from statustrack.tracking.story import Explained

#: States in which nothing goes on by itself, or that somebody should look at.
NEEDS_SOMEBODY = ("missing", "crashed", "ignored")
#: What to type next, by state.
NEXT = {
    "waiting": ("redrive",),
    "running": ("show",),
    "crashed": ("show", "release"),
    "ignored": ("show", "redrive"),
    "ready": ("show",),
    "other_step": ("show",),
    "other_step_running": ("show",),
}


@click.command()
@click.argument("task_id", metavar="ID")
@engine_option()
@tables_option
@click.option("--use-case", metavar="NAME", help="Where several use cases have this id.")
@click.option("--step", metavar="NAME", help="As this step sees it.  [default: the one that the task is in]")
@cost_option
@json_option
@debug_option
def explain(
    task_id: str, url: str, tables: tuple[str, ...], use_case: str | None, step: str | None, cost: bool, as_json: bool
) -> None:
    """Say why a task is (not) running: who holds it until when, what a claim would do now, and what you can do.

    \b
    statustrack explain inv-17
    statustrack explain inv-17 --step Answer --json

    Exit status: 0 it is done, at work, or goes on by itself; 1 it is missing, crashed or ignored.
    """
    from statustrack.cli.tables import places
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.story import explained
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    answers = ((explained(view, wanted, use_case, step), view) for view, wanted in places(engine, tables, task_id))
    found, view = next(answers)
    for other, place in answers:
        if found.explanation.state != "missing":
            break
        if other.explanation.state != "missing":
            found, view = other, place
    commands = commands_for(found)
    if as_json:
        answer = plain(found)
        said = answer.pop("explanation")
        answer = {"engine": engine.url, "table": view.table, **said, **answer, "next": commands}
        click.echo(json.dumps(answer, indent=2))
    else:
        from statustrack.cli import story_screen
        from statustrack.cli.screens import spent
        from statustrack.cli.sheet import Sheet

        sheet = Sheet()
        story_screen.explanation(sheet, engine.url, view.table, found, commands)
        if cost:
            spent(sheet, engine)
    if found.explanation.state in NEEDS_SOMEBODY:
        raise SystemExit(CHECK_FAILED)


def commands_for(found: Explained) -> list[str]:
    """What to type next, ready to be copied."""
    # An id that a terminal would not show as it is cannot be copied from one.
    if not found.task_id.isprintable() or found.task_id.startswith("-"):
        return []
    return [to_type(verb, found.task_id) for verb in NEXT.get(found.explanation.state, ())]
