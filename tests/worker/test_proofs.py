"""Workers that are killed, stopped and told to go, on each engine: nothing is lost, nothing is stuck, nothing counts
twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import statustrack as st
from tests.worker.crowd import Crowd, check, prepare
from tests.worker.jobs import steps

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def test_workers_killed_at_random_lose_nothing(engine_url: str, table_name: str) -> None:
    ids = [f"t-{number:04}" for number in range(300)]
    prepare(engine_url, table_name, ids)
    with Crowd(engine_url, table_name, concurrency=4) as crowd:
        crowd.start(2)
        time.sleep(0.7)
        crowd.kill_for(2.5, every=0.5, workers=2)
        crowd.start()
        crowd.wait(60)
    check(engine_url, table_name, ids)


def test_a_task_that_kills_its_process_takes_no_other_to_ignored(engine_url: str, table_name: str) -> None:
    ids = ["killer-1", *(f"t-{number:03}" for number in range(60))]
    prepare(engine_url, table_name, ids)
    with Crowd(engine_url, table_name, processes=2, concurrency=4) as crowd:
        crowd.start()
        crowd.wait(90)
    assert crowd.reports[0]["replaced"] >= 3
    outcomes = check(engine_url, table_name, ids, ignored=("killer-1",))
    assert outcomes["lost"] >= 3


def test_a_worker_stopped_beyond_its_lease_changes_nothing(engine_url: str, table_name: str) -> None:
    prepare(engine_url, table_name, ["held-1"])
    with Crowd(engine_url, table_name) as crowd:
        frozen = crowd.start()
        assert frozen.stdout is not None
        while frozen.stdout.readline().strip() != "held":
            assert frozen.poll() is None
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            crowd.start().communicate(timeout=60)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        out, _ = frozen.communicate(timeout=60)
        assert frozen.returncode == 0, crowd.said()
        assert '"lost": 1' in out
    with st.use_engine(engine_url):
        task = steps(table_name)[1].get("held-1")
    assert task.is_succeeded()
    assert task.data == {"one": 2, "two": 3}
    assert [(each.attempt, each.outcome) for each in task.attempts] == [(1, "lost"), (2, "succeeded"), (3, "succeeded")]
    (late,) = task.late_results
    assert (late["attempt"], late["outcome"]) == (1, "succeeded")


def test_sigterm_in_the_middle_leaves_nothing_in_progress(engine_url: str, table_name: str) -> None:
    ids = [f"slow-{number:02}" for number in range(40)]
    prepare(engine_url, table_name, ids)
    with Crowd(engine_url, table_name, concurrency=4, processes=2, grace_seconds=0.1) as crowd:
        worker = crowd.start()
        first, second = steps(table_name)
        with st.use_engine(engine_url):
            until = time.monotonic() + 30
            while first.count_by_status("in_progress")["in_progress"] < 4 and time.monotonic() < until:
                time.sleep(0.05)
            worker.send_signal(signal.SIGTERM)
            out, _ = worker.communicate(timeout=30)
            assert worker.returncode == 0, crowd.said()
            report = json.loads(out.splitlines()[-1].partition(" ")[2])
            assert report["stopped_by"] == "SIGTERM"
            for each in (first, second):
                counts = each.count_by_status()
                assert (counts["in_progress"], counts["failed"], counts["ignored"]) == (0, 0, 0)
            for task in first.query_by_status("pending", auto_refresh=True):
                assert task.retry == 0
                assert {each.outcome for each in task.attempts} <= {"released"}


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs a small file system of its own")
def test_a_full_disk_is_waited_out(tmp_path: Path, table_name: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    try:
        url = f"sqlite:///{(disk / 'tasks.db').as_posix()}"
        ids = [f"slow-{number:02}" for number in range(20)]
        prepare(url, table_name, ids)
        with Crowd(url, table_name, concurrency=4) as crowd:
            crowd.start()
            time.sleep(1.0)
            ballast = disk / "ballast"
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 1024)
                except OSError:
                    pass
            time.sleep(1.5)
            ballast.unlink()
            crowd.wait(60)
        check(url, table_name, ids)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
