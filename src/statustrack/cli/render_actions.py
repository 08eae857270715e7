"""What the commands that change something draw: what is about to happen, how far it is, what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from statustrack.cli.progress import Progress
from statustrack.cli.words import shown

if TYPE_CHECKING:
    from statustrack.tracking.canary import CanaryReport
    from statustrack.tracking.retention import PruneReport

#: Ids shown of many.
SAMPLE = 5
#: Reasons shown for single tasks.
REASONS = 20


def as_json(facts: dict[str, Any]) -> None:
    """For programs."""
    click.echo(json.dumps(facts, indent=2, default=str))


def tasks(count: int) -> str:
    """``1 task``, ``2,000 tasks``."""
    return f"{count:,} task{'s' * (count != 1)}"


class ActionScreen(Progress):
    """Tells an action: redrawn in a terminal, line by line in a pipe; nothing at all where JSON is wanted."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__()
        self.quiet = quiet

    @contextmanager
    def live(self) -> Iterator[None]:
        """While the command works."""
        if self.quiet:
            yield
        else:
            with super().live():
                yield

    def line(self, text: str = "", style: str = "") -> None:
        """One line that stays."""
        if not self.quiet:
            self.say(Text(text, style=style))

    def doing(self, text: str) -> None:
        """How far it is."""
        if not self.quiet:
            self._show(Text(text))

    def sample(self, ids: Sequence[str], left: int = 0) -> None:
        """Some ids of many; ``left`` more are known of."""
        if not ids:
            return
        more = len(ids) - SAMPLE + left
        names = ", ".join(shown(task_id) for task_id in ids[:SAMPLE])
        self.line(f"  {names}{f' and {more:,} more' * (more > 0)}", "dim")

    def reasons(self, what: str, left_out: Sequence[tuple[str, str]]) -> None:
        """Why nothing was done to these."""
        for task_id, why in left_out[:REASONS]:
            self.line(f"{shown(task_id)} was {what}: {shown(why)}.", "yellow")
        if len(left_out) > REASONS:
            self.line(f"and {len(left_out) - REASONS:,} more were {what}.", "yellow")

    def canary(self, report: CanaryReport) -> None:
        """How the sample is doing."""
        parts = [f"{report.succeeded:,} succeeded", f"{report.failed:,} failed", f"{report.waiting:,} not yet"]
        line = f"canary of {report.size:,}: {', '.join(parts)}; {report.needed:,} must succeed"
        if report.passed is None:
            self.doing(f"{line} ({report.seconds:.0f} s)")
        elif report.passed:
            self.line(f"The {line}: passed after {report.seconds:.0f} s.", "green")

    def pruned(self, report: PruneReport, dry_run: bool, by_itself: bool) -> None:
        """What came of a prune; ``by_itself``: the storage can delete them, too."""
        if not (report.expired or report.deleted):
            self.line(f"The retention of none of {tasks(report.read)} has ended: nothing to delete.")
        elif dry_run:
            self.line(f"Would delete {tasks(report.expired)} of {report.read:,}: their retention has ended.")
        else:
            self.line(f"Deleted {tasks(report.deleted)} of {report.read:,}: their retention had ended.")
        if report.kept:
            self.line(f"A step goes on from {tasks(report.kept)}: kept, and no longer marked to expire.")
        if report.changed_meanwhile:
            self.line(f"Changed meanwhile, and kept: {tasks(report.changed_meanwhile)}.")
        if by_itself:
            self.line("Where TTL is on, DynamoDB deletes them by itself, in days: `statustrack doctor` tells.", "dim")
