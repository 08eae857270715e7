"""Checks the committed cells, outputs and exceptions against the user's notebook, where it lies beside the checkout."""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

CELLS = Path(__file__).parent / "cells"
SOURCE = Path(__file__).resolve().parents[2].parent / "shared" / "seed" / "status-tracker.md"


class Cell(NamedTuple):
    number: int
    code: str
    stdout: str
    result: str | None
    error: tuple[str, str] | None


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _ends_the_code(paragraph: str, code: str) -> bool:
    """Three things would pass for Python: a heading, a result, and the echo of an expression that the cell prints."""
    echoed = paragraph.partition(" = ")[0]
    return paragraph.startswith("## ") or paragraph.isdigit() or f"{{{echoed} = }}" in code


def _split_code(body: str) -> tuple[str, str]:
    """The export puts no fence around a cell: its code is the longest leading run of paragraphs that is Python."""
    code_end = start = 0
    for gap in re.finditer(r"\n\n", body):
        if _ends_the_code(body[start : gap.start()].strip("\n"), body[:start]):
            break
        if _is_python(body[: gap.start()]):
            code_end = gap.start()
        start = gap.end()
    return body[:code_end].rstrip("\n") + "\n", body[code_end + 2 :]


def extract(markdown: str) -> list[Cell]:
    """The cells of the exported notebook: text printed ends with a newline, so that two blank lines follow it; a
    result or an exception has one; what comes after is prose."""
    pieces = re.split(r"^In \[(\d+)\]:\n", markdown, flags=re.MULTILINE)
    cells = []
    for number, body in zip(pieces[1::2], pieces[2::2], strict=True):
        code, rest = _split_code(body)
        stdout = ""
        while "\n\n\n" in rest:
            chunk, after = rest.split("\n\n\n", 1)
            if "\n\n" in chunk:  # several paragraphs: prose that happens to end with two blank lines
                break
            stdout, rest = stdout + chunk.strip("\n") + "\n", after
        first = rest.split("\n\n", 1)[0].removesuffix("\n")
        error = re.fullmatch(r"(\w+Error): (.*)", first)
        cells.append(
            Cell(
                number=int(number),
                code=code,
                stdout=stdout,
                result=first if first.isdigit() else None,
                error=(error[1], error[2]) if error else None,
            )
        )
    return cells


def committed() -> list[Cell]:
    errors = json.loads((CELLS / "errors.json").read_text(encoding="utf-8"))
    results = json.loads((CELLS / "results.json").read_text(encoding="utf-8"))
    cells = []
    for path in sorted(CELLS.glob("cell_*.py")):
        key = path.stem.removeprefix("cell_")
        expected = path.with_name(f"expected_{key}.txt")
        error = errors.get(key)
        cells.append(
            Cell(
                number=int(key),
                code=path.read_text(encoding="utf-8"),
                stdout=expected.read_text(encoding="utf-8") if expected.exists() else "",
                result=results.get(key),
                error=(error["type"], error["message"]) if error else None,
            )
        )
    return cells


if SOURCE.exists():

    def test_the_committed_cells_are_those_of_the_notebook() -> None:
        extracted = extract(SOURCE.read_text(encoding="utf-8"))
        assert [cell.number for cell in committed()] == [cell.number for cell in extracted]
        for ours, theirs in zip(committed(), extracted, strict=True):
            assert ours == theirs, f"In [{theirs.number}]"
