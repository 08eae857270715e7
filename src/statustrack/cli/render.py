"""All that the commands draw: the only file that knows about tables, colours and the width of a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from statustrack.cli.sheet import console
from statustrack.cli.words import shown
from statustrack.core.status import STATUS_NAMES
from statustrack.demo.story import Event

if TYPE_CHECKING:
    from statustrack.demo.report import Report
    from statustrack.demo.story import Progress

#: The order in which people look: what waits and runs, what went wrong, what is done.
COLUMNS = ("pending", "in_progress", "failed", "ignored", "succeeded")
STYLES = {"pending": "", "in_progress": "cyan", "failed": "yellow", "ignored": "red", "succeeded": "green"}
EVENT_STYLES = {"note": "", "killed": "bold red", "taken_over": "yellow", "recovered": "bold green"}
BAR = 14
TIME = 9
#: Between two lines of progress where nothing can be redrawn.
LINE_SECONDS = 1.0


def error(message: str) -> None:
    """The one message that ends a command."""
    out = console(stderr=True)
    line = Text.assemble(("Error: ", "bold red"), shown(message))
    out.print(line, soft_wrap=not out.is_terminal)


def _count(number: int | None, status: str, capped: bool = False) -> Text:
    if number is None:
        return Text("")
    return Text(f"{number:,}{'+' * capped}", style=STYLES[status] if number else "dim")


def _steps_table() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("step", style="bold", header_style="dim", no_wrap=True, overflow="ellipsis")
    for name in COLUMNS:
        table.add_column(name.replace("_", " "), justify="right", header_style="dim", no_wrap=True)
    return table


# --- init ------------------------------------------------------------------------------------------------------------


def table_made(
    url: str, table: str, made: bool, adopted: bool, complete: bool, use_cases: dict[str, dict[str, int]]
) -> None:
    """What ``init`` did."""
    out = console()
    what = "is made" if made else "is read" if adopted else "was there already and stays as it is"
    out.print(f"Table {shown(table)} at {shown(url)} {what}.", soft_wrap=True)
    for name, shards in use_cases.items():
        codes = ", ".join(f"{code} ({count} shards)" if count > 1 else code for code, count in shards.items())
        out.print(f"  {shown(name)}: status codes {codes}", soft_wrap=True)
    if not complete:
        out.print("It was written by others: `statustrack init --adopt` learns what it holds.", soft_wrap=True)


# --- the demo --------------------------------------------------------------------------------------------------------


class DemoScreen:
    """Tells the demo: redrawn in a terminal, line by line in a pipe."""

    def __init__(self) -> None:
        self.out = console()
        # Not what the console believes: with FORCE_COLOR it would draw over itself in a file.
        self.is_live = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
        utf8 = (self.out.encoding or "").lower().replace("-", "").startswith("utf")
        self.full, self.empty, self.yes, self.no = ("━", "─", "✓", "✗") if utf8 else ("#", "-", "ok", "NO")
        self._live: Live | None = None
        self._next_line = LINE_SECONDS

    def say(self, text: str | Text = "", style: str = "", indent: int = 0, mark: Text | None = None) -> None:
        """One paragraph, its further lines as far in as the first, and perhaps a mark before it."""
        body = Text(text) if isinstance(text, str) else text
        lines = body.wrap(self.out, max(20, self.out.width - indent)) if body else [body]
        for number, line in enumerate(lines):
            line.rstrip()
            first = mark if number == 0 and mark is not None else Text()
            self.out.print(Text.assemble(first, " " * (indent - len(first)), line), style=style, soft_wrap=True)

    def command(self, command: str, style: str = "bold") -> None:
        """Something to type: never broken, so that it can be copied."""
        self.out.print(f"  {shown(command)}", style=style, soft_wrap=True)

    def introduce(self, invoices: int, url: str) -> None:
        """What is about to happen, with invoices that are made."""
        self._introduce(f"{invoices:,} PDF invoices and 3 broken documents", url)

    def introduce_own(self, documents: int, folder: Path, url: str) -> None:
        """The same, with the user's documents."""
        self._introduce(f"{documents:,} PDF document{'s' * (documents != 1)} of {shown(folder)}", url)

    def _introduce(self, what: str, url: str) -> None:
        self.say(f"{what} go through two tracked steps:")
        self.say("  1 Extract  reads text, key-value pairs and line items with pypdf")
        self.say("  2 Answer   answers 12 business questions. A plain function does it here,")
        self.say("             where the call of a large language model would go")
        self.say(f"Tasks are kept at {shown(url)}")
        self.say()

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Something that takes a moment."""
        if self.is_live:
            with self.out.status(Text(text), spinner="line" if self.full == "#" else "dots"):
                yield
        else:
            self.say(text)
            yield

    def begin(self, now: Progress, workers: int, kill: bool, again: str) -> None:
        """Where the run starts from."""
        left = now.total - now.finished
        if left == 0:
            self.say(f"All {now.total:,} were done by an earlier run: nothing is done twice. To start over:")
            self.command(f"{again} --fresh")
            return
        if now.finished:
            self.say(f"{now.finished:,} of {now.total:,} were done by an earlier run: the other {left:,} are left.")
        plan = "One is killed on the way." if kill else ""
        processes = f"{workers} worker processes share" if workers > 1 else "1 worker process takes"
        self.say(f"{processes} them by claims. {plan}".strip())

    @contextmanager
    def live(self) -> Iterator[None]:
        """While the workers are at work."""
        if not self.is_live:
            yield
            return
        with Live(console=self.out, refresh_per_second=10, transient=True) as self._live:
            yield
        self._live = None

    def show(self, event: Event | Progress) -> None:
        """One event, or how things stand."""
        if isinstance(event, Event):
            time = Text(f"{event.seconds:5.1f} s  ", style="dim")
            self.say(shown(event.text), EVENT_STYLES[event.kind], TIME, time)
        elif self._live is not None:
            self._live.update(self._panel(event))
        elif not self.is_live and event.seconds >= self._next_line:
            self._next_line = event.seconds + LINE_SECONDS
            steps = ", ".join(f"{name} {counts['succeeded']:,}" for name, counts in event.steps.items())
            self.out.print(
                f"{event.seconds:5.1f} s  {event.finished:,} of {event.total:,} finished ({steps}), {event.rate:.0f}/s"
            )

    def _panel(self, now: Progress) -> RenderableType:
        speed = f"{now.rate:.0f} per second, {now.seconds:.1f} s" if now.seconds else "the workers are starting"
        line = f"{now.finished:,} of {now.total:,} documents finished, {speed}"
        return Group(Text(), self._table(now, bars=True), Text(), Text(line, style="bold"))

    def _table(self, now: Progress, bars: bool = False) -> Table:
        table = _steps_table()
        if bars:
            table.add_column(no_wrap=True)
        for number, (name, counts) in enumerate(now.steps.items(), start=1):
            row: list[RenderableType] = [f"{number} {name}", *(_count(counts[status], status) for status in COLUMNS)]
            if bars:
                done = round(BAR * (counts["succeeded"] + counts["ignored"]) / max(1, now.total))
                bar = Text(self.full * done, style="green")
                row.append(bar.append(self.empty * (BAR - done), style="dim"))
            table.add_row(*row)
        return table

    def interrupted(self, now: Progress | None, again: str) -> None:
        """Ctrl-C."""
        self.say()
        if now is not None:
            held = sum(counts["in_progress"] for counts in now.steps.values())
            kept = "no task is held any more" if held == 0 else f"{held} are free when their leases end"
            self.say(f"Stopped: {now.finished:,} of {now.total:,} are finished, {kept}. To go on:")
        else:
            self.say("Stopped before it began. To go on:")
        self.command(again)

    def report(self, report: Report, seconds: float, commands: list[tuple[str, str]]) -> None:
        """How it ended: numbers, failures, the killed worker's task, answers, checks, what to try next."""
        self.say()
        if seconds:
            self.say(f"Done in {seconds:.1f} s.", style="bold")
        self.out.print(self._table(report.progress))
        self._failures(report)
        self._story(report)
        self._answers(report.answers)
        self._heading("Checked")
        for check in report.checks:
            mark = Text(f"  {self.yes if check.passed else self.no}", style="green" if check.passed else "bold red")
            self.say(check.text, "" if check.passed else "bold red", 3 + len(self.yes), mark)
            for detail in check.details[:10]:
                self.say(shown(detail), indent=6)
            if len(check.details) > 10:
                self.say(f"and {len(check.details) - 10:,} more", indent=6)
        for note in report.notes:
            self.say(shown(note), indent=4)
        self._heading("Next")
        for command, why in commands:
            self.command(command, "cyan")
            self.say(why, "dim", 6)

    def _heading(self, text: str) -> None:
        self.say()
        self.say(text, style="bold")

    def _failures(self, report: Report) -> None:
        if not report.groups:
            return
        self._heading("Ignored, by reason")
        for group in report.groups:
            count = f"  {group.count:,} x "
            self.say(shown(group.reason), "red", len(count), Text(count))
            names = ", ".join(shown(name) for name in group.task_ids[:3])
            more = f" and {len(group.task_ids) - 3:,} more" if len(group.task_ids) > 3 else ""
            self.say(f"{group.step}: {names}{more}", "dim", 6)

    def _story(self, report: Report) -> None:
        if report.victim is None:
            return
        self._heading(f"The killed worker's task, {shown(report.victim.task_id)}")
        for attempt, step, outcome, worker in report.story:
            style = "red" if outcome == "lost" else "green" if outcome == "succeeded" else ""
            line = Text(f"attempt {attempt}  {step:8} ").append(f"{outcome:10}", style=style)
            self.say(line.append(f"by worker {shown(worker)}", style="dim"), indent=2)

    def _answers(self, answers: list[tuple[str, str]]) -> None:
        if not answers:
            return
        self._heading("Some answers")
        for name, answer in answers:
            self.say(shown(name), indent=2)
            self.say(shown(answer), "dim", 6)


assert set(COLUMNS) == set(STATUS_NAMES)
