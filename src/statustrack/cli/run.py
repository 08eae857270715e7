"""``statustrack run``: a worker for the steps of a module."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from statustrack.cli.options import CHECK_FAILED, INTERRUPTED, debug_option, engine_option, json_option
from statustrack.cli.targets import load, target_argument


@click.command()
@target_argument
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=16, show_default=True, help="Handlers at a time in each."
)
@click.option("--until-idle", is_flag=True, help="End when every task has ended, instead of waiting for more.")
@click.option(
    "--max-wait", metavar="S", type=click.FloatRange(0), help="With --until-idle: wait at most S seconds for tasks in "
    "backoff or held by others.",
)  # fmt: skip
@click.option(
    "--grace", metavar="S", type=click.FloatRange(0), default=10.0, show_default=True,
    help="How long running handlers may go on after Ctrl-C or SIGTERM.",
)  # fmt: skip
@engine_option(default=None, shown="that of the step's Meta")
@json_option
@debug_option
def run(
    targets: tuple[str, ...],
    processes: int,
    concurrency: int,
    until_idle: bool,
    max_wait: float | None,
    grace: float,
    url: str | None,
    as_json: bool,
) -> None:
    """Run a worker for steps (or pipelines) of your own modules.

    \b
    statustrack run jobs.invoices:Step1 jobs.invoices:Step2 --processes 4
    statustrack run jobs.invoices:pipeline --until-idle

    Modules are imported from the working directory, as `python -m` does. Ctrl-C or SIGTERM: running handlers have the
    grace period, the rest is given back; a second one gives back at once.

    Exit status: 0 all succeeded, 1 a task was ignored or an outcome is in doubt (with --until-idle also: a task has
    failed and was not tried again), 2 it could not run, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    from statustrack.cli.progress import Progress
    from statustrack.tracking.location import use_engine
    from statustrack.worker.worker import Worker

    if url is not None:
        use_engine(url)
    worker = Worker(*load(targets), processes=processes, concurrency=concurrency, grace_seconds=grace)
    progress = Progress()
    if as_json:
        report = worker.run(until_idle=until_idle, max_wait=max_wait)
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        steps = ", ".join(step.__name__ for step in worker.steps)
        each = f" in each of {processes} processes" if processes > 1 else ""
        progress.say(f"Working on {steps}, {concurrency} handlers at a time{each}. Ctrl-C stops it.")
        with progress.live():
            report = worker.run(until_idle=until_idle, max_wait=max_wait, on_progress=progress.working)
        progress.worked(report)
    left = 0
    if until_idle and report.failed and not report.stopped_by:
        left = sum(step.count_by_status("failed", most=1)["failed"] for step in worker.steps)
    if not report.is_good or left:
        raise SystemExit(CHECK_FAILED)
    if report.stopped_by:
        raise SystemExit(INTERRUPTED if report.stopped_by == "SIGINT" else 143)
