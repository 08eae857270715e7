"""The user's specification as a notebook runs in a real kernel: every cell does and prints what it says."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.seed.test_seed import TABLE, comparable, expected_by_cell, expected_stdout

SEED = Path(__file__).resolve().parents[2] / "examples" / "seed.ipynb"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory for the kernel, its tasks in a file there."""
    monkeypatch.setenv("STATUSTRACK_ENGINE", f"sqlite:///{tmp_path}/notebook.db")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path


def run(notebook: Any, folder: Path) -> dict[str, Any]:
    """The code cells of a notebook by their ids, after it has run in a kernel of its own."""
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return {cell["id"]: cell for cell in notebook.cells if cell["cell_type"] == "code"}


def printed(cell: Any) -> str:
    return "".join(out["text"] for out in cell["outputs"] if out["output_type"] == "stream" and out["name"] == "stdout")


def test_the_notebook_is_valid_and_stored_without_outputs() -> None:
    notebook = nbformat.read(SEED, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert len(cells) == 31
    assert [cell["outputs"] for cell in cells] == [[]] * 31 and {cell["execution_count"] for cell in cells} == {None}


def test_every_cell_of_the_seed_does_what_it_did(folder: Path) -> None:
    cells = run(nbformat.read(SEED, as_version=4), folder)
    errors = expected_by_cell("errors.json")
    for name, cell in cells.items():
        number = int(name.removeprefix("cell-"))
        assert comparable(printed(cell)) == comparable(expected_stdout(number)), name
        raised = [(out["ename"], out["evalue"]) for out in cell["outputs"] if out["output_type"] == "error"]
        assert raised == ([(errors[number]["type"], errors[number]["message"])] if number in errors else []), name
    with sqlite3.connect(folder / "notebook.db") as database:
        count = database.execute(f'SELECT count(*) FROM "{TABLE}" WHERE status > 0').fetchone()[0]
    database.close()
    assert count == 5


DECLARED = """
import statustrack as st

class Step(st.BaseTask):
    config = st.TrackerConfig.make("note", 10, 20, 30, 40, 50)

Step.create_table()
"""
AWAITED = """
await Step.acreate("a")
async with Step.start("a") as ctx:
    ctx.set_data({"n": 1})
print(ctx.task.status_name)
"""
INTERRUPTED = """
import signal
with Step.start("b", create=True):
    signal.raise_signal(signal.SIGINT)
"""
LOOKED_AT = """
task = Step.get("b")
print(task.status_name, task.retry, task.attempts[-1].outcome)
"""


def test_a_cell_may_be_run_again_await_at_its_top_and_be_interrupted(folder: Path) -> None:
    sources = [DECLARED, DECLARED, AWAITED, INTERRUPTED, LOOKED_AT]
    notebook = new_notebook(cells=[new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)])
    notebook.cells[3].metadata["tags"] = ["raises-exception"]
    done = run(notebook, folder)
    assert printed(done["cell-2"]) == "succeeded\n"
    assert [out["ename"] for out in done["cell-3"]["outputs"] if out["output_type"] == "error"] == ["KeyboardInterrupt"]
    assert printed(done["cell-4"]) == "pending 0 released\n"
