"""``statustrack list``: tasks by status, failure group, age and id, one page at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import (
    Refusal,
    cost_option,
    debug_option,
    engine_option,
    json_option,
    step_options,
    tables_option,
)

if TYPE_CHECKING:
    from statustrack.tracking.view import Partition, View

STATUSES = ("pending", "in_progress", "failed", "succeeded", "ignored")
MOST = 1000


def _known(ctx: click.Context, param: click.Parameter, statuses: tuple[str, ...]) -> tuple[str, ...]:
    """Refuses what is neither a status name nor a code."""
    for status in statuses:
        if status not in STATUSES and not status.isdecimal():
            raise click.BadParameter(f"{status!r} is neither a code nor one of {', '.join(STATUSES)}.", ctx, param)
    return statuses


def _begun(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """Completes a status name."""
    return [name for name in STATUSES if name.startswith(begun)]


@click.command("list")
@engine_option()
@tables_option
@step_options
@click.option(
    "--status", "statuses", metavar="STATUS", multiple=True, callback=_known, shell_complete=_begun,
    help="Only this status, by name or code (repeatable).",
)  # fmt: skip
@click.option("--group", metavar="ID", help="Only this failure group, as `statustrack failures` names it.")
@click.option("--older", metavar="AGE", help="In their status for longer than this: 90s, 15m, 2h, 1d.")
@click.option("--newer", metavar="AGE", help="In their status for less than this.")
@click.option("--prefix", metavar="TEXT", default="", help="Only ids that begin so.")
@click.option("--stuck", is_flag=True, help="Only tasks in progress whose lease is over.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, help="Tasks on a page.")
@click.option("--after", metavar="MARK", help="Go on where a page ended: the mark that it ended with.")
@click.option("--oldest/--newest", "oldest_first", help="Which come first.  [default: newest]")
@cost_option
@json_option
@debug_option
def list_(
    url: str,
    tables: tuple[str, ...],
    use_case: str | None,
    step: str | None,
    statuses: tuple[str, ...],
    group: str | None,
    older: str | None,
    newer: str | None,
    prefix: str,
    stuck: bool,
    limit: int,
    after: str | None,
    oldest_first: bool,
    cost: bool,
    as_json: bool,
) -> None:
    """List tasks, one page at a time: by status, failure group, age, and how their ids begin.

    \b
    statustrack list --status failed --newer 2h
    statustrack list --status pending --oldest --older 1d
    statustrack list --prefix inv-2026- --json
    """
    from statustrack.cli.tables import one_view
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.arguments import bound_of
    from statustrack.tracking.listing import Wanted, page_of_tasks
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    view = one_view(engine, tables)
    if not statuses:  # a task that was redriven keeps the group that it was in
        statuses = ("in_progress",) if stuck else ("failed", "ignored") if group else ()
    partitions = _partitions(view, use_case, step, statuses)
    wanted = Wanted(
        partitions, group, prefix, stuck,
        since=bound_of(newer, "--newer", view.micros),
        until=bound_of(older, "--older", view.micros),
        newest_first=not (oldest_first or stuck),
    )  # fmt: skip
    found = page_of_tasks(view, wanted, limit, after)
    if as_json:
        click.echo(json.dumps({"engine": engine.url, "table": view.table, **plain(found)}, indent=2))
        return
    from statustrack.cli import screens
    from statustrack.cli.sheet import Sheet

    sheet = Sheet()
    screens.listing(sheet, engine.url, view.table, found, len({each.use_case for each in partitions}) > 1)
    if cost:
        screens.spent(sheet, engine)


def _partitions(view: View, use_case: str | None, step: str | None, statuses: tuple[str, ...]) -> list[Partition]:
    """What is to be read: the partitions of these statuses; of all codes where none was named."""
    codes: dict[str, list[int]] = {}
    for each in view.chosen(use_case, step):
        name, config = each.config.use_case_id, each.config
        mine = codes.setdefault(name, [])
        for code in config.codes:
            # What one step has succeeded with waits for the next: it is that step's pending, unless a step was named.
            status = config.name_of(code) if step is not None else view.named(name, code)[1]
            if not statuses or status in statuses:
                mine.append(code)
    if step is None:  # codes of no known step, too
        for name, entry in view.directory.use_cases.items():
            if use_case in (None, name):
                codes.setdefault(name, []).extend([] if statuses else entry.shards)
    for mine in codes.values():
        mine.extend(int(status) for status in statuses if status.isdecimal())
    found = [part for name, mine in sorted(codes.items()) for part in view.partitions(name, sorted(set(mine)))]
    if not found and view.directory.use_cases:
        raise Refusal(f"table {view.table!r} has no known step yet: name a status by its code, with --use-case.")
    return found
