"""Many threads and processes on one file: nothing is lost, nobody starves, kill and fork do no harm."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from statustrack.engines.protocol import Applied, Unknown
from statustrack.engines.sqlite.engine import SqliteEngine
from statustrack.engines.sqlite.lock import Patience, WriteLock
from tests.engines.sqlite.rows import (
    TABLE,
    add_for,
    add_many,
    add_one,
    apply_one,
    create,
    create_for_ever,
    engine_at,
    with_sqlite,
)

spawn = multiprocessing.get_context("spawn")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def test_threads_add_up(engine: SqliteEngine) -> None:
    apply_one(engine, create("a"))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(100):
                assert isinstance(apply_one(engine, add_one("a")), Applied)
                assert engine.get(TABLE, ["a"])["a"]["attempt"] > 0
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 800
    assert len(engine._pool._all) <= 8


def test_the_queue_of_threads_is_in_order(path: Path) -> None:
    queue, order, patience = WriteLock(str(path)), [], Patience(10)
    assert queue.acquire(patience)

    def work(number: int) -> None:
        assert queue.acquire(Patience(10))
        order.append(number)
        queue.release()

    threads = []
    for number in range(10):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        while len(queue._waiting) <= number:
            time.sleep(0.001)
    assert not queue.acquire(Patience(0.02))  # no patience left, no turn, and the queue goes on
    queue.release()
    for each in threads:
        each.join()
    assert order == list(range(10))
    assert queue.acquire(patience)


def test_processes_add_up(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    answers = spawn.Queue()
    children = [spawn.Process(target=add_many, args=(str(path), "a", 150, answers)) for _ in range(4)]
    for each in children:
        each.start()
    for each in children:
        each.join()
        assert each.exitcode == 0
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 600


def test_no_process_starves(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    answers, begin = spawn.Queue(), spawn.Event()
    children = [spawn.Process(target=add_for, args=(str(path), "a", 2.0, begin, answers)) for _ in range(4)]
    for each in children:
        each.start()
    time.sleep(1)
    begin.set()
    results = [answers.get(timeout=60) for _ in children]
    for each in children:
        each.join()
        assert each.exitcode == 0
    counts = sorted(count for count, _ in results)
    # Wide bounds, for a machine that is busy with other things; the bench measures the narrow ones.
    assert counts[0] * 4 > counts[-1], results
    assert max(slowest for _, slowest in results) < 1.5, results
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == sum(counts)


@needs_fork
def test_killed_in_the_middle_of_writing(engine: SqliteEngine, path: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for round_ in range(4):
        children = [spawn.Process(target=create_for_ever, args=(str(path), str(notes))) for _ in range(2)]
        for each in children:
            each.start()
        before = notes.stat().st_size if notes.exists() else 0
        until = time.monotonic() + 60
        while (notes.stat().st_size if notes.exists() else 0) < before + 300 and time.monotonic() < until:
            time.sleep(0.003 * (round_ + 1))
        for each in children:
            each.kill()
            each.join()
        acknowledged = notes.read_text().split()
        assert len(acknowledged) > 20
        # Who was killed holds nothing: the next write does not wait.
        began = time.perf_counter()
        assert isinstance(apply_one(engine, create(f"after {round_}")), Applied)
        assert time.perf_counter() - began < 2
        assert len(engine.get(TABLE, acknowledged)) == len(set(acknowledged))
    assert with_sqlite(path, "PRAGMA integrity_check") == [("ok",)]
    # A batch is there as a whole or not at all.
    assert sum(1 for row in engine.scan(TABLE) if not row["key"].startswith("after")) % 7 == 0


@needs_fork
def test_a_suspended_writer_stops_nobody_for_ever(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    answers, begin = spawn.Queue(), spawn.Event()
    child = spawn.Process(target=add_for, args=(str(path), "a", 60.0, begin, answers))
    child.start()
    begin.set()
    while engine.get(TABLE, ["a"])["a"]["attempt"] < 10:
        time.sleep(0.01)
    engine._pool.patience_seconds = 0.3
    try:
        for _ in range(3):
            os.kill(child.pid or 0, signal.SIGSTOP)  # perhaps inside its transaction, perhaps holding our lock
            began = time.perf_counter()
            outcome = apply_one(engine, add_one("a"))
            assert isinstance(outcome, (Applied, Unknown))
            assert time.perf_counter() - began < 8
            os.kill(child.pid or 0, signal.SIGCONT)
            time.sleep(0.05)
        engine._pool.patience_seconds = 10
        assert isinstance(apply_one(engine, add_one("a")), Applied)
    finally:
        child.kill()
        child.join()
        answers.close()


@needs_fork
def test_a_lock_that_is_never_given_back(engine: SqliteEngine, path: Path) -> None:
    import fcntl

    apply_one(engine, create("a"))
    lock = engine._pool.lock.file

    def seconds_of_a_write() -> float:
        began = time.perf_counter()
        assert isinstance(apply_one(engine, add_one("a")), Applied)
        return time.perf_counter() - began

    with open(path.with_name("tasks.db-lock")) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert 1.5 < seconds_of_a_write() < 10  # waited for it, and went on without
        assert seconds_of_a_write() < 1.5  # in doubt only a moment
        timer = threading.Timer(0.005, fcntl.flock, (holder, fcntl.LOCK_UN))
        timer.start()
        for _ in range(50):
            assert seconds_of_a_write() < 1.5
        timer.join()
        assert seconds_of_a_write() < 1.5
        assert lock._held is False and lock._asked is False
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has kept it
        engine.close()
        fcntl.flock(holder, fcntl.LOCK_UN)
    assert lock._thread is None
    assert seconds_of_a_write() < 1.5


@needs_fork
def test_a_fork_after_a_wait_finds_no_thread(engine: SqliteEngine, path: Path) -> None:
    import fcntl

    apply_one(engine, create("a"))
    with open(path.with_name("tasks.db-lock")) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        timer = threading.Timer(0.1, fcntl.flock, (holder, fcntl.LOCK_UN))
        timer.start()
        assert isinstance(apply_one(engine, add_one("a")), Applied)
        timer.join()
    assert engine._pool.lock.file._thread is not None
    assert in_child(lambda: isinstance(apply_one(engine, add_one("a")), Applied)) == 0  # warnings are errors here
    assert engine._pool.lock.file._thread is None
    assert isinstance(apply_one(engine, add_one("a")), Applied)


def in_child(work: Any) -> int:
    """The exit code of a forked child that does this; -9 when it hangs."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(2)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -9


