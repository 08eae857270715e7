"""Writes docs/cli.md from the real commands: the help of each, at 80 columns.

``python tools/cli_page.py`` writes it, ``--check`` tells whether the committed page is current.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from click.testing import CliRunner

from statustrack.cli.app import COMMANDS, cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

INTRODUCTION = """# Command line

This page is generated from the commands by `tools/cli_page.py`; a test holds it current.

The commands need none of your code, unless they name it. `--engine` says where the tasks live; without it, it is
`STATUSTRACK_ENGINE`, and then what the help of the command says.
"""


def _help(*words: str) -> str:
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="statustrack", terminal_width=80, color=False)
    return "\n".join(line.rstrip() for line in shown.output.strip().splitlines())


def page() -> str:
    """The text of the page."""
    parts = [INTRODUCTION, f"```text\n{_help()}\n```\n"]
    for name in COMMANDS:
        parts.append(f"## statustrack {name}\n\n```text\n{_help(name)}\n```\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write or check the page; 1 if it is not current."""
    for name in [name for name in os.environ if name.startswith("STATUSTRACK_")]:
        del os.environ[name]
    text = page()
    if "--check" in arguments:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        if not current:
            print("docs/cli.md is not current: run `python tools/cli_page.py`")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
