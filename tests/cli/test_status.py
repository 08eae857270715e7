"""`statustrack status` counts any table by its directory, without the user's code; on both engines."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import statustrack as st
from statustrack.tracking import overview
from statustrack.tracking.directory import directory_of
from tests.cli.conftest import Command, Shell
from tests.dynamodb_local import endpoint_url


class FirstStatus(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class SecondStatus(st.BaseStatusEnum):
    pending = 40
    in_progress = 70
    failed = 80
    succeeded = 90
    ignored = 100


def fill(url: str, table: str, use_case: str = "invoice") -> None:
    """6 tasks: 2 pending, 1 failed, 1 ignored, 1 through the first step, 1 through both."""

    class Read(st.BaseTask):
        class Meta:
            table_name = table

        config = st.TrackerConfig.make(use_case, status=FirstStatus, max_retry=2, n_pending_shard=3)

    class Answer(Read):
        config = st.TrackerConfig.make(use_case, status=SecondStatus)

    with st.use_engine(url):
        Read.create_table(wait=True)
        Read.create_many(["a", "b", "failed", "ignored", "read", "answered"])
        for task_id, tries in (("failed", 1), ("ignored", 2)):
            for _ in range(tries):
                with pytest.raises(RuntimeError), Read.start(task_id):
                    raise RuntimeError("no")
        for task_id in ("read", "answered"):
            with Read.start(task_id):
                pass
        with Answer.start("answered"):
            pass


def rows(text: str) -> dict[str, list[str]]:
    table = text.partition("succeeded\n")[2].partition("\n\n")[0]
    lines = [line.split() for line in table.splitlines() if line.startswith(("Read ", "Answer "))]
    return {line[0]: line[1:] for line in lines}


def test_counts_per_step_and_status(command: Command, engine_url: str, table_name: str) -> None:
    fill(engine_url, table_name)
    ran = command("status", "--engine", engine_url, "--table", table_name)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "invoice: 6 tasks" in ran.stdout
    # A task that waits for the second step counts there, and only there.
    assert rows(ran.stdout) == {"Read": ["2", "0", "1", "1", "→", "Answer"], "Answer": ["1", "0", "0", "0", "1"]}
    assert "\x1b" not in ran.stdout


def test_json_has_the_same(command: Command, engine_url: str, table_name: str) -> None:
    fill(engine_url, table_name)
    found: dict[str, Any] = json.loads(
        command("status", "--engine", engine_url, "--table", table_name, "--json").stdout
    )
    assert found["engine"] == engine_url
    (table,) = found["tables"]
    assert (table["table"], table["complete"]) == (table_name, True)
    (use_case,) = table["use_cases"]
    assert (use_case["use_case"], use_case["tasks"], use_case["other"], use_case["capped"]) == ("invoice", 6, {}, [])
    first, second = use_case["steps"]
    running, waiting = first.pop("running"), first.pop("oldest_waiting")
    assert running == {"oldest": None, "long": 0, "stuck": 0, "partly": False}
    assert waiting["task_id"] in ("a", "b")
    assert first == {
        "step": "Read",
        "codes": {"pending": 10, "in_progress": 20, "failed": 30, "succeeded": 40, "ignored": 50},
        "counts": {"pending": 2, "in_progress": 0, "failed": 1, "succeeded": None, "ignored": 1},
        "goes_on_to": "Answer",
    }
    assert second["counts"] == {"pending": 1, "in_progress": 0, "failed": 0, "succeeded": 1, "ignored": 0}


def test_a_capped_count_says_so(
    command: Command, engine_url: str, table_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "COUNTED", 0)
    monkeypatch.setattr(overview, "FIRST", 1)
    fill(engine_url, table_name)
    capped = command("status", "--engine", engine_url, "--table", table_name).stdout
    assert re.search(r"^invoice: \d\+ tasks$", capped, re.MULTILINE)
    assert rows(capped)["Read"][2] == "0+"
    exact = command("status", "--engine", engine_url, "--table", table_name, "--exact").stdout
    assert rows(exact)["Read"][2] == "1"
    assert "invoice: 6 tasks" in exact


def test_without_a_table_the_only_one_is_taken(command: Command) -> None:
    url = "sqlite:///statustrack.db"
    assert "there is no table" in command("status").stderr
    fill(url, "jobs")
    assert command("status").stdout.startswith("jobs at ")
    fill(url, "mails")
    several = command("status")
    assert several.exit_code == 2
    assert "choose with --table: jobs, mails" in several.stderr
    both = command("status", "--table", "mails", "--table", "jobs")
    assert both.exit_code == 0
    assert [line.split()[0] for line in both.stdout.splitlines() if " at sqlite" in line] == ["mails", "jobs"]


def test_a_missing_table_says_where_it_looked_and_makes_nothing(command: Command, tmp_path: Any) -> None:
    ran = command("status", "--engine", "sqlite:///no.db", "--table", "jobs")
    assert ran.exit_code == 2
    assert "no.db" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table(command: Command) -> None:
    command("init", "--table", "jobs")
    assert "No tasks yet." in command("status").stdout


def test_hostile_names_are_shown_not_sent(command: Command) -> None:
    fill("sqlite:///statustrack.db", "jobs", use_case="in\x1b[31mv\u202eoice [bold]")
    shown = command("status").stdout
    assert "in\\x1b[31mv\\u202eoice [bold]: 6 tasks" in shown
    assert "\x1b" not in shown


@pytest.mark.dynamodb
def test_on_dynamodb_it_takes_one_request_for_each_status_and_shard_and_one_for_the_directory(
    command: Command, aws_environment: None, dynamodb_endpoint: str, table_name: str
) -> None:
    url = endpoint_url(dynamodb_endpoint)
    fill(url, table_name)
    with st.use_engine(url) as engine:
        directory = directory_of(engine, table_name).read()
    partitions = sum(directory.use_cases["invoice"].shards.values())
    assert partitions == 11  # nine codes, and the first step's pending over three shards
    before = dict(engine.meter.by_operation)
    told = command("status", "--engine", url, "--table", table_name, "--cost").stdout
    asked = {name: count - before.get(name, 0) for name, count in engine.meter.by_operation.items()}
    assert {name: count for name, count in asked.items() if count} == {"GetItem": 1, "Query": partitions}
    assert re.search(r"^\d+ requests, [\d.]+ read units$", told, re.MULTILINE)


@pytest.mark.dynamodb
def test_the_first_command_of_a_process_asks_for_nothing_more(
    shell: Shell, aws_environment: None, dynamodb_endpoint: str, table_name: str
) -> None:
    url = endpoint_url(dynamodb_endpoint)
    fill(url, table_name)
    ran = shell("status", "--engine", url, "--table", table_name, "--cost")
    assert ran.stdout.splitlines()[-1].startswith("12 requests, "), ran.stdout + ran.stderr
