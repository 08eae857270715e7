"""A sheet that commands write on: lines, paragraphs and aligned columns that fit the terminal, or are whole in a
pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

#: Two columns are so far apart.
GAP = 2
#: A column that gives way keeps so much.
LEAST = 12

STYLES = {
    "pending": "", "in_progress": "cyan", "failed": "yellow", "ignored": "red", "succeeded": "green",
    "running": "cyan", "lost": "red", "evicted": "red", "lease over": "bold red", "nobody": "bold red",
    "released": "dim", "snoozed": "dim",
    "good": "green", "note": "cyan", "warning": "yellow", "bad": "bold red", "absent": "dim", "unknown": "yellow",
}  # fmt: skip


def console(stderr: bool = False) -> Console:
    """The terminal or pipe. What its encoding cannot hold is escaped: a report must not die of an accent."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def is_live() -> bool:
    """Whether standard output can be drawn over; not what rich believes: with FORCE_COLOR it would do so in a file."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


@dataclass(frozen=True)
class Column:
    """A column of a grid: its heading, whether numbers stand in it, and whether it gives way where room is short."""

    heading: str = ""
    right: bool = False
    gives_way: bool = False


class Sheet:
    """Standard output. On a terminal lines are cut or wrapped to its width; elsewhere nothing is cut, so that
    another program gets whole ids. Where the encoding is not UTF-8 it draws with ASCII."""

    def __init__(self) -> None:
        self.out = console()
        self.is_terminal = sys.stdout.isatty()
        self.width = max(40, self.out.width)
        utf8 = (self.out.encoding or "").lower().replace("-", "").startswith("utf")
        self.full, self.empty, self.more, self.arrow = ("━", "─", "…", "→") if utf8 else ("#", "-", "...", ">")
        good, note, bad = ("✓", "·", "✗") if utf8 else ("ok", ".", "NO")
        self.marks = {"good": good, "note": note, "warning": "!", "bad": bad, "absent": "-", "unknown": "?"}

    def line(self, *parts: str | Text | tuple[str, str], style: str = "", indent: int = 0) -> None:
        """One line that is never broken nor cut."""
        self.out.print(Text.assemble(" " * indent, *parts), style=style, soft_wrap=True)

    def space(self) -> None:
        """An empty line."""
        self.out.print()

    def heading(self, text: str) -> None:
        """An empty line, and what follows."""
        self.space()
        self.line((text, "bold"))

    def command(self, text: str) -> None:
        """Something to type: never broken, so that it can be copied."""
        self.line((text, "cyan"), indent=2)

    def words(self, text: str | Text, style: str = "", indent: int = 0, first: Text | None = None) -> None:
        """A paragraph, wrapped on a terminal; its further lines begin where the first does, behind ``first``."""
        lead = Text(" " * indent) if first is None else first
        body = Text(text) if isinstance(text, str) else text
        room = self.width - cell_len(lead.plain)
        lines = body.wrap(self.out, max(20, room)) if self.is_terminal and body else [body]
        for number, line in enumerate(lines):
            line.rstrip()
            before = lead if number == 0 else Text(" " * cell_len(lead.plain))
            body_line = line.copy()
            body_line.stylize_before(style)
            self.out.print(Text.assemble(before, body_line), soft_wrap=True)

    def cut(self, text: Text, room: int) -> Text:
        """At most ``room`` cells of a text, with a mark where something is missing."""
        if cell_len(text.plain) <= room:
            return text
        kept = chop_cells(text.plain, max(1, room - cell_len(self.more)))[0]
        return Text.assemble(text[: len(kept)], self.more)

    def grid(self, columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], indent: int = 0) -> None:
        """Rows in aligned columns. An empty column is left out."""
        cells = [[Text(each) if isinstance(each, str) else each for each in row] for row in rows]
        used = [index for index in range(len(columns)) if any(row[index].plain for row in cells)]
        widths = {
            index: max(cell_len(columns[index].heading), *(cell_len(row[index].plain) for row in cells))
            for index in used
        }
        if self.is_terminal:
            self._fit(columns, widths, self.width - indent)
        if any(columns[index].heading for index in used):
            heads = [Text(columns[index].heading, style="dim") for index in used]
            self._row(columns, used, widths, heads, indent)
        for row in cells:
            self._row(columns, used, widths, [row[index] for index in used], indent)

    def _fit(self, columns: Sequence[Column], widths: dict[int, int], room: int) -> None:
        over = sum(widths.values()) + GAP * (len(widths) - 1) - room
        while over > 0:
            wide = [index for index in widths if columns[index].gives_way and widths[index] > LEAST]
            if not wide:
                return
            widest = max(wide, key=lambda index: widths[index])
            next_width = max([widths[index] for index in wide if widths[index] < widths[widest]], default=LEAST)
            taken = min(over, max(1, widths[widest] - max(LEAST, next_width)))
            widths[widest] -= taken
            over -= taken

    def _row(
        self, columns: Sequence[Column], used: list[int], widths: dict[int, int], cells: list[Text], indent: int
    ) -> None:
        line = Text(" " * indent)
        for position, (index, cell) in enumerate(zip(used, cells, strict=True)):
            cell = self.cut(cell, widths[index])
            fill = " " * (widths[index] - cell_len(cell.plain))
            last = position == len(used) - 1
            if columns[index].right:
                line.append(fill).append_text(cell)
            else:
                line.append_text(cell).append("" if last else fill)
            line.append("" if last else " " * GAP)
        line.rstrip()
        self.out.print(line, soft_wrap=True)
