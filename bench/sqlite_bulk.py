"""SQLite by the thousand: creating many, listing the failed ones, and work beside many finished tasks.

``python -m bench.sqlite_bulk create THERE COUNT``, ``list TASKS``, ``work TEMPLATE`` or ``fill TASKS FILE``; each
prints JSON. A template is a file that ``fill`` has made, with so many finished tasks in it; work copies it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bench.measure import median
from bench.steps import Status, Step

FAILED = 1000
ERRORS = {"history": [{"nth_retry": 1, "error": "ValueError('no text')", "traceback": "  line of it\n" * 20}]}


def many(count: int, status: Status, name: str) -> Iterator[Any]:
    """Tasks of that status, with data and, where they failed, a traceback."""
    for number in range(count):
        task = Step.make(f"{name}-{number}", {"path": "in/invoice.pdf", "pages": 3}, _status=status.value)
        if status is Status.failed:
            task.errors = ERRORS
        yield task


def create(there: int, count: int) -> dict[str, Any]:
    """``create_many`` with random ids, into a table with so many in it."""
    Step.create_table(wait=True)
    Step.create_many(uuid.uuid4().hex for _ in range(there))
    ids = [uuid.uuid4().hex for _ in range(count)]
    began = time.perf_counter()
    report = Step.create_many(ids)
    took = time.perf_counter() - began
    assert report.created == count
    return {"per_s": count / took}


def fill(tasks: int, file: str) -> dict[str, Any]:
    """A file with so many finished tasks."""
    Step.create_table(wait=True)
    Step.create_many(many(tasks, Status.succeeded, "done"))
    Step._engine_and_table()[0].close()
    shutil.move("statustrack.db", file)
    return {"tasks": tasks}


def listing(tasks: int) -> dict[str, Any]:
    """1,000 failed tasks with all attributes from among so many, beside the same rows read by hand."""
    Step.create_table(wait=True)
    Step.create_many(many(tasks - FAILED, Status.succeeded, "done"))
    Step.create_many(many(FAILED, Status.failed, "bad"))
    database = sqlite3.connect("statustrack.db")
    raw = "SELECT * FROM bench WHERE value = 'bench____030____001' ORDER BY update_time, key"

    def ours() -> None:
        found = Step.query_by_status("failed", auto_refresh=True).all()
        assert len(found) == FAILED and found[0].errors["history"] and found[-1].data

    def by_hand() -> None:
        assert len(database.execute(raw).fetchall()) == FAILED

    return {"ms": median(timed(ours, 15)), "raw_ms": median(timed(by_hand, 15))}


def timed(function: Callable[[], None], times: int) -> list[float]:
    """How long each of some calls takes, in ms; the first is not counted."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        function()
        took.append((time.perf_counter() - began) * 1000)
    return took[1:]


def work(template: str) -> dict[str, Any]:
    """What is done all day, on a copy of the template: create, start to success, look for what waits, count."""
    if template != "-":
        shutil.copy(template, "statustrack.db")
    Step.create_table(wait=True)
    took = {}

    def clock(name: str, function: Callable[[], None]) -> None:
        began = time.perf_counter()
        function()
        took[name] = time.perf_counter() - began

    ids = [uuid.uuid4().hex for _ in range(1500)]

    def lifecycle() -> None:
        for task_id in ids[:800]:
            with Step.start(task_id):
                pass

    def claims() -> None:
        for ctx in Step.claim_many(limit=600):
            with ctx:
                pass

    def looks() -> None:
        for _ in range(100):
            assert len(Step.query_by_status("pending", limit=50).all()) == 50
            Step.count_by_status(["pending", "failed", "in_progress"])
            Step.get(ids[0])

    with Step.start("first", create=True):
        pass
    clock("create", lambda: [Step.create(task_id) for task_id in ids] and None)
    clock("start to success", lifecycle)
    clock("claims in batches", claims)
    clock("looking", looks)
    return took


if __name__ == "__main__":
    kind, *given = sys.argv[1:]
    if kind == "create":
        print(json.dumps(create(int(given[0]), int(given[1]))))
    elif kind == "list":
        print(json.dumps(listing(int(given[0]))))
    elif kind == "fill":
        print(json.dumps(fill(int(given[0]), given[1])))
    else:
        print(json.dumps(work(given[0])))
