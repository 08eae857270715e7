"""`statustrack redrive`: what is chosen, shown, redriven and noted; a canary; what scripts are told."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

import statustrack as st
from tests.cli.conftest import Command
from tests.tracking.support import FIRST, SECOND, fail, failed_many, step


def fill(url: str, table: str, sharing: bool = False) -> tuple[Any, Any]:
    """Two steps: 7 failed in the first (two groups), 1 ignored; 2 failed in the second."""
    with st.use_engine(url):
        read, answer = step(table, FIRST, name="Read"), step(table, SECOND, name="Answer")
        read.create_table(wait=True)
        failed_many(read, [f"a-{number}" for number in range(5)], "no page")
        failed_many(read, ["b-0", "b-1"], "no network")
        failed_many(read, ["ignored"], "no network", ignored=True)
        answer.create("registers")
        answer.get("registers").delete()
        failed_many(answer, ["c-0", "c-1"], "no answer")
    return read, answer


def where(url: str, table: str) -> tuple[str, ...]:
    return "--engine", url, "--table", table


def counts(url: str, step_class: Any) -> dict[str, int]:
    with st.use_engine(url):
        return {name: count for name, count in step_class.count_by_status().items() if count}


def test_by_group_with_a_note(command: Command, engine_url: str, table_name: str) -> None:
    read, _ = fill(engine_url, table_name)
    with st.use_engine(engine_url):
        group = read.get("a-0").error_group
    at = where(engine_url, table_name)
    dry = command("redrive", "--group", group, "--dry-run", *at)
    assert (dry.exit_code, dry.stderr) == (0, "")
    assert "Would redrive 5 tasks of job / Read." in dry.stdout
    assert "a-0, a-1, a-2, a-3, a-4" in dry.stdout and "Nothing was done" in dry.stdout
    assert counts(engine_url, read) == {"failed": 7, "ignored": 1}
    ran = command("redrive", "--group", group, "--reason", "parser 2.1", *at)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "Redriven: 5 tasks of job / Read." in ran.stdout and "--id " in ran.stdout
    assert counts(engine_url, read) == {"pending": 5, "failed": 2, "ignored": 1}
    with st.use_engine(engine_url):
        (note,) = read.get("a-0").notes
    assert (note["action"], note["why"]) == ("redrive", "parser 2.1") and "@" in note["who"]
    assert f"Redrive {note['id']} " in ran.stdout
    assert "\x1b" not in ran.stdout


def test_all_steps_unless_one_is_chosen(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    read, answer = fill(url, table_name)
    ran = command("redrive", "--status", "failed", "--step", "answer", *where(url, table_name))
    assert "2 tasks of job / Answer" in ran.stdout and "Read" not in ran.stdout
    ran = command("redrive", "--all", *where(url, table_name))
    assert ran.exit_code == 0 and "8 tasks of job / Read" in ran.stdout
    assert counts(url, read) == {"pending": 8, "succeeded": 2}, "40 is Answer's pending"
    assert counts(url, answer) == {"pending": 2}


def test_json_has_it_all(command: Command, engine_url: str, table_name: str) -> None:
    fill(engine_url, table_name)
    ran = command("redrive", "a-0", "c-0", "nope", "--id", "run-1", "--json", *where(engine_url, table_name))
    assert ran.exit_code == 1, "one id could not be redriven"
    assert json.loads(ran.stdout) == {
        "action": "redrive", "engine": engine_url, "table": table_name, "dry_run": False, "redrive_id": "run-1",
        "matched": 2, "done": 2,
        "steps": [
            {"use_case": "job", "step": "Read", "matched": 1, "done": 1, "changed_meanwhile": 0, "ids": ["a-0"]},
            {"use_case": "job", "step": "Answer", "matched": 1, "done": 1, "changed_meanwhile": 0, "ids": ["c-0"]},
        ],
        "not_done": [{"id": "nope", "why": "there is no such task"}],
        "canary": None, "stopped": None,
    }  # fmt: skip


def test_ids_that_cannot_be_redriven_are_named_with_the_reason(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    read, _ = fill(url, table_name)
    with st.use_engine(url):
        read.create("waits")
    ran = command("redrive", "waits", "a-0", "nope", *where(url, table_name))
    assert ran.exit_code == 1
    assert "waits was not redriven: it is pending in Read." in ran.stdout
    assert "nope was not redriven: there is no such task." in ran.stdout
    assert "Redriven: 1 task of job / Read." in ran.stdout
    ran = command("redrive", "a-1", "--step", "Answer", *where(url, table_name))
    assert ran.exit_code == 1 and "a-1 was not redriven: it is in step Read." in ran.stdout


def test_ids_from_a_pipe(command: Command, table_name: str) -> None:
    from click.testing import CliRunner

    from statustrack.cli.app import cli

    url = "sqlite:///jobs.db"
    read, _ = fill(url, table_name)
    ran = CliRunner().invoke(cli, ["redrive", "-", *where(url, table_name)], input="a-0\n\n a-1 \n")
    assert ran.exit_code == 0 and "2 tasks" in ran.stdout
    assert counts(url, read)["pending"] == 2


def test_ages_and_limits(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    fill(url, table_name)
    at = where(url, table_name)
    assert "Would redrive 0 tasks of job / Read." in command("redrive", "--older", "1h", "--dry-run", *at).stdout
    assert "Would redrive 8 tasks of job / Read." in command("redrive", "--newer", "1h", "--dry-run", *at).stdout
    limited = json.loads(command("redrive", "--limit", "9", "--dry-run", "--json", *at).stdout)
    assert [each["matched"] for each in limited["steps"]] == [8, 1], "the limit is for all steps"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "redrive what?"),
        (["--older", "soon", "--all"], "is no age"),
        (["--step", "Nope", "--all"], "There are: job / Read (codes 10, 20, 30, 40, 50), job / Answer"),
        (["--use-case", "Nope", "--all"], "no use case 'Nope'"),
        (["--canary", "2", "--all"], "--canary works on one step at a time"),
        (["--canary", "2", "--require", "110%", "--step", "Read"], "must be a part of the canary"),
        (["--status", "pending"], "'pending' is not one of"),
        (["--id", "a b", "--all"], "must be 1 to 64 of the characters"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    command: Command, table_name: str, arguments: list[str], said: str
) -> None:
    url = "sqlite:///jobs.db"
    read, _ = fill(url, table_name)
    ran = command("redrive", *arguments, *where(url, table_name))
    assert ran.exit_code == 2
    assert said in " ".join(ran.stderr.split())
    assert counts(url, read) == {"failed": 7, "ignored": 1}


def test_a_canary_that_passes_lets_the_others_go(command: Command, engine_url: str, table_name: str) -> None:
    with st.use_engine(engine_url):
        read = step(table_name, FIRST, name="Read")
        read.create_table(wait=True)
        failed_many(read, [f"t-{number}" for number in range(8)], ignored=True)

        @read.handler
        def work(ctx: Any) -> None:
            pass

        worker = st.Worker(read)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            ran = command("redrive", "--all", "--canary", "3", "--require", "100%", *where(engine_url, table_name))
        finally:
            worker.stop()
            thread.join(30)
    assert ran.exit_code == 0, ran.output
    assert "The canary of 3: 3 succeeded, 0 failed, 0 not yet; 3 must succeed: passed" in ran.stdout
    assert "Redriven: 8 tasks of job / Read." in ran.stdout


def test_a_canary_that_does_not_pass_stops_with_exit_status_1(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    read, _ = fill(url, table_name)
    ran = command("redrive", "--step", "Read", "--canary", "3", "--wait", "0s", "--json", *where(url, table_name))
    assert ran.exit_code == 1
    found = json.loads(ran.stdout)
    assert found["done"] == 3 and found["canary"]["waiting"] == 3 and found["canary"]["passed"] is False
    assert "the canary did not pass" in found["stopped"]
    assert counts(url, read)["pending"] == 3
    ran = command("redrive", "--step", "Read", "--canary", "3", "--wait", "0s", *where(url, table_name))
    assert ran.exit_code == 1 and "Stopped: the canary did not pass" in ran.stdout


def test_an_interrupted_redrive_goes_on_by_its_id(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    read, _ = fill(url, table_name)
    at = where(url, table_name)
    assert "Redriven: 1 task " in command("redrive", "a-0", "--id", "run-1", *at).stdout
    with st.use_engine(url):
        fail(read, "a-0")
    ran = command("redrive", "a-0", "a-1", "--id", "run-1", *at)
    assert ran.exit_code == 0 and "Redriven: 1 task of job / Read." in ran.stdout
    with st.use_engine(url):
        assert read.get("a-0").is_failed(), "it has had its turn"


def test_a_hostile_id_is_shown_not_sent(command: Command, table_name: str) -> None:
    url = "sqlite:///jobs.db"
    with st.use_engine(url):
        made = step(table_name, use_case="in\x1b[31mv")
        made.create_table()
        failed_many(made, ["t\x1b[2J\u202e"])
    ran = command("redrive", "--all", *where(url, table_name))
    assert ran.exit_code == 0 and "\x1b" not in ran.stdout and "t\\x1b[2J\\u202e" in ran.stdout
