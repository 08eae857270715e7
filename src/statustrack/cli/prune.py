"""``statustrack prune``: delete the tasks whose retention has ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from statustrack.cli import choice
from statustrack.cli.options import debug_option, engine_option, json_option, tables_option

if TYPE_CHECKING:
    from statustrack.tracking.retention import PruneReport


@click.command()
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many.")
@choice.dry_run_option
@choice.yes_option
@engine_option()
@tables_option
@json_option
@debug_option
def prune(limit: int | None, dry_run: bool, yes: bool, url: str, tables: tuple[str, ...], as_json: bool) -> None:
    """Delete the tasks whose retention has ended (keep_succeeded_seconds and keep_ignored_seconds of their step).

    It asks first. On SQLite nothing else deletes them: run it daily, from cron say. DynamoDB does it by itself where
    TTL is on (`statustrack doctor` tells), within some days; this does it at once, and reads the whole table for it.
    A task that a step waits for is never deleted.

    \b
    statustrack prune --dry-run
    statustrack prune --yes --table jobs

    Exit status: 0 done, 1 the answer was no, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.render_actions import ActionScreen, tasks
    from statustrack.cli.render_actions import as_json as print_json
    from statustrack.tracking.retention import prune as carry_out

    where = choice.place(url, tables)
    screen = ActionScreen(as_json)

    def told(report: PruneReport) -> None:
        screen.doing(f"{report.read:,} read, {report.deleted if not dry_run else report.expired:,} to go")

    if not dry_run and not yes:
        with screen.live():
            would = carry_out(where.engine, where.table, limit=limit, dry_run=True, progress=told)
        if would.expired:
            choice.ask(f"Delete {tasks(would.expired)} of {where.table} for good?", yes)
    with screen.live():
        report = carry_out(where.engine, where.table, limit=limit, dry_run=dry_run, progress=told)
    if as_json:
        print_json(
            {
                "action": "prune", "engine": where.engine.url, "table": where.table, "dry_run": dry_run,
                **asdict(report),
            }
        )  # fmt: skip
    else:
        screen.pruned(report, dry_run, where.engine.deletes_expired)
