"""``statustrack status``: how many tasks of each use case are in which step and status, read without user code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import (
    cost_option,
    debug_option,
    engine_option,
    json_option,
    tables_option,
    use_case_option,
)

if TYPE_CHECKING:
    from statustrack.tracking.pace import Paces
    from statustrack.tracking.view import View


@click.command()
@engine_option()
@tables_option
@use_case_option
@click.option("--exact", is_flag=True, help="Count beyond 10,000 per status and shard (on DynamoDB that costs).")
@click.option("--pace", is_flag=True, help="Also throughput and durations of the last 100 attempts of each step.")
@click.option("--leases", is_flag=True, help="On DynamoDB: read leases too, to tell what is stuck.")
@cost_option
@json_option
@debug_option
def status(
    url: str,
    tables: tuple[str, ...],
    use_case: str | None,
    exact: bool,
    pace: bool,
    leases: bool,
    cost: bool,
    as_json: bool,
) -> None:
    """Count the tasks of each use case, step and status; say what waits, runs and is stuck.

    \b
    statustrack status
    statustrack status --engine sqlite:///jobs.db --table jobs --json

    Needs none of your code. On DynamoDB it takes one request for each status and shard, and one for the directory.
    """
    from statustrack.cli.tables import views
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.overview import COUNTED, overview
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    found = []
    for view in views(engine, tables):
        counted = overview(view, None if exact else COUNTED, leases, use_case)
        found.append((counted, _paces(view, use_case) if pace else None))
    if as_json:
        tables_found = [{**plain(counted), "paces": plain(paced)} for counted, paced in found]
        click.echo(json.dumps({"engine": engine.url, "tables": tables_found}, indent=2))
        return
    from statustrack.cli import screens
    from statustrack.cli.sheet import Sheet

    sheet = Sheet()
    for position, (counted, paced) in enumerate(found):
        if position:
            sheet.space()
        screens.status(sheet, engine.url, counted, paced)
    if cost:
        screens.spent(sheet, engine)


def _paces(view: View, use_case: str | None) -> Paces:
    from statustrack.tracking.pace import paces

    return paces(view, use_case=use_case)
