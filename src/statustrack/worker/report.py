"""What a worker has done: the numbers that ``run()`` returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass
class Report:
    """What became of the attempts of a worker (with several processes: of all of them together)."""

    claimed: int = 0  #: attempts begun or about to begin
    succeeded: int = 0
    failed: int = 0  #: failed attempts that will be tried again
    ignored: int = 0  #: tasks that failed too often, or were given up
    snoozed: int = 0
    released: int = 0  #: given back, uncounted
    lost: int = 0  #: attempts whose lease was lost: another worker goes on
    unknown: int = 0  #: outcomes that the storage had not confirmed when the lease ended
    rescued: int = 0  #: tasks of dead workers whose leases were over
    timed_out: int = 0  #: attempts that took longer than their handler may (counted as failed or ignored too)
    stuck: int = 0  #: threads that still ran an attempt that had timed out, when the worker ended
    refused: int = 0  #: claims that another worker was quicker with
    requests: int = 0  #: requests to DynamoDB, transactions of SQLite
    replaced: int = 0  #: worker processes that died and were started anew
    seconds: float = 0.0
    stopped_by: str = ""  #: the signal that ended it, if one did

    @property
    def ended(self) -> int:
        """Attempts whose outcome is recorded."""
        return self.succeeded + self.failed + self.ignored + self.snoozed

    @property
    def is_good(self) -> bool:
        """Whether nothing was ignored and no outcome is in doubt. (A task that failed and then succeeded is good.)"""
        return not (self.ignored or self.unknown)

    def add(self, other: Report) -> None:
        """Add what another process has done; the time is that of the longest."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if field.name == "seconds":
                self.seconds = max(mine, theirs)
            elif field.name == "stopped_by":
                self.stopped_by = mine or theirs
            else:
                setattr(self, field.name, mine + theirs)


def merged(reports: Iterable[Report]) -> Report:
    """One report of several."""
    total = Report()
    for report in reports:
        total.add(report)
    return total
