"""The demo without its tracking: invoices are generated, read and questioned, and every answer equals the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from statustrack.demo.extract import extract
from statustrack.demo.invoices import AS_OF, BROKEN, TRUTH_FILE, Documents, generate
from statustrack.demo.questions import QUESTIONS, answer, check


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# -- generation ------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(documents: Documents, tmp_path: Path) -> None:
    again = generate(tmp_path)
    assert not again.reused
    assert _contents(tmp_path) == _contents(documents.folder)
    assert len(again.truth) == 200
    assert [path.name for path in again.paths] == sorted([*again.truth, *BROKEN])


def test_another_seed_gives_other_invoices(tmp_path: Path) -> None:
    assert generate(tmp_path / "a", 3, seed=1).truth != generate(tmp_path / "b", 3, seed=2).truth


def test_an_invoice_does_not_depend_on_how_many_are_made(documents: Documents, tmp_path: Path) -> None:
    few = generate(tmp_path, 5)
    for name in few.truth:
        assert (tmp_path / name).read_bytes() == (documents.folder / name).read_bytes()


def test_files_that_are_there_are_reused(tmp_path: Path) -> None:
    first = generate(tmp_path, 4)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second = generate(tmp_path, 4)
    assert second.reused
    assert second.truth == first.truth
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


@pytest.mark.parametrize("damage", ["changed", "missing", "interrupted"])
def test_a_damaged_folder_is_made_again(tmp_path: Path, damage: str) -> None:
    generate(tmp_path, 4)
    before = _contents(tmp_path)
    if damage == "changed":
        (tmp_path / "invoice-0002.pdf").write_bytes(b"not what it was")
    elif damage == "missing":
        (tmp_path / "invoice-0002.pdf").unlink()
    else:  # what a run leaves that was killed before its end
        made = json.loads((tmp_path / TRUTH_FILE).read_text(encoding="utf-8"))
        (tmp_path / TRUTH_FILE).write_text(json.dumps({"format": made["format"], "files": made["files"]}))
        (tmp_path / "invoice-0004.pdf").unlink()
    assert not generate(tmp_path, 4).reused
    assert _contents(tmp_path) == before


def test_fewer_invoices_replace_more_and_leave_foreign_files_alone(tmp_path: Path) -> None:
    generate(tmp_path, 6)
    (tmp_path / "mine.pdf").write_bytes(b"mine")
    generate(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {
        "invoice-0001.pdf", "invoice-0002.pdf", "mine.pdf", TRUTH_FILE, *BROKEN,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["invoice-0001.pdf", TRUTH_FILE])
def test_a_foreign_file_of_the_same_name_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a document of the user's")
    with pytest.raises(FileExistsError, match="was not made by the demo"):
        generate(tmp_path, 2)
    assert _contents(tmp_path) == {name: b"a document of the user's"}


def test_a_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count is 0"):
        generate(tmp_path, 0)


def test_the_invoices_differ_as_real_ones_do(documents: Documents) -> None:
    truths = list(documents.truth.values())
    assert len({truth["layout"] for truth in truths}) == 6
    assert {truth["currency"] for truth in truths} == {"USD", "GBP", "EUR", "CHF"}
    assert {truth["pages"] for truth in truths} == {1, 2}
    assert {len(truth["lines"]) for truth in truths} == set(range(1, 13))
    assert len({truth["invoice_number"] for truth in truths}) == 200
    for yes in (
        lambda truth: Decimal(truth["total"]) > 10_000,
        lambda truth: date.fromisoformat(truth["due_date"]) < AS_OF,
        lambda truth: sum(Decimal(line["amount"]) for line in truth["lines"]) == Decimal(truth["subtotal"]),
    ):
        assert 10 <= sum(map(yes, truths)) < 200, "a question that always has the same answer tests nothing"


# -- extraction and questions ----------------------------------------------------------------------------------------


def test_extraction_equals_the_truth_for_every_invoice(
    documents: Documents, extracted: dict[str, dict[str, Any]]
) -> None:
    for name, truth in documents.truth.items():
        found = extracted[name]
        assert found["pages"] == truth["pages"], name
        assert found["line_items"] == truth["lines"], name
        assert {truth["issue_date"]} <= set(found["dates"]), name
        amounts = {Decimal(amount["value"]) for amount in found["amounts"]}
        assert {Decimal(truth[key]) for key in ("subtotal", "tax", "total")} <= amounts, name
        assert {truth["buyer"], truth["invoice_number"]} <= set(found["key_values"].values()), name
        assert truth["seller"] in found["text"], name
        assert found["notes"] == [], name
        assert len(json.dumps(found)) < 10_000, name


def test_every_answer_is_right(documents: Documents, extracted: dict[str, dict[str, Any]]) -> None:
    for name, truth in documents.truth.items():
        answers = answer(json.loads(json.dumps(extracted[name])), AS_OF)
        assert check(answers, truth) == [], name
        assert set(QUESTIONS) | {"as_of", "notes"} == set(answers)
        assert json.loads(json.dumps(answers)) == answers


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_are_right_for_seeds_that_the_reader_was_not_made_for(tmp_path: Path, seed: int) -> None:
    made = generate(tmp_path, 40, seed=seed)
    for name, truth in made.truth.items():
        assert check(answer(extract(tmp_path / name), AS_OF), truth) == [], name


def test_check_names_each_wrong_answer(documents: Documents, extracted: dict[str, dict[str, Any]]) -> None:
    name = next(iter(documents.truth))
    answers = answer(extracted[name], AS_OF)
    wrong = {**answers, "seller": "Somebody Else", "overdue": not answers["overdue"], "total_due": None}
    problems = check(wrong, documents.truth[name])
    assert [problem.split(":")[0] for problem in problems] == ["seller", "total due", "overdue"]
    assert f"the answer is 'Somebody Else', the truth is {answers['seller']!r}" in problems[0]


def test_overdue_depends_on_the_day_that_is_asked_about(extracted: dict[str, dict[str, Any]]) -> None:
    invoice = next(iter(extracted.values()))
    due = date.fromisoformat(answer(invoice, AS_OF)["due_date"])
    assert answer(invoice, due)["overdue"] is False
    assert answer(invoice, date.fromordinal(due.toordinal() + 1))["overdue"] is True


# -- the optional extra ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("library", "module"), [("fpdf", "layouts"), ("pypdf", "extract")])
def test_without_its_library_the_demo_names_the_extra(library: str, module: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import statustrack.demo.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "statustrack[demo]"' in done.stderr.splitlines()[-1]


def test_truth_and_questions_need_no_pdf_library() -> None:
    code = (
        "import sys, statustrack.demo.invoices, statustrack.demo.questions;"
        "sys.exit(any(name in sys.modules for name in ('fpdf', 'pypdf')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
