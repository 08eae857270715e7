"""Real worker processes that are killed, stopped and replaced; and what must hold of the tasks afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import statustrack as st
from tests.worker.jobs import TABLE_VARIABLE, steps
from tests.worker.member import REPORT

ROOT = Path(__file__).parents[2]


class Crowd:
    """Workers on one table; use it in a ``with``: none is left behind."""

    def __init__(self, url: str, table: str, **options: Any) -> None:
        self.url, self.table, self.options = url, table, options
        self.workers: list[subprocess.Popen[str]] = []
        self.killed = 0
        self.reports: list[dict[str, Any]] = []
        # A file: a pipe that nobody reads yet stops its writer after 64 KB, task in hand.
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the crowd

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self._log.close()

    def said(self) -> str:
        """What the workers have logged."""
        self._log.seek(0)
        return self._log.read()

    def start(self, count: int = 1) -> subprocess.Popen[str]:
        """Start so many more; the last one of all."""
        for _ in range(count):
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.worker.member", json.dumps(self.options)],
                    env={**os.environ, "STATUSTRACK_ENGINE": self.url, TABLE_VARIABLE: self.table},
                    cwd=ROOT,
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=self._log,
                )
            )
        return self.workers[-1]

    def kill_one(self) -> bool:
        """SIGKILL for a random one that lives."""
        living = [worker for worker in self.workers if worker.poll() is None]
        if not living:
            return False
        victim = random.choice(living)
        victim.kill()
        victim.communicate()
        self.workers.remove(victim)
        self.killed += victim.returncode == -signal.SIGKILL
        return True

    def bury(self) -> None:
        """Forget those that were killed, by whomever."""
        for worker in list(self.workers):
            if worker.poll() == -signal.SIGKILL:
                worker.communicate()
                self.workers.remove(worker)
                self.killed += 1

    def wait(self, seconds: float) -> None:
        """Until all have ended by themselves."""
        for worker in self.workers:
            out, _ = worker.communicate(timeout=seconds)
            assert worker.returncode == 0, self.said()
            self.reports += [json.loads(line[len(REPORT) :]) for line in out.splitlines() if line.startswith(REPORT)]
        self.workers = []

    def kill_for(self, seconds: float, every: float, workers: int) -> None:
        """Kill a random worker every so often, and replace it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(every * (0.5 + random.random()))
            self.bury()
            self.kill_one()
            self.start(max(0, workers - len(self.workers)))


def prepare(url: str, table: str, ids: list[str]) -> None:
    """A table with these tasks."""
    with st.use_engine(url):
        first, _ = steps(table)
        first.create_table(wait=True)
        report = first.create_many(ids)
        assert report.created == len(ids)


def check(url: str, table: str, ids: list[str], ignored: tuple[str, ...] = ()) -> Counter[str]:
    """Every task has ended, each outcome belongs to exactly one attempt; how attempts ended, counted."""
    outcomes: Counter[str] = Counter()
    with st.use_engine(url) as engine:
        first, second = steps(table)
        assert second.count_by_status(["pending", "in_progress", "failed"]) == {
            "pending": 0, "in_progress": 0, "failed": 0,
        }  # fmt: skip
        assert first.count_by_status(["pending", "in_progress", "failed"]) == {
            "pending": 0, "in_progress": 0, "failed": 0,
        }  # fmt: skip
        rows = engine.get(table, [first.make_key(each) for each in ids])
        assert len(rows) == len(ids)
        for row in rows.values():
            task = second._from_row(row, engine, table)
            ended = task.attempts
            outcomes.update(each.outcome for each in ended)
            assert len({each.token for each in ended}) == len(ended)
            assert [each.attempt for each in ended] == sorted({each.attempt for each in ended})
            wins = [(each.status, each.attempt) for each in ended if each.outcome == "succeeded"]
            if task.task_id in ignored:
                assert task.status == first.config.ignored_status, task
                continue
            assert task.is_succeeded(), (task, ended)
            assert [status for status, _ in wins] == [20, 60], (task, ended)
            assert task.data == {"one": wins[0][1], "two": wins[1][1]}, (task, ended)
    return outcomes
