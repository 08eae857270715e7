"""``statustrack demo``: real documents through a tracked two-step job, with a worker killed on the way."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import CHECK_FAILED, INTERRUPTED, Refusal, debug_option, engine_option

if TYPE_CHECKING:
    from statustrack.cli import render
    from statustrack.demo.inbox import Inbox
    from statustrack.demo.run import Run

FOLDER = "statustrack-demo"


@click.command(short_help="See it work: 200 PDF invoices, two steps, a worker killed.")
@click.option("--pdfs", metavar="FOLDER", type=click.Path(path_type=Path), help="Your own documents instead.")
@click.option("--fresh", is_flag=True, help="Forget what earlier runs did, and start over.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Worker processes.")
@click.option("--invoices", type=click.IntRange(1, 10_000), help="How many to make.  [default: 200]")
@click.option("--kill/--no-kill", default=True, help="Kill a worker on the way.  [default: kill]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where the demo keeps its files.",
)
@engine_option(default=None, shown="tasks.db in the folder")
@debug_option
def demo(
    pdfs: Path | None, fresh: bool, workers: int, invoices: int | None, kill: bool, folder: Path, url: str | None
) -> None:
    """See it work, on real documents.

    Makes 200 PDF invoices and three broken documents. Worker processes share them: step 1 extracts text and key-value
    data, step 2 answers business questions. One worker is killed in the middle, and another takes its task over. Then
    every answer is checked. Run it twice: what is done stays done.

    \b
    statustrack demo
    statustrack demo --pdfs ~/invoices       your own documents
    statustrack demo --engine dynamodb://us-east-1

    Exit status: 0 all is as it should be, 1 a check failed, 2 it could not run, 130 stopped by Ctrl-C.
    """
    from statustrack.cli import render

    if pdfs is not None and invoices is not None:
        raise Refusal("--pdfs and --invoices exclude each other: your own documents, or ones made for you.")
    screen = render.DemoScreen()
    again = _command(pdfs, folder, url)
    run: Run | None = None
    try:
        from statustrack.demo.report import report
        from statustrack.demo.run import Run

        inbox, url = _collect(screen, pdfs, invoices, folder, url)
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(inbox, url, folder / "workers.log", workers, kill)
        _play(screen, run, fresh, again)
        result = report(run)
    except ImportError as error:
        if error.name not in ("pypdf", "fpdf"):
            raise
        raise Refusal(str(error)) from error
    except KeyboardInterrupt:
        screen.interrupted(run.look() if run is not None else None, again)
        raise SystemExit(INTERRUPTED) from None
    screen.report(result, run.seconds, _next_commands(run, pdfs, folder, again))
    if not result.is_good:
        raise SystemExit(CHECK_FAILED)