@needs_fork
def test_fork_and_use_in_both(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    for _ in range(5):
        assert in_child(lambda: isinstance(apply_one(engine, add_one("a")), Applied)) == 0
        assert isinstance(apply_one(engine, add_one("a")), Applied)
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 10
    assert with_sqlite(path, "PRAGMA integrity_check") == [("ok",)]


@needs_fork
def test_a_child_has_locks_of_its_own(engine: SqliteEngine, path: Path) -> None:
    """SQLite would take the parent's for its own; then the parent's last close removes the log that the child uses."""
    apply_one(engine, create("a"))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        apply_one(engine, add_one("a"))
        os.write(writing, b"x")
        time.sleep(0.5)
        os._exit(0 if isinstance(apply_one(engine, add_one("a")), Applied) else 1)
    assert os.read(reading, 1) == b"x"
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 1
    engine.close()
    assert with_sqlite(path, "SELECT 1 FROM tasks")  # another program, which closes too
    assert path.with_name("tasks.db-wal").exists()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(reading)
    os.close(writing)
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 2


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_other_threads_write(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    stop = threading.Event()
    counts = [0, 0, 0]

    def work(number: int) -> None:
        while not stop.is_set():
            assert isinstance(apply_one(engine, add_one("a")), Applied)
            engine.get(TABLE, ["a"])
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    try:
        codes = [in_child(lambda: isinstance(apply_one(engine, add_one("a")), Applied)) for _ in range(25)]
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert codes == [0] * 25
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == sum(counts) + 25
    assert with_sqlite(path, "PRAGMA integrity_check") == [("ok",)]


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_a_thread_has_the_turn(engine: SqliteEngine) -> None:
    apply_one(engine, create("a"))
    inside, go_on = threading.Event(), threading.Event()

    def work() -> None:
        engine._pool.begin_turn()
        inside.set()
        go_on.wait(20)
        engine._pool.lock.release()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    timer = threading.Timer(0.3, go_on.set)  # the child waits for its parent as for any other process
    timer.start()
    assert in_child(lambda: isinstance(apply_one(engine, add_one("a")), Applied)) == 0
    thread.join()
    timer.join()


@needs_fork
def test_a_child_holds_nothing_of_a_dead_parent(engine: SqliteEngine, path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from tests.engines.sqlite.rows import *\n"
        f"engine = engine_at({str(path)!r})\n"
        "engine._pool.begin_turn()\n"
        "if os.fork() == 0: time.sleep(5); os._exit(0)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3], env=_environment())
    began = time.perf_counter()
    assert isinstance(apply_one(engine, create("a")), Applied)
    assert time.perf_counter() - began < 1.5  # after 2 s it would go on without the lock


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}


@needs_fork
def test_no_warning_when_python_ends(path: Path) -> None:
    program = (
        "import os, sys, threading\n"
        "from tests.engines.sqlite.rows import *\n"
        f"engine = engine_at({str(path)!r})\n"
        "assert isinstance(apply_one(engine, create('a')), Applied)\n"
        "list(engine.scan(TABLE))\n"
        "child = os.fork()\n"
        "apply_one(engine, add_one('a'))\n"
        "if child: os.waitpid(child, 0)\n"
        "else: del engine\n"  # ends like a normal program, with the parent's connections inherited
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env=_environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert with_sqlite(path, "SELECT attempt FROM tasks") == [(2,)]


def test_an_engine_that_is_forgotten_closes_its_files(path: Path) -> None:
    engine = engine_at(path)
    apply_one(engine, create("a"))
    raw = engine._pool._idle[0].raw
    del engine
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


@needs_fork
def test_the_lock_file_may_go_away(engine: SqliteEngine, path: Path) -> None:
    lock = path.with_name("tasks.db-lock")
    apply_one(engine, create("a"))
    lock.unlink()
    other = engine_at(path)
    for _ in range(150):
        assert isinstance(apply_one(engine, add_one("a")), Applied)
        assert isinstance(apply_one(other, add_one("a")), Applied)
    assert lock.exists()
    assert os.fstat(engine._pool.lock.file._file).st_ino == lock.stat().st_ino
    other.close()
    engine.close()
    lock.unlink()
    lock.mkdir()  # it cannot be opened: the work goes on without it
    assert isinstance(apply_one(engine, add_one("a")), Applied)
    assert engine.get(TABLE, ["a"])["a"]["attempt"] == 301
