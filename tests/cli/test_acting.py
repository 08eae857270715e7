"""`statustrack ignore`, `release`, `delete` and `prune`: they ask, or take --yes; what they leave alone they name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

import statustrack as st
from statustrack.cli import choice
from statustrack.cli.app import cli
from statustrack.tracking.heartbeat import let_go
from tests.cli.conftest import Command
from tests.tracking.support import FIRST, SECOND, failed_many, step

URL = "sqlite:///jobs.db"


def fill(url: str, table: str, **options: Any) -> Any:
    """A step with 3 failed, 1 ignored, 1 pending task, 1 held."""
    with st.use_engine(url):
        made = step(table, FIRST, name="Read", **options)
        made.create_table(wait=True)
        failed_many(made, ["f-0", "f-1", "f-2"], "no page")
        failed_many(made, ["ignored"], "no page", ignored=True)
        made.create_many(["pending", "held"])
        let_go(made.start("held").__enter__()._hold)
    return made


def where(url: str, table: str) -> tuple[str, ...]:
    return "--engine", url, "--table", table


def counts(url: str, made: Any) -> dict[str, int]:
    with st.use_engine(url):
        return {name: count for name, count in made.count_by_status().items() if count}


BEFORE = {"pending": 1, "in_progress": 1, "failed": 3, "ignored": 1}


def answering(monkeypatch: pytest.MonkeyPatch, answer: str, *arguments: str) -> Result:
    """The command at a terminal, where somebody answers."""
    monkeypatch.setattr(choice, "can_ask", lambda: True)
    return CliRunner().invoke(cli, arguments, input=answer)


def test_ids_are_ignored_with_a_note(command: Command, engine_url: str, table_name: str) -> None:
    made = fill(engine_url, table_name)
    ran = command("ignore", "f-0", "pending", "held", "--reason", "spam", *where(engine_url, table_name))
    assert ran.exit_code == 1
    assert "Ignored 2 tasks of job / Read." in ran.stdout
    assert "held was not ignored: it is in progress in Read, held by" in ran.stdout
    assert counts(engine_url, made) == {"in_progress": 1, "failed": 2, "ignored": 3}
    with st.use_engine(engine_url):
        assert made.get("f-0").notes[-1]["why"] == "spam"


def test_a_selection_asks_first(command: Command, table_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(URL, table_name)
    at = where(URL, table_name)
    refused = command("ignore", "--status", "failed", *at)
    assert refused.exit_code == 2 and counts(URL, made) == BEFORE
    assert "Ignore 3 tasks of job / Read? Nothing was done" in " ".join(refused.stderr.split())
    assert "Add --yes" in " ".join(refused.stderr.split())
    no = answering(monkeypatch, "n\n", "ignore", "--status", "failed", *at)
    assert no.exit_code == 1 and "Nothing was done." in no.stderr and counts(URL, made) == BEFORE
    yes = answering(monkeypatch, "y\n", "ignore", "--status", "failed", *at)
    assert yes.exit_code == 0 and "f-0, f-1, f-2" in yes.stdout
    assert counts(URL, made) == {"pending": 1, "in_progress": 1, "ignored": 4}
    assert command("ignore", "--status", "pending", "--yes", *at).exit_code == 0


def test_a_dry_run_asks_nothing_and_does_nothing(command: Command, table_name: str) -> None:
    made = fill(URL, table_name)
    at = where(URL, table_name)
    for arguments, said in (
        (["ignore", "--text", "no page"], "Would ignore 3 tasks"),
        (["delete", "--status", "failed"], "Would delete 3 tasks"),
        (["release", "--worker", ":"], "Would release 0 tasks"),
        (["release", "--expired"], "Would release 0 tasks of job / Read; 1 left alone (still held)."),
        (["release", "held", "--force"], "Would release 1 task"),
        (["prune"], "The retention of none of 6 tasks has ended: nothing to delete."),
    ):
        ran = command(*arguments, "--dry-run", *at)
        assert ran.exit_code == 0 and said in ran.stdout, ran.output
    assert counts(URL, made) == BEFORE


def test_a_dead_worker_is_evicted(command: Command, engine_url: str, table_name: str) -> None:
    made = fill(engine_url, table_name)
    at = where(engine_url, table_name)
    ran = command("release", "held", *at)
    assert ran.exit_code == 1 and "held was not released: it is in progress in Read, held by" in ran.stdout
    ran = command("release", "held", "--force", *at)
    assert ran.exit_code == 2 and "Release 1 task of job / Read?" in " ".join(ran.stderr.split())
    assert counts(engine_url, made) == BEFORE
    with st.use_engine(engine_url):
        worker = made.get("held").worker
    ran = command(
        "release", "--worker", worker.split(":")[0] + ":", "--force", "--yes", "--reason", "burnt", "--json", *at
    )
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == {
        "action": "release", "engine": engine_url, "table": table_name, "dry_run": False, "matched": 1, "done": 1,
        "steps": [
            {"use_case": "job", "step": "Read", "matched": 1, "done": 1, "left_alone": 0, "ids": ["held"]},
        ],
        "not_done": [],
    }  # fmt: skip
    with st.use_engine(engine_url):
        task = made.get("held")
    assert task.is_failed() and task.notes[-1]["why"] == "burnt" and task.attempts[-1].outcome == "evicted"


def test_deleting_asks_even_for_ids(command: Command, engine_url: str, table_name: str) -> None:
    made = fill(engine_url, table_name)
    at = where(engine_url, table_name)
    assert command("delete", "f-0", *at).exit_code == 2
    assert counts(engine_url, made) == BEFORE
    ran = command("delete", "f-0", "held", "nope", "--yes", *at)
    assert ran.exit_code == 1
    assert "Deleted 1 task of job / Read; 1 left alone (held, or changed meanwhile)." in ran.stdout
    assert "held was not deleted: it is in progress in Read" in ran.stdout
    assert "nope was not deleted: there is no such task" in ran.stdout
    ran = command("delete", "--status", "failed", "--status", "ignored", "--yes", "--limit", "2", *at)
    assert ran.exit_code == 0 and "Deleted 2 tasks" in ran.stdout
    assert command("delete", "held", "--force", "--yes", *at).exit_code == 0
    assert sum(counts(engine_url, made).values()) == 2


def test_what_waits_for_a_later_step_is_not_deleted_as_done(command: Command, table_name: str) -> None:
    fill(URL, table_name)
    with st.use_engine(URL):
        answer = step(table_name, SECOND, name="Answer")
        answer.create("registers")
    at = where(URL, table_name)
    ran = command("delete", "--status", "succeeded", "--yes", *at)
    assert ran.exit_code == 2 and "waits for Answer (status 40)" in " ".join(ran.stderr.split())
    ran = command("delete", "--status", "succeeded", "--step", "Answer", "--yes", *at)
    assert ran.exit_code == 0 and "Deleted 0 tasks of job / Answer" in ran.stdout
    ran = command("delete", "--status", "pending", "--step", "Answer", "--yes", *at)
    assert ran.exit_code == 0 and "Deleted 1 task of job / Answer" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ignore"], "ignore what?"),
        (["release"], "release what?"),
        (["release", "--expired", "--force"], "give one of them"),
        (["delete"], "delete what?"),
        (["delete", "--step", "Read"], "delete what?"),
        (["delete", "--status", "lost"], "is not one of"),
    ],
)
def test_what_is_not_said_is_refused(command: Command, table_name: str, arguments: list[str], said: str) -> None:
    made = fill(URL, table_name)
    ran = command(*arguments, *where(URL, table_name))
    assert ran.exit_code == 2 and said in " ".join(ran.stderr.split())
    assert counts(URL, made) == BEFORE


def test_prune_deletes_what_has_expired(command: Command, engine_url: str, table_name: str) -> None:
    with st.use_engine(engine_url):
        step(table_name, FIRST).create_table(wait=True)  # without TTL, or DynamoDB Local may be quicker than we are
        made = step(table_name, FIRST, keep_succeeded_seconds=1)
        made.create_many(["old", "pending"])
        with made.start("old"):
            pass
        engine, _ = made._engine_and_table()
        row = engine.get(table_name, [made.make_key("old")])[made.make_key("old")]
        task = made._from_row({**row, "expire_at": row["expire_at"] - 3600}, engine, table_name)
        task.save()
    at = where(engine_url, table_name)
    assert command("prune", *at).exit_code == 2
    assert counts(engine_url, made) == {"pending": 1, "succeeded": 1}
    ran = command("prune", "--yes", "--json", *at)
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == {
        "action": "prune", "engine": engine_url, "table": table_name, "dry_run": False, "read": 2, "expired": 1,
        "deleted": 1, "kept": 0, "changed_meanwhile": 0,
    }  # fmt: skip
    again = command("prune", *at).stdout
    assert "The retention of none of 1 task has ended" in again, "nothing to ask for"
    assert ("TTL" in again) == engine_url.startswith("dynamodb")


def test_with_several_tables_the_candidates_are_listed(command: Command) -> None:
    fill(URL, "jobs")
    fill(URL, "mails")
    ran = command("redrive", "--all", "--engine", URL)
    assert ran.exit_code == 2 and "jobs, mails" in ran.stderr
    ran = CliRunner().invoke(cli, ["redrive", "--all", "--engine", URL], env={"STATUSTRACK_TABLE": "mails"})
    assert ran.exit_code == 0 and "4 tasks" in ran.stdout
