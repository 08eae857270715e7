"""Runs the blocks of one page in order, in one namespace, in the working directory: a program of its own.

``python -m tests.docs.run_page docs/start.md``. A page is run in a process of its own, since the engine that tasks go
to without further ado is a file in the working directory of the process. Exit status 1 and a message where a block
fails.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import subprocess
import sys
import traceback
import types
from pathlib import Path

from tests.docs.pages import Block, blocks_of, name_of

_CHECKER = doctest.OutputChecker()


class Wrong(Exception):
    """A block is not as the page says."""


def run(page: Path) -> int:
    """Run a page; the number of blocks that were run."""
    # A module of its own, as a user's file is: classes in it can be found again by their module's name.
    module = types.ModuleType("page")
    sys.modules["page"] = module
    out, printed, ran = io.StringIO(), "", 0
    for block in blocks_of(page):
        where = f"{name_of(page)}:{block.line}"
        if block.mark.startswith("needs ") or block.language not in ("python", "bash", "text"):
            continue
        if block.mark == "prints":
            if not _CHECKER.check_output(block.text, printed, doctest.ELLIPSIS):
                raise Wrong(f"{where}: the page says\n{block.text}\nand what was printed is\n{printed}")
        elif block.language == "python":
            printed = _run_python(page, block, module, out)
            ran += 1
        elif block.language == "bash" and not is_told(block):
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True)
            if done.returncode != 0:
                raise Wrong(f"{where}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
            printed = done.stdout
            ran += 1
    return ran


def is_told(block: Block) -> bool:
    """Whether a bash block only installs or names commands of the house: those are looked up, not run."""
    return all(line.startswith(("make ", "pip install ")) for line in block.text.splitlines() if line.strip())


def _run_python(page: Path, block: Block, module: types.ModuleType, out: io.StringIO) -> str:
    # As many empty lines before it as the page has: a traceback names the line of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
    before = out.tell()  # one stream for the page: a log handler keeps the one it was given
    try:
        with contextlib.redirect_stdout(out):
            exec(code, module.__dict__)
    except BaseException:
        if block.mark != "raises":
            raise Wrong(f"{name_of(page)}:{block.line}: {traceback.format_exc()}") from None
    else:
        if block.mark == "raises":
            raise Wrong(f"{name_of(page)}:{block.line}: the page says that this raises, and it does not")
    return out.getvalue()[before:]


if __name__ == "__main__":
    try:
        print(run(Path(sys.argv[1]).resolve()), "blocks")
    except Wrong as wrong:
        sys.exit(str(wrong))
