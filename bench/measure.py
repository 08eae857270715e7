"""What every benchmark needs: the disk's speed of this minute, medians, and a child process that reports in JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def fdatasync_ms(count: int = 200) -> float:
    """Median of overwriting 4 KiB and fdatasync, in ms: what one durable commit costs here, now."""
    path = str(folder() / "fdatasync.tmp")
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    took = []
    try:
        os.write(file, b"x" * 4096)
        for number in range(count):
            os.pwrite(file, bytes([number % 256]) * 4096, 0)
            began = time.perf_counter()
            (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(file)
            took.append(time.perf_counter() - began)
    finally:
        os.close(file)
        os.unlink(path)
    return statistics.median(took) * 1000


def folder() -> Path:
    """Where runs work: beside the checkout's other builds, on a real disk (a system's folder for temporary files is
    often in memory)."""
    path = ROOT / "build" / "bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


def child(module: str, *arguments: Any, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run ``python -m module arguments`` in a process and a folder of its own; its last line is JSON."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("STATUSTRACK_", "AWS_"))},
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "PYTHONPYCACHEPREFIX": str(folder() / "bytecode"),
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        **(env or {}),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder()) as place:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=place,
            env=environment,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{module} {arguments} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def cpu_seconds() -> float:
    """User and system time of this process and its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def machine() -> str:
    """One line about the machine: no names."""
    import sqlite3

    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
