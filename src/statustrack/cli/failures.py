"""``statustrack failures``: what fails, as groups of like failures."""

from __future__ import annotations

import json

import click

from statustrack.cli.options import (
    CHECK_FAILED,
    cost_option,
    debug_option,
    engine_option,
    json_option,
    step_options,
    tables_option,
)


@click.command()
@engine_option()
@tables_option
@step_options
@click.option("--newer", metavar="AGE", help="Only failures of less than this ago: 90s, 15m, 2h, 1d.")
@click.option("--older", metavar="AGE", help="Only failures of more than this ago.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Groups on the screen.")
@click.option("--samples", type=click.IntRange(1, 50), default=3, show_default=True, help="Ids of each group.")
@click.option("--exact", is_flag=True, help="Look at all failures, not at the last 10,000 of each status and shard.")
@cost_option
@json_option
@debug_option
def failures(
    url: str,
    tables: tuple[str, ...],
    use_case: str | None,
    step: str | None,
    newer: str | None,
    older: str | None,
    limit: int,
    samples: int,
    exact: bool,
    cost: bool,
    as_json: bool,
) -> None:
    """Group the tasks that are failed or ignored by what went wrong: how many, since when, a few of their ids.

    \b
    statustrack failures
    statustrack failures --newer 2h --json

    Exit status: 0 there are none, 1 there are some.
    """
    from statustrack.cli.tables import views
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.arguments import bound_of
    from statustrack.tracking.groups import LOOKED_AT
    from statustrack.tracking.groups import failures as failures_of
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    found = []
    for view in views(engine, tables):
        groups = failures_of(
            view, view.chosen(use_case, step),
            since=bound_of(newer, "--newer", view.micros), until=bound_of(older, "--older", view.micros),
            most=None if exact else LOOKED_AT, samples=samples,
        )  # fmt: skip
        found.append((view, groups))
    if as_json:
        shown = [{"table": view.table, **plain(groups)} for view, groups in found]
        click.echo(json.dumps({"engine": engine.url, "tables": shown}, indent=2))
    else:
        from statustrack.cli import screens
        from statustrack.cli.sheet import Sheet

        sheet = Sheet()
        for position, (view, groups) in enumerate(found):
            if position:
                sheet.space()
            screens.failures(sheet, engine.url, view.table, groups, len(view.directory.use_cases) > 1, limit)
        if cost:
            screens.spent(sheet, engine)
    if any(groups.groups for _, groups in found):
        raise SystemExit(CHECK_FAILED)
