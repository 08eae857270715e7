"""Which tasks a command means: its options, the table and the steps that they come to, and the question before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from statustrack.cli.options import CHECK_FAILED, Refusal

if TYPE_CHECKING:
    from statustrack.engines.protocol import Engine
    from statustrack.tracking.task import BaseTask

#: Any decorator of a command.
Decorator = Callable[[Any], Any]


def age(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """``90s``, ``15m``, ``2h``, ``1d 6h``: refused here, by the name of the option, if it is none."""
    from statustrack.core.errors import ConfigError
    from statustrack.tracking.arguments import seconds_of

    if value is not None:
        try:
            seconds_of(value, "age")
        except ConfigError:
            raise click.BadParameter(f"{value!r} is no age: write 90s, 15m, 2h or '1d 6h'.", ctx, param) from None
    return value


ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1)


def options(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, in this order in the help."""

    def decorate(command: Any) -> Any:
        for each in reversed(decorators):
            command = each(command)
        return command

    return decorate


filter_options: Decorator = options(
    click.option("--group", metavar="GROUP", help="Only this failure group."),
    click.option("--text", metavar="TEXT", help="Only errors that contain this."),
    click.option("--older", metavar="AGE", callback=age, help="Only what has been so for longer: 2h, 1d."),
    click.option("--newer", metavar="AGE", callback=age, help="Only what has become so within: 30m."),
    click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many."),
)
reason_option: Decorator = click.option(
    "--reason", metavar="WHY", default="", help="Why: goes into the note of each task."
)
dry_run_option: Decorator = click.option(
    "--dry-run", is_flag=True, help="Only show what would be done, and to how many."
)
yes_option: Decorator = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@dataclass(frozen=True)
class Place:
    """Where a command works."""

    engine: Engine
    table: str


def place(url: str, tables: tuple[str, ...]) -> Place:
    """The engine and the table: the one that was named, else the only one there."""
    from statustrack.cli.tables import chosen
    from statustrack.engines.registry import open_engine

    engine = open_engine(url)
    names = chosen(engine, tables)
    if len(names) > 1:
        raise Refusal(f"this command takes one --table, not {len(names)}.")
    return Place(engine, names[0])


def given_ids(ids: tuple[str, ...]) -> list[str] | None:
    """The ids that were named; ``-`` alone reads them from a pipe, one a line. None: no ids."""
    if ids == ("-",):
        lines = click.File("r", encoding="utf-8").convert("-", None, None)
        return [line.strip() for line in lines if line.strip()]
    return list(ids) or None


@dataclass(frozen=True)
class Chosen:
    """The steps that are meant, each with the ids that are in it (None: whatever the filters say); and the ids that
    nothing can be done to, with the reason."""

    steps: list[tuple[type[BaseTask], list[str] | None]]
    left_out: list[tuple[str, str]]


def choose(where: Place, ids: list[str] | None, use_case: str | None, step: str | None) -> Chosen:
    """The steps of the table that fit, by its directory.

    :raises ConfigError: there is no such use case or step; the message lists what there is.
    """
    from statustrack.tracking.known import find_step, find_tasks, step_name
    from statustrack.tracking.view import View

    if ids is None:
        return Chosen([(each, None) for each in View(where.engine, where.table).chosen(use_case, step)], [])
    found, others = find_tasks(where.engine, where.table, ids, use_case)
    if step is None:
        return Chosen(list(found.items()), others)
    wanted = find_step(View(where.engine, where.table).steps, use_case, step)
    kept: list[tuple[type[BaseTask], list[str] | None]] = []
    for each, own in found.items():
        if step_name(each) == step_name(wanted):
            kept.append((each, own))
        else:
            others += [(task_id, f"it is in step {each.__name__}") for task_id in own]
    return Chosen(kept, others)


def states(step: type[BaseTask], ids: Iterable[str]) -> list[tuple[str, str]]:
    """Each of these ids with the state that it is in now, as a reason why nothing was done to it."""
    engine, table = step._engine_and_table()
    keys = {step.make_key(task_id): task_id for task_id in ids}
    rows = engine.get(table, list(keys)) if keys else {}
    reasons = []
    for key, task_id in keys.items():
        if key not in rows:
            reasons.append((task_id, "there is no such task"))
            continue
        task = step._from_row(rows[key], engine, table)
        held = f", held by {task.worker or 'somebody'}" if task.is_locked() else ""
        reasons.append((task_id, f"it is {task.status_name.replace('_', ' ')} in {step.__name__}{held}"))
    return reasons


def ask(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone; end the command where the answer is no, or nobody can answer."""
    if yes:
        return
    if not can_ask():
        raise Refusal(
            f"{question} Nothing was done: there is no terminal to ask at. Add --yes (--dry-run looks first)."
        )
    if not click.confirm(question, err=True):
        click.echo("Nothing was done.", err=True)
        raise SystemExit(CHECK_FAILED)


def can_ask() -> bool:
    """Whether somebody sits there who can answer."""
    return sys.stdin.isatty()
