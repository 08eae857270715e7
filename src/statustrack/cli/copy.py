"""``statustrack copy``: all tasks of a table to another place."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from statustrack.cli import choice
from statustrack.cli.options import CHECK_FAILED, TABLE_VARIABLE, Refusal, debug_option, json_option

if TYPE_CHECKING:
    from statustrack.cli.render_actions import ActionScreen
    from statustrack.tracking.copying import CopyReport


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--table",
    metavar="NAME",
    envvar=TABLE_VARIABLE,
    show_envvar=True,
    help="The table to copy; default: the only one there.",
)
@click.option("--to-table", metavar="NAME", help="Its name at DST; default: the same.")
@click.option("--create", is_flag=True, help="Make the table at DST if it is not there.")
@click.option("--include-running", is_flag=True, help="Also copy what a worker holds, as it is.")
@json_option
@debug_option
def copy(
    source: str,
    target: str,
    table: str | None,
    to_table: str | None,
    create: bool,
    include_running: bool,
    as_json: bool,
) -> None:
    """Copy all tasks of a table from SRC to DST, both engine URLs, of either kind.

    Nothing is overwritten: a task that is at DST already stays as it is, and is named if it differs. Interrupted, the
    same command goes on. At the end each status is counted at both ends. Stop the workers first: what a worker holds is
    left out (copy it by the same command later), unless --include-running; then both ends may run it.

    \b
    statustrack copy sqlite:///jobs.db dynamodb://eu-central-1 --create
    statustrack copy dynamodb://eu-central-1 sqlite:///backup.db --table jobs

    Exit status: 0 all is there, 1 something was left out or differs, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.render_actions import ActionScreen
    from statustrack.cli.render_actions import as_json as print_json
    from statustrack.engines.protocol import TableOptions
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.copying import copy as carry_out
    from statustrack.tracking.directory import directory_of

    here = choice.place(source, (table,) if table else ())
    there = choice.Place(open_engine(target), to_table or here.table)
    if (here.engine.url, here.table) == (there.engine.url, there.table):
        raise Refusal("SRC and DST are the same table: nothing to copy.")
    if not create and not there.engine.exists(there.table):
        raise Refusal(f"there is no table {there.table!r} at {there.engine.url}: have it made with --create.")
    if create and there.engine.create_table(there.table, TableOptions(), wait=True):
        directory_of(there.engine, there.table).table_made()
        directory_of(there.engine, there.table).create()
    screen = ActionScreen(as_json)

    def told(report: CopyReport) -> None:
        screen.doing(f"{report.read:,} read, {report.copied:,} copied, {report.there:,} were there")

    with screen.live():
        report = carry_out(
            (here.engine, here.table), (there.engine, there.table), include_running=include_running, progress=told
        )
    if as_json:
        print_json(
            {
                "action": "copy",
                "source": {"engine": here.engine.url, "table": here.table},
                "target": {"engine": there.engine.url, "table": there.table},
                "complete": report.is_complete,
                "read": report.read,
                "copied": report.copied,
                "there": report.there,
                "differing": report.differing,
                "running": report.running,
                "running_copied": include_running,
                "rejected": [{"key": key, "why": why} for key, why in report.rejected],
                "counts": [asdict(each) for each in report.counts],
                "short": [asdict(each) for each in report.short],
            }
        )
    else:
        _tell(screen, report, include_running)
    if not report.is_complete:
        raise SystemExit(CHECK_FAILED)


def _tell(screen: ActionScreen, report: CopyReport, include_running: bool) -> None:
    from statustrack.cli.render_actions import tasks

    there = f"; {report.there:,} were there already, the same" * bool(report.there)
    screen.line(f"Copied {tasks(report.copied)} of {report.read:,}{there}.")
    if report.running:
        how = "copied as they are (both ends may run them)" if include_running else "left out"
        screen.line(f"Held by workers, and {how}: {tasks(len(report.running))}", "yellow")
        screen.sample(report.running)
    if report.differing:
        screen.line(f"Other than at DST, and left as they are there: {tasks(len(report.differing))}", "red")
        screen.sample(report.differing)
    screen.reasons("not copied", report.rejected)
    for each in report.short:
        screen.line(
            f"{each.use_case}, status {each.status}: {each.source:,} here, only {each.target:,} there. Has a worker "
            "changed them meanwhile? The same command goes on.",
            "red",
        )
    if report.is_complete:
        screen.line("Counted at both ends: all is there.", "green")
