"""Every program under examples/ does what its first sentence says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

import statustrack as st
from examples import (
    bulk_rerun,
    cron_script,
    exactly_once,
    five_use_cases,
    lambda_sqs,
    model_calls,
    move_to_dynamodb,
    two_services,
)
from examples.steps import Extract, Summarise

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name not in ("__init__.py", "steps.py"))


@pytest.fixture
def place(engine_url: str, table_name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine, with a table for this test alone: one DynamoDB Local serves them all."""
    monkeypatch.setenv("STATUSTRACK_ENGINE", engine_url)
    for step in (Extract, Summarise):
        monkeypatch.setattr(step.Meta, "table_name", table_name)
    Extract.create_table(wait=True)
    return engine_url


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same on a SQLite file."""
    monkeypatch.setenv("STATUSTRACK_ENGINE", f"sqlite:///{tmp_path}/documents.db")
    Extract.create_table(wait=True)
    return tmp_path / "documents.db"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 40
    assert lines[0].startswith('"""')


def test_the_cron_script_finishes_what_is_unfinished(file: Path) -> None:
    Extract.create_many((f"d-{n}", {"path": f"{n}.pdf"}) for n in range(3))
    Extract.create("bad")  # has no path: fails, and the others are done all the same
    cron_script.main()
    assert Extract.count_by_status() == {"pending": 0, "in_progress": 0, "failed": 1, "succeeded": 3, "ignored": 0}
    assert Extract.get("d-1").data["text"] == "the text of 1.pdf"


def test_the_lambda_tells_done_from_locked(file: Path) -> None:
    def record(task_id: str, **data: Any) -> dict[str, str]:
        return {"messageId": f"m-{task_id}", "body": json.dumps({"id": task_id, **data})}

    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)
    event = {"Records": [record("a", path="a.pdf"), record("no-path"), record("held", path="h.pdf")]}
    Extract.create("held", {"path": "h.pdf"})
    with Extract.start("held"):
        answer = lambda_sqs.handler(event, context)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m-no-path", "m-held"]
    again = lambda_sqs.handler({"Records": [record("a", path="a.pdf"), record("held", path="h.pdf")]}, context)
    assert again == {"batchItemFailures": []}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
def test_the_training_job_gives_its_task_back_at_sigterm(file: Path) -> None:
    Extract.create("train")
    job = subprocess.Popen([sys.executable, "-m", "examples.training_job", "train", "1000", "0.05"], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while Extract.get("train").data.get("epoch", 0) < 2:
            assert job.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        assert job.wait(60) == 128 + signal.SIGTERM
    finally:
        job.kill()
    task = Extract.get("train")
    assert task.is_pending() and task.retry == 0
    assert task.data["epoch"] >= 2  # the checkpoint stays
    assert task.attempts[-1].outcome == "released"


def test_the_web_service_answers_409_and_404(file: Path) -> None:
    from fastapi.testclient import TestClient

    from examples.fastapi_app import app

    with TestClient(app) as client:
        assert client.post("/documents/a", json={"path": "a.pdf"}).status_code == 202
        assert client.post("/documents/a", json={"path": "a.pdf"}).status_code == 409
        assert client.get("/documents/b").status_code == 404
        assert client.get("/documents/a").json()["status"] == "pending"


def test_the_swarm_of_model_calls_snoozes_at_429(file: Path) -> None:
    Extract.create_many([(f"p-{n}", {"prompt": f"question {n}"}) for n in range(30)])
    Extract.create("busy", {"prompt": "busy"})
    asyncio.run(model_calls.main())
    assert Extract.count_by_status()["succeeded"] == 30
    busy = Extract.get("busy")
    assert busy.is_pending() and busy.retry == 0 and busy.ready_at is not None


def test_two_services_share_one_pipeline(place: str) -> None:
    Extract.create_many((f"d-{n}", {"path": f"{n}.pdf"}) for n in range(4))
    assert two_services.serve(Summarise, two_services.summarise) == 0
    assert two_services.serve(Extract, two_services.extract) == 4
    assert two_services.serve(Summarise, two_services.summarise) == 4
    assert Summarise.get("d-0").is_succeeded()


def test_the_bulk_rerun_redrives_each_once(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(8):
        Extract.create(f"d-{n}")
        with pytest.raises(ValueError), Extract.start(f"d-{n}"):
            raise ValueError(f"cannot parse document {n}")
    bulk_rerun.main()
    said = capsys.readouterr().out
    assert "8 tasks would be redriven" in said and "5 redriven" in said and "3 more redriven" in said
    assert Extract.count_by_status()["pending"] == 8
    assert Extract.get("d-0").notes[-1]["why"] == "the parser was mended"


def test_the_handler_tests_pass(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/test_handler.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def ledger(place: str) -> Iterator[Callable[[], list[tuple[str, int]]]]:
    """The ledger beside the tasks, read with the storage's own tools."""
    if place.startswith("sqlite:"):

        def entries() -> list[tuple[str, int]]:
            with contextlib.closing(sqlite3.connect(place.removeprefix("sqlite:///"))) as database:
                return database.execute("SELECT * FROM ledger").fetchall()

        yield entries
        return
    client: Any = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=place.partition("endpoint=")[2])
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    items = lambda: client.scan(TableName="ledger")["Items"]  # noqa: E731
    yield lambda: [(item["id"]["S"], int(item["amount"]["N"])) for item in items()]
    client.delete_table(TableName="ledger")
    client.close()


def test_the_ledger_is_written_exactly_once(ledger: Callable[[], list[tuple[str, int]]]) -> None:
    Extract.create("invoice-1")
    exactly_once.main("invoice-1")
    assert ledger() == [("invoice-1", 100)]
    with pytest.raises(st.TaskIsNotReadyToStartError):
        exactly_once.main("invoice-1")
    assert ledger() == [("invoice-1", 100)]


def test_five_use_cases_do_not_see_each_other(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    five_use_cases.main()
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["10"] * 5
    assert five_use_cases.CASES[-1].delete_tasks_by_use_case_id() == 10
    assert five_use_cases.CASES[0].count_tasks_by_use_case_id() == 10
    five_use_cases.Shared.delete_table()


def test_the_same_program_runs_on_both(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    move_to_dynamodb.main(place)
    move_to_dynamodb.main(place)
    said = capsys.readouterr().out
    assert "20 created, 0 were there" in said and "0 created, 20 were there" in said
    assert "'succeeded': 20" in said
