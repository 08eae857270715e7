"""The pages of the documentation as tests see them: their fenced blocks, and what is asked of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])

#: What a comment before a block may ask for. ``needs ...``: compiled, not run. ``prints``: the block is what the one
#: before it has printed, where ``...`` stands for anything. ``raises``: the block ends with an exception. ``says``: as
#: ``prints``, on a page whose commands are run by tests/cli/test_incidents.py, on incidents that are staged for them.
MARKS = ("needs aws", "needs a network", "prints", "raises", "says")

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
_MARK = re.compile(r"^<!-- (?P<mark>[a-z ]+) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language (the info string), its text, the line of its first line, and its mark."""

    language: str
    text: str
    line: int
    mark: str = ""


def name_of(page: Path) -> str:
    """How messages name a page."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order. Raises ``ValueError`` for one that is not closed, or an unknown mark."""
    blocks: list[Block] = []
    fence = language = mark = before = ""
    start, text = 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if fence:
            if line.strip() == fence:
                blocks.append(Block(language, "\n".join(text) + "\n", start, mark))
                fence = before = ""
            else:
                text.append(line)
        elif found := _FENCE.match(line):
            fence, language = found["fence"], found["info"].strip()
            start, text = number + 1, []
            marked = _MARK.match(before)
            mark = marked["mark"] if marked else ""
            if mark and mark not in MARKS:
                raise ValueError(f"{name_of(page)}:{number}: unknown mark {mark!r}: known are {MARKS}")
        elif line.strip():
            before = line.strip()
    if fence:
        raise ValueError(f"{name_of(page)}:{start - 1}: this block is not closed")
    return blocks


def is_staged(page: Path) -> bool:
    """Whether the commands of a page are about incidents that a test stages."""
    return any(block.mark == "says" for block in blocks_of(page))


def without_blocks(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    lines, fence = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence:
            fence = "" if line.strip() == fence else fence
        elif found := _FENCE.match(line):
            fence = found["fence"]
        else:
            lines.append(line)
    return "\n".join(lines)
