"""Every Python and bash block of the documentation and the README does what it is there to show."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks_of, is_staged, name_of
from tests.docs.run_page import is_told

LANGUAGES = {"python", "bash", "text", "json", "sql", "mermaid"}
RUN = [
    page
    for page in PAGES
    if any(block.language in ("python", "bash") for block in blocks_of(page)) and not is_staged(page)
]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_name_a_known_language(page: Path) -> None:
    """What is no block of Python or bash by its name would not be run."""
    for block in blocks_of(page):
        assert block.language in LANGUAGES or block.language.startswith("{"), f"{name_of(page)}:{block.line}"


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    if not shutil.which("bash") and any(block.language == "bash" for block in blocks_of(page)):
        pytest.skip("there is no bash here")
    shutil.copy(ROOT / "examples" / "steps.py", tmp_path)  # the guide asks its readers to save it
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "COLUMNS": "80"}
    for name in [name for name in environment if name.startswith("STATUSTRACK_")]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.run_page", str(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_what_is_not_run_is_right_as_far_as_can_be_told(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for block in blocks_of(page):
        if block.language == "python" and block.mark.startswith("needs "):
            compile(block.text, name_of(page), "exec")
        elif block.language == "bash" and block.mark.startswith("needs "):
            subprocess.run(["bash", "-n", "-c", block.text], check=True)
        elif block.language == "bash" and is_told(block):
            check_told(block, targets, project)


def check_told(block: Block, targets: set[str], project: str) -> None:
    for line in block.text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        elif words[:2] == ["pip", "install"]:
            for extra in re.findall(r"\[(\w+)\]", line):
                assert f"\n{extra} = [" in project, line
