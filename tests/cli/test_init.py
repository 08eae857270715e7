"""`statustrack init` makes a table once, and adopts one that others wrote; on both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import statustrack as st
from statustrack.core.config import DIRECTORY_KEY
from statustrack.core.lifecycle import delete
from statustrack.engines.registry import open_engine
from tests.cli.conftest import Command


class Status(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


def test_a_table_is_made_once(command: Command, engine_url: str, table_name: str) -> None:
    first = command("init", "--engine", engine_url, "--table", table_name)
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout == f"Table {table_name} at {engine_url} is made.\n"
    again = command("init", "--engine", engine_url, "--table", table_name)
    assert again.exit_code == 0
    assert "was there already and stays as it is" in again.stdout


def test_json(command: Command, engine_url: str, table_name: str) -> None:
    ran = command("init", "--engine", engine_url, "--table", table_name, "--json")
    assert json.loads(ran.stdout) == {
        "engine": engine_url, "table": table_name, "made": True, "complete": True, "use_cases": {},
    }  # fmt: skip


def test_adopt_learns_what_a_table_holds(command: Command, engine_url: str, table_name: str) -> None:
    class Task(st.BaseTask):
        class Meta:
            pass

        config = st.TrackerConfig.make("invoice", status=Status, n_pending_shard=4)

    Task.Meta.table_name = table_name  # type: ignore[attr-defined]
    with st.use_engine(engine_url) as engine:
        Task.create_table(wait=True)
        Task.create_many(f"t-{number}" for number in range(40))
        engine.apply(table_name, [delete(DIRECTORY_KEY, forced=True)])  # as pynamodb_mate leaves a table
    seen = command("status", "--engine", engine_url, "--table", table_name)
    assert "statustrack init --adopt" in seen.stdout
    adopted = command("init", "--engine", engine_url, "--table", table_name, "--adopt")
    assert adopted.exit_code == 0, adopted.stderr
    assert "invoice: status codes 10 (4 shards)" in adopted.stdout
    counted = json.loads(command("status", "--engine", engine_url, "--table", table_name, "--json").stdout)
    assert counted["tables"][0]["complete"] is True
    assert counted["tables"][0]["use_cases"][0]["other"] == {"10": 40}


def test_adopt_makes_no_table(command: Command, engine_url: str, table_name: str) -> None:
    ran = command("init", "--engine", engine_url, "--table", table_name, "--adopt")
    assert ran.exit_code == 2
    assert f"there is no table {table_name!r}" in ran.stderr
    assert not open_engine(engine_url).exists(table_name)


def test_the_environment_names_engine_and_table(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATUSTRACK_ENGINE", "sqlite:///elsewhere.db")
    monkeypatch.setenv("STATUSTRACK_TABLE", "jobs")
    assert command("init").stdout == "Table jobs at sqlite:///elsewhere.db is made.\n"
    assert (tmp_path / "elsewhere.db").exists()
