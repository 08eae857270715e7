"""Writes docs/images/demo.svg: what `statustrack demo` shows in a real terminal of 80 columns.

``python tools/demo_picture.py`` runs the installed command in a pseudo-terminal and an empty folder, and draws what is
left on the screen when it has ended. It needs a POSIX system.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "demo.svg"
COLUMNS, ROWS = 80, 60

#: What moves the cursor or clears a line, and what only colours.
_CONTROL = re.compile(r"\x1b\[(?P<number>[0-9;?]*)(?P<command>[A-Za-z])|(?P<plain>[\r\n])")


def run(arguments: list[str]) -> str:
    """All that the command writes to its terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STATUSTRACK_") and name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    }
    environment.update(TERM="xterm-256color", COLORTERM="truecolor")
    command = [str(Path(sys.executable).with_name("statustrack")), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        written = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not chunk:
                break
            written += chunk
        os.close(leader)
        if child.wait() != 0:
            raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{written.decode()[-2000:]}")
    return written.decode()


def screen(written: str) -> list[str]:
    """The lines that are left, colours included: a terminal that knows what rich sends to redraw a live display."""
    lines, row, place, fresh = [""], 0, 0, False

    def put(text: str) -> None:
        nonlocal fresh
        if text and fresh:  # written over from the beginning of the line
            lines[row] = ""
        if text:
            lines[row] += text
            fresh = False

    for found in _CONTROL.finditer(written):
        put(written[place : found.start()])
        place = found.end()
        if found["plain"] == "\r":
            fresh = True
        elif found["plain"] == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif found["command"] == "A":
            row = max(0, row - int(found["number"] or 1))
        elif found["command"] == "B":
            row = min(len(lines) - 1, row + int(found["number"] or 1))
        elif found["command"] == "K":
            lines[row] = ""
        elif found["command"] == "m":
            put(found[0])
        elif found["command"] not in "hl":  # the cursor is hidden and shown
            raise SystemExit(f"the terminal does not know {found[0]!r}")
    put(written[place:])
    return lines


def main() -> None:
    """Run the demo, and draw it."""
    text = screen(run(["demo"]))
    while text and not Text.from_ansi(text[-1]).plain.strip():
        text.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ statustrack demo", style="bold"))
    for line in text:
        console.print(Text.from_ansi(line), soft_wrap=True, highlight=False)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="statustrack demo", unique_id="demo"), encoding="utf-8")


if __name__ == "__main__":
    main()
