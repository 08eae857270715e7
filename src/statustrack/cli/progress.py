"""What ``run`` and ``add`` show while they work: redrawn in a terminal, line by line elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from statustrack.cli.sheet import console
from statustrack.cli.words import shown

if TYPE_CHECKING:
    from statustrack.tracking.bulk import CreateReport
    from statustrack.worker.report import Report

LINE_SECONDS = 5.0
_COUNTS = (
    ("succeeded", "green"), ("failed", "yellow"), ("ignored", "red"), ("snoozed", ""), ("released", ""),
    ("lost", "red"), ("unknown", "red"), ("rescued", "yellow"), ("replaced", "yellow"), ("stuck", "red"),
)  # fmt: skip


class _Above(logging.Handler):
    """Shows warnings above the line that is redrawn: written past it, they would run into it."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(Text(shown(record.getMessage()), style="yellow"))


class Progress:
    """One line that tells how far a command is."""

    def __init__(self) -> None:
        self.out = console()
        # Not what the console believes: with FORCE_COLOR it would draw over itself in a file.
        self.is_live = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
        self._live: Live | None = None
        self._next_line = monotonic() + LINE_SECONDS

    def say(self, line: str | Text) -> None:
        """One line that stays."""
        self.out.print(line, soft_wrap=not self.is_live)

    @contextmanager
    def live(self) -> Iterator[None]:
        """While the command works."""
        if not self.is_live:
            yield
            return
        log, handler = logging.getLogger("statustrack"), _Above(self)
        log.addHandler(handler)
        try:
            with Live(console=self.out, refresh_per_second=4, transient=True) as self._live:
                yield
        finally:
            log.removeHandler(handler)
            self._live = None

    def _show(self, line: Text) -> None:
        if self._live is not None:
            self._live.update(line)
        elif monotonic() >= self._next_line:
            self._next_line = monotonic() + LINE_SECONDS
            self.say(line)

    # --- run ---------------------------------------------------------------------------------------------------------

    def working(self, report: Report) -> None:
        """How things stand."""
        rate = report.ended / report.seconds if report.seconds else 0.0
        line = Text(f"{report.seconds:6.1f} s  ").append(_counts(report))
        self._show(line.append(f"  {rate:,.0f}/s", style="dim"))

    def worked(self, report: Report) -> None:
        """How it ended."""
        rate = report.ended / report.seconds if report.seconds else 0.0
        why = f" by {report.stopped_by}" if report.stopped_by else ""
        line = Text(f"Stopped{why}: " if why else "Done: ", style="bold").append(_counts(report))
        self.say(line.append(f" in {report.seconds:.1f} s ({rate:,.0f}/s, {report.requests:,} requests)", style="dim"))

    # --- add ---------------------------------------------------------------------------------------------------------

    def adding(self, lines: int) -> None:
        """How many lines have been read."""
        self._show(Text(f"{lines:,} lines read"))

    def added(self, step: str, report: CreateReport) -> None:
        """What came of it."""
        existing = f", {report.existing:,} existed already and were left as they are" if report.existing else ""
        self.say(f"{report.created:,} tasks created for {shown(step)}{existing}.")


def _counts(report: Report) -> Text:
    line = Text()
    for name, style in _COUNTS:
        number = getattr(report, name)
        if number or name == "succeeded":
            line.append(f"{', ' if line else ''}{number:,} {name}", style=style)
    return line
