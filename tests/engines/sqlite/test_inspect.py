"""What is found wrong with a SQLite file and a table in it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from statustrack.engines.protocol import Finding
from statustrack.engines.sqlite import inspect
from statustrack.engines.sqlite.engine import SqliteEngine
from tests.engines.sqlite.rows import engine_at

INDEX = "tasks_status_and_update_time"


def found(engine: SqliteEngine) -> dict[str, Finding]:
    return {finding.topic: finding for finding in engine.inspect("tasks")}


def change(path: Path, *statements: str) -> None:
    """By another program."""
    with sqlite3.connect(path, isolation_level=None) as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


def test_a_missing_index_is_a_fault_that_its_remedy_mends(engine: SqliteEngine, path: Path) -> None:
    change(path, f"DROP INDEX {INDEX}")
    index = found(engine)["index"]
    assert (index.state, "is missing" in index.says) == ("bad", True)
    change(path, *index.fix.split("; "))
    assert found(engine)["index"].state == "good"


def test_another_index_of_that_name_is_a_fault_that_its_remedy_mends(engine: SqliteEngine, path: Path) -> None:
    change(path, f"DROP INDEX {INDEX}", f"CREATE INDEX {INDEX} ON tasks (status)")
    index = found(engine)["index"]
    assert (index.state, "is over status" in index.says) == ("bad", True)
    change(path, *index.fix.split("; "))
    assert found(engine)["index"].state == "good"


def test_a_log_that_grows_is_a_warning(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(engine)["journal"].state == "good"
    monkeypatch.setattr(inspect, "LARGE_LOG_BYTES", -1)
    assert found(engine)["journal"].state == "warning"


def test_a_damaged_file_is_a_fault(path: Path) -> None:
    engine = engine_at(path)
    engine.close()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:  # the pages behind the header and the schema
        file.seek(4096)
        file.write(b"\xde\xad" * ((size - 4096) // 2))
    sound = found(engine)["file"]
    assert (sound.state, "it is damaged" in sound.says) == ("bad", True)
    engine.close()


def test_so_large_a_file_is_not_read_through(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "CHECKED_BYTES", 1)
    assert (found(engine)["file"].state, "integrity_check" in found(engine)["file"].fix) == ("note", True)


@pytest.mark.parametrize(("free", "state"), [(50, "bad"), (500, "warning"), (5000, "good"), (50_000, "good")])
def test_room_on_the_disk(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(inspect.shutil, "disk_usage", lambda _: SimpleNamespace(free=free * inspect.MB))
    disk = found(engine)["disk"]
    assert disk.state == state
    assert bool(disk.fix) == (state != "good")


def test_a_file_that_one_may_not_write_is_a_warning(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect.os, "access", lambda *_: False)  # the tests may run as root, who may
    assert found(engine)["disk"].state == "warning"
