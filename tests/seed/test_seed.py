"""The user's specification, run cell by cell like a notebook on each engine, with only the first import changed."""

import ast
import contextlib
import copy
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

CELLS = Path(__file__).parent / "cells"
NUMBERS = sorted(int(path.stem.removeprefix("cell_")) for path in CELLS.glob("cell_*.py"))
SEED_IMPORT, OUR_IMPORT = "import pynamodb_mate.api as pm", "import statustrack.api as pm"

# The one line that we print otherwise on purpose, by cell. The original ends the trace of a failure that comes after
# exec_ctx.update() with the status of that update; we end it with what was recorded.
END_OF_T1 = " ⏹️ end Task(use_case_id='test', task_id='t-1'), status={}"
ON_PURPOSE = {
    15: (
        "{:-^120}".format(END_OF_T1.format("70)) (aka 'in_progress')")),
        "{:-^120}".format(END_OF_T1.format("80)) (aka 'failed')")),
    )
}

SEED_ATTRIBUTES = {
    *("key", "value", "status", "create_time", "update_time"),
    *("retry", "lock", "lock_time", "data", "errors"),
}
TABLE = "pynamodb-mate-test-status-tracker"
NOT_LOCKED = "__not_locked__"


def source_of(number: int) -> str:
    """The code of one cell, as it runs here."""
    source = (CELLS / f"cell_{number:02d}.py").read_text(encoding="utf-8")
    if number != 1:
        return source
    assert source.count(SEED_IMPORT) == 1
    return source.replace(SEED_IMPORT, OUR_IMPORT)


