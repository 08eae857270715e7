"""Without fork, flock, uname or POSIX signals, as on Windows: the package imports, and a job goes from end to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: The standard library is loaded as it is here; then what Windows lacks is taken away, and ours is loaded.
WITHOUT = """
import asyncio, concurrent.futures.thread, email.utils, hashlib, logging, multiprocessing.connection
import multiprocessing.spawn, os, platform, queue, selectors, shutil, signal, socket, sqlite3, subprocess
import sys, tempfile, threading, time, traceback, urllib.parse, uuid, zlib
import botocore.session, click, rich.console, rich.live, rich.progress, rich.table
sys.platform, os.name = "win32", os.name
sys.modules["fcntl"] = None
for name in ("fork", "register_at_fork", "uname", "getuid", "killpg", "getpgid", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGSTOP", "SIGCONT", "SIGKILL", "SIGUSR1", "SIGHUP", "SIG_BLOCK", "SIG_UNBLOCK", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in [name for name in dir(time) if name.startswith("CLOCK_")]:
    delattr(time, name)
if hasattr(time, "clock_gettime_ns"):
    del time.clock_gettime_ns
"""
JOB = """
import statustrack as st
from statustrack.engines.clock import SystemClock

class Step(st.BaseTask):
    config = st.TrackerConfig.make("job", 10, 20, 30, 40, 50)

@Step.handler
def work(ctx):
    return {"n": ctx.data["n"] + 1}

Step.create_table()
st.release_on_sigterm()
Step.create_many((f"t-{n}", {"n": n}) for n in range(30))
with Step.start("t-0") as ctx:
    ctx.also(sql=["CREATE TABLE mine (id TEXT)", "INSERT INTO mine VALUES ('t-0')"])
    ctx.update()

async def twin():
    async with Step.start("t-1") as ctx:
        ctx.set_data({"n": 0})

asyncio.run(twin())

def some():
    for ctx in Step.claim_many(limit=5):
        with ctx:
            ctx.set_data({})

threads = [threading.Thread(target=some) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
report = st.Worker(Step).run(until_idle=True)
assert report.succeeded == 18, report
assert Step.count_by_status()["succeeded"] == 30
assert Step.get("t-0").worker.count(":") == 2
assert SystemClock().boot() <= SystemClock().boot()
"""
OTHERS = "import statustrack.cli.app, statustrack.demo.run, statustrack.testing, statustrack.worker.swarm"


@pytest.mark.parametrize("code", [JOB, OTHERS], ids=["a job", "all other modules"])
def test_it_works_where_there_is_neither_fork_nor_flock(tmp_path: Path, code: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STATUSTRACK_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT + code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
