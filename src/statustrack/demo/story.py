"""What a run of the demo tells while it goes on: events, and how the tasks stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How the tasks stand: for each step the number of tasks per status name.

    ``succeeded`` of step 1 counts also those that are further on, in step 2.
    """

    seconds: float
    total: int
    steps: dict[str, dict[str, int]]
    finished: int
    finished_before: int

    @property
    def passed(self) -> int:
        """Documents that are through step 1, one way or the other."""
        first = next(iter(self.steps.values()))
        return first["succeeded"] + first["ignored"]

    @property
    def rate(self) -> float:
        """Documents finished per second in this run."""
        return (self.finished - self.finished_before) / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Event:
    """Something that happened: ``kind`` is note, killed, taken_over or recovered."""

    seconds: float
    kind: str
    text: str


@dataclass
class Victim:
    """The killed worker and the task that it held; ``stage`` is waiting, taken over or done."""

    worker: str
    pid: int
    step: str
    task_id: str
    attempt: int
    stage: str = "waiting"
