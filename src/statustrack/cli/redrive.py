"""``statustrack redrive``: failed and ignored tasks back to pending."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from statustrack.cli import choice
from statustrack.cli.options import (
    CHECK_FAILED,
    Refusal,
    debug_option,
    engine_option,
    json_option,
    step_options,
    tables_option,
)

if TYPE_CHECKING:
    from statustrack.cli.render_actions import ActionScreen
    from statustrack.tracking.redrive import RedriveReport
    from statustrack.tracking.task import BaseTask


@click.command()
@choice.ids_argument
@click.option(
    "--status",
    type=click.Choice(["failed", "ignored"]),
    multiple=True,
    help="Only these (repeatable); default: both.",
)
@choice.filter_options
@step_options
@click.option("--all", "everything", is_flag=True, help="Really all that failed or is ignored.")
@choice.reason_option
@choice.dry_run_option
@click.option("--canary", metavar="N", type=click.IntRange(min=1), help="So many first, and wait for their outcomes.")
@click.option("--require", metavar="SHARE", default="95%", show_default=True, help="How many of them must succeed.")
@click.option(
    "--wait", metavar="AGE", callback=choice.age, default="15m", show_default=True, help="How long to wait for them."
)
@click.option("--id", "redrive_id", metavar="ID", help="Go on with an interrupted redrive.")
@engine_option()
@tables_option
@json_option
@debug_option
def redrive(
    ids: tuple[str, ...],
    status: tuple[str, ...],
    group: str | None,
    text: str | None,
    older: str | None,
    newer: str | None,
    limit: int | None,
    use_case: str | None,
    step: str | None,
    everything: bool,
    reason: str,
    dry_run: bool,
    canary: int | None,
    require: str,
    wait: str,
    redrive_id: str | None,
    url: str,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Put failed and ignored tasks back to pending, with all their retries.

    Choose by ids ("-" reads them from a pipe), status, failure group, text, age. Each task gets a note: who, why, when,
    which redrive. After a crash the same command with --id goes on: nothing is redriven twice.

    \b
    statustrack redrive inv-7 inv-9 --reason "parser 2.1"
    statustrack redrive --group 5f2c9a01b3d4 --dry-run
    statustrack redrive --group 5f2c9a01b3d4 --canary 20 --require 95%

    Exit status: 0 done, 1 the canary did not pass or an id could not be redriven, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.render_actions import ActionScreen

    named = choice.given_ids(ids)
    if named is None and not (status or group or text or older or newer or step or limit is not None or everything):
        raise Refusal("redrive what? Give ids, --status, --group, --text, --older, --newer, --step, --limit, or --all.")
    where = choice.place(url, tables)
    found = choice.choose(where, named, use_case, step)
    if canary is not None and len(found.steps) > 1:
        names = ", ".join(f"{each.config.use_case_id} / {each.__name__}" for each, _ in found.steps)
        raise Refusal(f"--canary works on one step at a time: choose with --use-case and --step. There are: {names}.")
    run_id = redrive_id or uuid.uuid4().hex[:12]
    screen = ActionScreen(as_json)
    asked = {
        "status": list(status) or ["failed", "ignored"], "group": group, "text": text, "since": newer, "until": older,
        "why": reason, "redrive_id": run_id, "dry_run": dry_run, "canary": canary, "require": require, "wait": wait,
    }  # fmt: skip
    if not dry_run:
        screen.line(f"Redrive {run_id} (after a crash: the same command with --id {run_id})", "dim")
    reports, left_out = _run(screen, found, asked, limit, redrive_id is not None)
    stopped = next((report.stopped for _, report in reports if report.stopped), None)
    if as_json:
        _print_json(where, run_id, dry_run, reports, left_out, stopped)
    else:
        _tell(screen, dry_run, reports, left_out, stopped)
    if stopped or (left_out and named is not None):
        raise SystemExit(CHECK_FAILED)


_Reports = list[tuple["type[BaseTask]", "RedriveReport"]]


def _run(
    screen: ActionScreen, found: choice.Chosen, asked: dict[str, Any], limit: int | None, goes_on: bool
) -> tuple[_Reports, list[tuple[str, str]]]:
    reports: _Reports = []
    left_out = list(found.left_out)
    left = limit
    with screen.live():
        for each, own in found.steps:

            def told(report: RedriveReport, name: str = each.__name__) -> None:
                if report.canary is not None and report.canary.passed is None:
                    screen.canary(report.canary)
                else:
                    screen.doing(f"{name}: {report.matched if asked['dry_run'] else report.redriven:,} tasks")

            report = each.redrive(own, limit=left, progress=told, **asked)
            reports.append((each, report))
            left = None if left is None else left - report.matched
            if own is not None and limit is None and not goes_on:  # else what is done already is no news
                done = set(report.ids)
                left_out += choice.states(each, [task_id for task_id in own if task_id not in done])
            if report.stopped:
                break
    return reports, left_out


def _tell(
    screen: ActionScreen, dry_run: bool, reports: _Reports, left_out: list[tuple[str, str]], stopped: str | None
) -> None:
    from statustrack.cli.acting import told_of
    from statustrack.cli.render_actions import tasks
    from statustrack.cli.words import shown

    for each, report in told_of(reports):
        name = f"{shown(each.config.use_case_id)} / {shown(each.__name__)}"
        if report.canary is not None:
            screen.canary(report.canary)
        if dry_run:
            screen.line(f"Would redrive {tasks(report.matched)} of {name}.")
        else:
            changed = f"; {report.changed_meanwhile:,} left alone (changed meanwhile)" * bool(report.changed_meanwhile)
            screen.line(f"Redriven: {tasks(report.redriven)} of {name}{changed}.")
        screen.sample(report.ids)
    screen.reasons("not redriven", left_out)
    if dry_run:
        screen.line("Nothing was done (--dry-run).", "dim")
    if stopped:
        screen.line(f"Stopped: {stopped}. The others are as they were.", "red")


def _print_json(
    where: choice.Place,
    run_id: str,
    dry_run: bool,
    reports: _Reports,
    left_out: list[tuple[str, str]],
    stopped: str | None,
) -> None:
    from statustrack.cli.render_actions import as_json

    canaries = [report.canary for _, report in reports if report.canary is not None]
    as_json(
        {
            "action": "redrive",
            "engine": where.engine.url,
            "table": where.table,
            "dry_run": dry_run,
            "redrive_id": run_id,
            "matched": sum(report.matched for _, report in reports),
            "done": sum(report.redriven for _, report in reports),
            "steps": [
                {
                    "use_case": each.config.use_case_id,
                    "step": each.__name__,
                    "matched": report.matched,
                    "done": report.redriven,
                    "changed_meanwhile": report.changed_meanwhile,
                    "ids": report.ids,
                }
                for each, report in reports
            ],
            "not_done": [{"id": task_id, "why": why} for task_id, why in left_out],
            "canary": asdict(canaries[0]) if canaries else None,
            "stopped": stopped,
        }
    )
