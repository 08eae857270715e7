"""``statustrack demo``: real documents through a tracked two-step job, with a worker killed on the way."""

from __future__ import annotations

import shlex
import shutil
import sys
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


@click.command()
@click.option("--pdfs", metavar="FOLDER", type=click.Path(path_type=Path), help="Your own documents instead.")
@click.option("--fresh", is_flag=True, help="Forget what earlier runs did, and start over.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Worker processes.")
@click.option("--invoices", type=click.IntRange(1, 10_000), show_default="200", help="How many to make.")
@click.option("--kill/--no-kill", default=True, show_default=True, help="Kill a worker on the way.")
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


def _collect(
    screen: render.DemoScreen, pdfs: Path | None, invoices: int | None, folder: Path, url: str | None
) -> tuple[Inbox, str]:
    """The documents, made if need be, and where their tasks live."""
    import statustrack.demo.extract  # noqa: F401 - pypdf is an extra: said before anything is made
    from statustrack.core import times
    from statustrack.demo import inbox
    from statustrack.engines.clock import SystemClock
    from statustrack.engines.registry import open_engine, sqlite_url

    url = url or sqlite_url((folder / "tasks.db").as_posix())
    open_engine(url)  # a wrong URL is refused before anything is made
    if pdfs is not None:
        mine = inbox.own(pdfs, times.micros_to_datetime(SystemClock().wall()).date())
        screen.introduce_own(len(mine.task_ids), pdfs, url)
        return mine, url
    count = invoices or inbox.invoices_in(folder / "documents") or inbox.INVOICES
    screen.introduce(count, url)
    there = inbox.invoices_in(folder / "documents") == count
    what = "Looking through the" if there else "Making"
    with screen.busy(f"{what} {count:,} invoices in {folder / 'documents'}"):
        return inbox.generated(folder / "documents", count), url


def _play(screen: render.DemoScreen, run: Run, fresh: bool, again: str) -> None:
    """Show the run from its first event to the last."""
    screen.begin(run.prepare(fresh), run.workers, run.kill, again)
    with screen.live(), closing(run.events()) as events:
        for event in events:
            screen.show(event)


def _command(pdfs: Path | None, folder: Path, url: str | None) -> str:
    """The command that goes on with this run."""
    words = [program(), "demo"]
    if pdfs is not None:
        words += ["--pdfs", str(pdfs)]
    if str(folder) != FOLDER:
        words += ["--folder", str(folder)]
    if url is not None:
        words += ["--engine", url]
    return shlex.join(words)


def program() -> str:
    """How this program is called from here: by its name, or by its path where it is not to be found by name."""
    if shutil.which("statustrack"):
        return "statustrack"
    path = Path(sys.argv[0])
    if path.name != "statustrack" or not path.is_file():
        return "statustrack"
    try:
        return shlex.quote(str(path.resolve().relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))


def _next_commands(run: Run, pdfs: Path | None, folder: Path, again: str) -> list[tuple[str, str]]:
    """What to try next: only what works here."""
    table = run.extract.Meta.table_name
    commands = [(f"{program()} status --engine {shlex.quote(run.url)}", "what the table holds")]
    database = folder / "tasks.db"
    if run.engine.name == "sqlite" and database.is_file() and shutil.which("sqlite3"):
        sql = f"select key, attempts from {table}"
        commands.append((f'sqlite3 {shlex.quote(str(database))} "{sql}"', "any SQLite tool reads it"))
    commands.append((f"{again} --fresh", "once more, from the start"))
    if pdfs is None:
        commands.append((f"{program()} demo --pdfs FOLDER", "your own documents"))
    return commands