@dataclass
class Notebook:
    """One run of all cells in one namespace, and what each of them left behind."""

    namespace: dict[str, Any]
    cell: int = 0
    stdout: dict[int, str] = field(default_factory=dict)
    results: dict[int, str] = field(default_factory=dict)
    errors: dict[int, dict[str, str]] = field(default_factory=dict)
    #: What a cell handed to rich's print: the export of the notebook lacks that output.
    shown: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    #: The tasks in the variables step1, step2 and exec_ctx, as they were after the cell.
    tasks: dict[int, dict[str, types.SimpleNamespace]] = field(default_factory=dict)
    #: After the last cell: the succeeded tasks of Step1 in each shard of the index, as (task_id, shard_id).
    shards: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    #: After the last cell: what the result of a query can do besides being iterated over.
    query_result: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        for self.cell in NUMBERS:
            self._run_cell()
            self.tasks[self.cell] = self._snapshots()
        if self.errors.keys() == expected_by_cell("errors.json").keys():  # else there is nothing to look at
            self._look_around()

    def show(self, *args: Any) -> None:
        """Stands in for rich's print: renders for real, but apart from the output that is compared."""
        Console(file=io.StringIO()).print(*args)
        self.shown[self.cell] += [copy.deepcopy(arg) if isinstance(arg, dict) else arg for arg in args]

    def _run_cell(self) -> None:
        path = str(CELLS / f"cell_{self.cell:02d}.py")
        body = ast.parse(source_of(self.cell), path).body
        last = body.pop().value if isinstance(body[-1], ast.Expr) else ast.Constant(None)  # type: ignore[attr-defined]
        statements = compile(ast.Module(body, type_ignores=[]), path, "exec", dont_inherit=True)
        expression = compile(ast.fix_missing_locations(ast.Expression(last)), path, "eval", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            try:
                exec(statements, self.namespace)
                result = eval(expression, self.namespace)
            except Exception as error:
                self.errors[self.cell] = {"type": type(error).__name__, "message": str(error)}
            else:
                if result is not None:
                    self.results[self.cell] = repr(result)
        self.stdout[self.cell] = stdout.getvalue()

    def _snapshots(self) -> dict[str, types.SimpleNamespace]:
        tasks: dict[str, Any] = {name: self.namespace[name] for name in ("step1", "step2") if name in self.namespace}
        if "exec_ctx" in self.namespace:
            tasks["exec_ctx"] = self.namespace["exec_ctx"].task
        return {
            name: types.SimpleNamespace(**{key: copy.deepcopy(getattr(task, key)) for key in SEED_ATTRIBUTES})
            for name, task in tasks.items()
        }

    def _look_around(self) -> None:
        step1, succeeded = self.namespace["Step1"], self.namespace["Step1StatusEnum"].succeeded
        for shard in range(1, 11):
            rows = step1.status_and_update_time_index.query(hash_key=step1.make_value(succeeded.value, _shard_id=shard))
            self.shards[shard] = [(row.task_id, row.shard_id) for row in rows]
        every = list(self.namespace["Step1StatusEnum"])
        self.query_result = {
            "all": {task.task_id for task in step1.query_by_status(every).all()},
            "one": step1.query_by_status(succeeded).one().task_id,
            "one_or_none": step1.query_by_status(succeeded).one_or_none().task_id,
            "many": len(step1.query_by_status(every).many(2)),
            "none": step1.query_by_status(succeeded, use_case_id="nobody").one_or_none(),
        }


_runs: dict[str, Notebook] = {}


@pytest.fixture
def empty_engine_url(
    engine_url: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An engine without the notebook's table. All tests share one DynamoDB Local and the name of that table is fixed,
    so there it is dropped first, and one test at a time has it."""
    if not engine_url.startswith("dynamodb:"):
        yield engine_url
        return
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with contextlib.closing(sqlite3.connect(shared / "seed.lock", timeout=300, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")  # ends with this test, or with its process
        endpoint: str = request.getfixturevalue("dynamodb_endpoint")
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)
        with contextlib.closing(client), contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=TABLE)
        yield engine_url


@pytest.fixture
def notebook(empty_engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """The notebook after its last cell. It runs once per engine: the tests only read what it left behind."""
    engine = empty_engine_url.partition(":")[0]
    if engine not in _runs:
        module = types.ModuleType("seed_notebook")
        run = Notebook(module.__dict__)
        monkeypatch.setenv("STATUSTRACK_ENGINE", empty_engine_url)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr("rich.print", run.show)
        run.run()
        _runs[engine] = run
    return _runs[engine]


def comparable(text: str) -> list[str]:
    """The lines of an output without what differs from run to run, from release to release, or on purpose."""
    text = re.sub(r"datetime\.datetime\(\d+(, \d+){4,6}, tzinfo=datetime\.timezone\.utc\)", "<time>", text)
    text = re.sub(r"^(pm\.__version__ = )'[^']+'$", r"\1<version>", text, flags=re.MULTILINE)
    return text.splitlines()


def expected_stdout(number: int) -> str:
    path = CELLS / f"expected_{number:02d}.txt"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if number in ON_PURPOSE:
        theirs, ours = ON_PURPOSE[number]
        assert theirs in text.splitlines()
        text = text.replace(theirs, ours)
    return text


def expected_by_cell(name: str) -> dict[int, Any]:
    return {int(key): value for key, value in json.loads((CELLS / name).read_text(encoding="utf-8")).items()}


def test_the_exceptions_are_those_of_the_notebook(notebook: Notebook) -> None:
    assert notebook.errors == expected_by_cell("errors.json")


def test_the_results_are_those_of_the_notebook(notebook: Notebook) -> None:
    assert notebook.results == expected_by_cell("results.json")


def test_the_printed_output_is_that_of_the_notebook(notebook: Notebook) -> None:
    printed = {number: comparable(notebook.stdout[number]) for number in NUMBERS}
    assert printed == {number: comparable(expected_stdout(number)) for number in NUMBERS}


def test_a_new_task_has_the_attributes_of_the_notebook(notebook: Notebook) -> None:
    (shown,) = notebook.shown[7]
    assert shown.keys() >= SEED_ATTRIBUTES
    assert shown["key"] == "test____t-1"
    assert re.fullmatch(r"test____010____00[1-5]", shown["value"])
    assert (shown["status"], shown["retry"], shown["lock"]) == (10, 0, NOT_LOCKED)
    assert (shown["data"], shown["errors"]) == ({"version": 1}, {"history": []})


def test_one_task_goes_through_both_steps(notebook: Notebook) -> None:
    (shown,) = notebook.shown[12]
    assert shown["key"] == "test____t-1"
    assert shown["status"] == 40  # succeeded of step 1 is pending of step 2


def test_the_time_of_creation_stays_and_the_time_of_update_moves(notebook: Notebook) -> None:
    created, done = notebook.tasks[7]["step1"], notebook.tasks[9]["step1"]
    assert done.create_time == created.create_time
    assert created.update_time < done.update_time
    assert done.update_time.utcoffset() is not None


def test_a_failure_saves_no_data_unless_update_did(notebook: Notebook) -> None:
    assert notebook.tasks[14]["step2"].data == {"version": 1}
    assert notebook.tasks[16]["step2"].data == {"version": 2}
    assert notebook.tasks[18]["step2"].data == {"version": 3}


def test_failures_in_a_row_are_counted_and_a_success_ends_the_row(notebook: Notebook) -> None:
    assert [notebook.tasks[number]["step2"].retry for number in (12, 14, 16, 18)] == [0, 1, 2, 0]


def test_the_context_has_the_task_as_recorded(notebook: Notebook) -> None:
    assert [notebook.tasks[number]["exec_ctx"].status for number in (8, 13, 15, 17, 19)] == [40, 80, 80, 90, 40]
    assert notebook.tasks[17]["exec_ctx"].data == {"version": 3}


def test_the_lock_is_a_token_while_the_block_runs(notebook: Notebook) -> None:
    (held,), (free,) = notebook.shown[19], notebook.shown[20]
    assert (held["status"], free["status"]) == (20, 40)
    assert re.fullmatch(r"[0-9a-f-]{32,36}", held["lock"])
    assert free["lock"] == NOT_LOCKED


def test_the_history_of_errors(notebook: Notebook) -> None:
    assert [len(notebook.shown[number][0]["history"]) for number in (23, 25, 27)] == [1, 2, 3]
    (errors,) = notebook.shown[27]
    assert errors == notebook.tasks[27]["step1"].errors
    assert [entry["nth_retry"] for entry in errors["history"]] == [1, 2, 3]
    for entry in errors["history"]:
        assert entry.keys() >= {"nth_retry", "update_time", "error", "traceback"}
        assert datetime.fromisoformat(entry["update_time"]).utcoffset() is not None
        assert entry["error"] == "UserError()"
        assert "raise UserError()" in entry["traceback"]


def test_an_ignored_task_stays_as_it_was(notebook: Notebook) -> None:
    assert notebook.tasks[27]["step1"].status == 50
    assert len(notebook.tasks[28]["step1"].errors["history"]) == 3


def test_a_listing_has_default_data_until_it_is_refreshed(notebook: Notebook) -> None:
    assert notebook.shown[30] == [{}, {"status_code": 40}]
    assert notebook.shown[31] == [{"status_code": 50}]


def test_the_index_is_read_shard_by_shard(notebook: Notebook) -> None:
    shard_of_t4 = int(notebook.tasks[30]["step1"].value.rpartition("____")[2])
    assert {shard: rows for shard, rows in notebook.shards.items() if rows} == {shard_of_t4: [("t-4", shard_of_t4)]}
    # The last cell showed shard 4, and nothing but shard 4.
    shown = notebook.shown[32]
    assert len(shown) == len(notebook.shards[4])
    assert all("'status_code': 40" in text and "test____040____004" in text for text in shown)


def test_the_result_of_a_query_is_more_than_an_iterator(notebook: Notebook) -> None:
    assert notebook.query_result == {
        "all": {"t-1", "t-2", "t-3", "t-4", "t-5"},
        "one": "t-4",
        "one_or_none": "t-4",
        "many": 2,
        "none": None,
    }


def test_one_warning_names_the_variable_and_what_it_overrides(empty_engine_url: str, tmp_path: Path) -> None:
    """In a fresh interpreter, since a warning given once per process may have been given already."""
    cells = "\n".join(source_of(number) for number in NUMBERS if number <= 9)
    script = "import logging\nlogging.basicConfig(format='%(levelname)s %(name)s %(message)s')\n" + cells
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "STATUSTRACK_ENGINE": empty_engine_url, "PYTHONIOENCODING": "utf-8"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "STATUSTRACK_ENGINE" in line]
    assert len(warnings) == 1, done.stderr
    assert warnings[0].startswith("WARNING statustrack")
    assert "us-east-1" in warnings[0]
