"""How long the commands take on a SQLite table of 1,000,000 tasks, from start to finish of the process.

``python -m bench.cli_million [FOLDER]``: the table is made once (half a minute) and kept in the folder.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import statustrack as st
from statustrack.core import times
from statustrack.core.record import ATTRIBUTES
from statustrack.engines.registry import sqlite_url

TASKS = 1_000_000
TABLE = "jobs"
RUNS = 9
COMMANDS = (
    ("--help",),
    ("status",),
    ("status", "--exact"),
    ("status", "--pace"),
    ("list",),
    ("list", "--status", "failed", "--group", "feedfeedfeed"),
    ("list", "--prefix", "t-0999"),
    ("show", "t-0999999"),
    ("explain", "t-0999999"),
    ("failures",),
    ("doctor",),
)


class Task(st.BaseTask):
    class Meta:
        table_name = TABLE

    config = st.TrackerConfig.make("job", 10, 20, 30, 40, 50)


#: Of each 1,000 tasks so many are in a status.
SHARES = {40: 690, 10: 200, 30: 70, 50: 39, 20: 1}


def rows() -> Iterator[dict[str, Any]]:
    """A task each; the later ones were written later."""
    plan = [code for code, share in SHARES.items() for _ in range(share)]
    began = time.time_ns() // 1000 - TASKS * 50_000
    names = {30: "failed", 40: "succeeded", 50: "ignored"}
    for number in range(TASKS):
        code = plan[number * 7919 % 1000]
        key, at = f"job____t-{number:07d}", began + number * 50_000
        text = times.to_text(at)
        row: dict[str, Any] = {
            "key": key, "value": Task.config.value(key, code), "status": code, "create_time": text,
            "update_time": text, "retry": 0, "lock": "__not_locked__", "lock_time": times.EPOCH_TEXT,
            "data": '{"path": "s3://bucket/in/' + "x" * 80 + '"}', "errors": '{"history":[]}', "attempt": 0,
            "create_id": "c",
        }  # fmt: skip
        if code in names:
            start = at - 1_000_000 - number % 500 * 1000
            entry = [1, "abcdef01", 20, names[code], start // 1000, (at - start) // 1000, "host:1:abcdef01"]
            row.update(attempt=1, start_time=times.to_text(start), attempts=json.dumps([entry]))
        if code in (30, 50):
            kind = ("ValueError", "KeyError", "TimeoutError")[number % 3]
            error = {"attempt": 1, "status": 30, "error": f"{kind}('no {number}')", "traceback": "T" * 600}
            row.update(retry=1, error_group=f"{number % 3}" * 12, error_summary=f"{kind}: no {number}")
            row.update(errors=json.dumps({"history": [error]}))
        if code == 20:
            lease = at // 1000 + 300_000
            row.update(lock="0" * 32, lease_until=lease, start_time=text, worker="host:1:abcdef01", attempt=1)
        yield row


def make(path: Path) -> None:
    """The table, written with plain SQL."""
    with st.use_engine(sqlite_url(str(path))):
        Task.create_table(wait=True)
        Task.create("first")
    names = list(ATTRIBUTES)
    with sqlite3.connect(path) as raw:
        raw.executemany(
            f"INSERT INTO {TABLE} ({', '.join(f'`{name}`' for name in names)}) VALUES ({', '.join('?' * len(names))})",
            ([row.get(name) for name in names] for row in rows()),
        )
        raw.execute("DELETE FROM jobs WHERE key = 'job____first'")
    raw.close()


def main(folder: str | None = None) -> None:
    """Make the table where it is missing, then time each command."""
    place = Path(folder or tempfile.mkdtemp(prefix="million-"))
    path = place / "million.db"
    if not path.exists():
        print(f"making {path}")
        make(path)
    print(f"{path.stat().st_size / 1e6:,.0f} MB; whole process, {RUNS} runs: median and worst time, median of its CPU")
    for command in COMMANDS:
        place_of = () if command == ("--help",) else ("--engine", sqlite_url(str(path)))
        taken, busy = [], []
        for _ in range(RUNS):
            before, cpu = time.perf_counter(), _cpu()
            subprocess.run([sys.executable, "-m", "statustrack", *command, *place_of], capture_output=True, text=True)
            taken.append((time.perf_counter() - before) * 1000)
            busy.append((_cpu() - cpu) * 1000)
        print(f"{median(taken):5.0f} ms {max(taken):5.0f} ms {median(busy):5.0f} ms  statustrack {' '.join(command)}")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:2])
