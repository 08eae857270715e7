"""The run of the demo: tasks are made, workers share them, one is killed; told as a stream of events."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statustrack.core import times
from statustrack.core.errors import ConfigError
from statustrack.core.status import STATUS_NAMES
from statustrack.demo.crew import Crew
from statustrack.demo.inbox import Inbox
from statustrack.demo.steps import Answer, Extract, steps_of
from statustrack.demo.story import Event, Progress, Victim
from statustrack.tracking.location import engine_for, use_engine

#: How often the table is looked at: in a file; over a network; and in a file while a worker is to be caught in the act.
LOOK_SECONDS = 0.1
FAR_LOOK_SECONDS = 0.5
AIM_SECONDS = 0.005
#: The worker is killed when this part of the documents is through step 1.
KILL_AT = 0.3


class Run:
    """One run over an inbox, on the engine of a URL."""

    def __init__(self, inbox: Inbox, url: str, log: Path, workers: int, kill: bool) -> None:
        self.inbox = inbox
        self.url = url
        self.workers = workers
        self.kill = kill
        self.log = log
        self.extract: type[Extract]
        self.answer: type[Answer]
        self.extract, self.answer = steps_of(inbox.use_case_id)
        use_engine(url)
        self.engine = engine_for(Extract)
        self.total = len(inbox.task_ids)
        self.seconds = 0.0  #: that the workers took
        self.victim: Victim | None = None
        self.worked = False  #: whether there was anything to do
        self._killed: set[int] = set()
        self._before = 0
        self._began = 0.0

    # --- before ------------------------------------------------------------------------------------------------------

    def prepare(self, fresh: bool) -> Progress:
        """Make the table and the tasks; those that are there stay as they are.

        :param fresh: remove what earlier runs left of these documents' tasks.
        :raises ConfigError: the table holds tasks of other documents.
        """
        self.extract.create_table(wait=True)
        there = 0
        if fresh:
            self.extract.delete_tasks_by_use_case_id(force=True)
        else:
            there = sum(sum(counts.values()) for counts in self._counts())
        made = self.extract.create_many((name, self._data(name)) for name in self.inbox.task_ids)
        if not fresh and there > made.existing:
            raise ConfigError(
                f"the table holds {there - made.existing} tasks of documents that are not in this run (another "
                "--invoices, or files that are gone). Add --fresh to forget them and start over."
            )
        return self.look()

    def _data(self, task_id: str) -> dict[str, Any]:
        path = (self.inbox.folder / task_id).absolute()
        return {"path": str(path), "as_of": self.inbox.as_of.isoformat()}

    def _counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Step 1 and step 2, each task once: one that waits for step 2 counts there."""
        first, second = self.extract.count_by_status(), self.answer.count_by_status()
        first["succeeded"] = 0
        return first, second

    def look(self) -> Progress:
        """How the tasks stand now."""
        first, second = self._counts()
        first["succeeded"] = sum(second.values())
        finished = first["ignored"] + second["ignored"] + second["succeeded"]
        steps = {
            self.extract.__name__: {name: first[name] for name in STATUS_NAMES},
            self.answer.__name__: {name: second[name] for name in STATUS_NAMES},
        }
        return Progress(self._clock(), self.total, steps, finished, self._before)

    def _clock(self) -> float:
        return time.monotonic() - self._began if self._began else self.seconds

    # --- during ------------------------------------------------------------------------------------------------------

    def events(self) -> Generator[Event | Progress, None, None]:
        """Run the workers to the end. Leaving the iteration early (also by Ctrl-C) stops them: what they hold is
        finished or given back."""
        now = self.look()
        if now.finished >= self.total:
            return
        self._before, self.worked = now.finished, True
        # The last step first: what is nearly done comes before what is not begun.
        with _sigterm_as_ctrl_c(), Crew((self.answer, self.extract), self.workers, self.log) as crew:
            yield self.look()
            crew.start()
            self._began = time.monotonic()
            pids = ", ".join(map(str, crew.pids))
            yield self._event("note", f"{self.workers} worker process{'es' * (self.workers > 1)} at work: {pids}")
            try:
                yield from self._until_done(crew)
            finally:
                self.seconds, self._began = self._clock(), 0.0

    def _until_done(self, crew: Crew) -> Iterator[Event | Progress]:
        near = not self.engine.parallel_reads
        pause = LOOK_SECONDS if near else FAR_LOOK_SECONDS
        next_look = 0.0
        while not crew.is_done:
            aiming = self.kill and self.victim is None
            quick = aiming and near
            due = self._clock() >= next_look
            if due or quick:
                now = self.look()
                if due:
                    next_look = self._clock() + pause
                    yield now
                    yield from self._follow()
                if aiming and now.passed >= KILL_AT * self.total:
                    yield from self._kill(crew)
            came, went = crew.changes()
            for new, old in zip(came, went, strict=False):
                how = "the killed one" if old in self._killed else f"{old}, which died"
                yield self._event("note", f"worker {new} takes the place of {how}")
            time.sleep(AIM_SECONDS if quick else LOOK_SECONDS / 4)
        crew.changes()
        yield self.look()
        yield from self._follow()

    def _kill(self, crew: Crew) -> Iterator[Event]:
        killed = crew.kill_one_that(self._held_by)
        if killed is None:
            return
        pid, (step, task) = killed
        self._killed.add(pid)
        after = step.get_one_or_none(task.task_id, consistent_read=True)
        if after is None or (after.worker, after.attempt) != (task.worker, task.attempt) or not after.is_in_progress():
            yield self._event("note", f"worker {pid} is killed too late, it had ended its task: once more")
            return
        self.victim = Victim(str(task.worker), pid, step.__name__, task.task_id, task.attempt)
        yield self._event("killed", f"worker {pid} is killed (SIGKILL) holding {task.task_id}, attempt {task.attempt}")
        if after.lease_until is not None:
            left = (after.lease_until - times.micros_to_datetime(self.engine.now())).total_seconds()
            yield self._event("note", f"its lease ends in {max(0.0, left):.1f} s: then another worker may take it")

    def _held_by(self, pid: int) -> tuple[Any, Any] | None:
        for step in (self.extract, self.answer):
            for task in step.query_by_status("in_progress"):
                if pid_of(str(task.worker)) == str(pid) and task.task_id not in self.inbox.broken:
                    return step, task
        return None

    def _follow(self) -> Iterator[Event]:
        """What has become of the killed worker's task since the last look."""
        victim = self.victim
        if victim is None or victim.stage == "done":
            return
        task = self.extract.get_one_or_none(victim.task_id, consistent_read=True)
        if task is None:
            return
        later = [entry for entry in task.attempts if entry.attempt > victim.attempt]
        lost = any(entry.attempt == victim.attempt and entry.outcome == "lost" for entry in task.attempts)
        if lost and victim.stage == "waiting" and task.attempt > victim.attempt:
            victim.stage = "taken over"
            by, now = (later[0].worker, later[0].attempt) if later else (str(task.worker), task.attempt)
            yield self._event(
                "taken_over",
                f"worker {pid_of(by)} takes {victim.task_id} over, attempt {now}",
            )
        if victim.stage == "taken over" and later:
            victim.stage = "done"
            yield self._event(
                "recovered",
                f"{victim.task_id}: attempt {victim.attempt} lost, attempt {later[0].attempt} {later[0].outcome}",
            )

    def _event(self, kind: str, text: str) -> Event:
        return Event(self._clock(), kind, text)


def pid_of(worker: str) -> str:
    """The process id in a worker's name (host:pid:digits)."""
    parts = worker.split(":")
    return parts[1] if len(parts) == 3 else worker


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """So that `kill` leaves no worker behind either."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
