"""Readable anywhere: at 80 columns and at 200, in a pipe, without UTF-8, with many tasks, with hostile texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import statustrack as st
from statustrack.cli.words import ago, clock, count, lines_of, shown, size, span
from statustrack.core.times import EPOCH
from tests.cli.conftest import Command, Shell, Terminal
from tests.cli.staged import HOSTILE_ID, SHOWN_ID, Stage
from tests.tracking.support import FIRST, fail, step

URL = "sqlite:///statustrack.db"
#: What is run: the more a command shows, the more can go wrong.
SCREENS = (
    ("status", "--pace", "--cost"),
    ("list",),
    ("list", "--status", "failed"),
    ("list", "--stuck"),
    ("show", "inv-5", "--data", "--tracebacks"),
    ("show", "inv-7"),
    ("explain", "inv-6"),
    ("failures",),
    ("doctor",),
    ("watch", "--times", "2", "--every", "0.2"),
)
screens = pytest.mark.parametrize("arguments", SCREENS, ids=" ".join)
#: Colours and styles: all that a terminal is ever sent, and by watch also what redraws.
STYLE = re.compile(r"\x1b\[[0-9;]*m")
REDRAW = re.compile(r"\x1b\[(\?25[lh]|[0-9]*[AKJG])|\r")


@pytest.fixture
def staged(tmp_path: Path) -> Stage:
    """A staged table in the file of the working directory."""
    stage = Stage(f"sqlite:///{tmp_path}/statustrack.db", "jobs")
    stage.fill()
    return stage


def plain(text: str) -> list[str]:
    return STYLE.sub("", REDRAW.sub("", text)).splitlines()


@pytest.mark.parametrize("columns", [80, 200])
@screens
def test_no_line_is_wider_than_the_terminal(
    staged: Stage, terminal: Terminal, arguments: tuple[str, ...], columns: int
) -> None:
    sent, status = terminal(columns, *arguments)
    assert status in (0, 1), sent
    assert "\x1b[" in sent  # it is coloured
    assert "Traceback" not in sent or arguments[0] == "show"
    for line in plain(sent):
        assert cell_len(line) <= columns or line.startswith(("More: --after", "  statustrack ")), line
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u200b]", "".join(plain(sent)))


def test_what_is_cut_has_a_mark_and_what_is_not_is_whole(staged: Stage, terminal: Terminal) -> None:
    narrow, _ = terminal(80, "list", "--status", "failed")
    assert "…" in narrow
    wide, _ = terminal(200, "list", "--status", "failed")
    assert "…" not in wide
    assert "cannot parse page 3 of s3://bucket/3.pdf" in wide
    # What is the same in all lines is said once where room is short.
    assert "Read, failed" in STYLE.sub("", narrow)


@screens
def test_a_pipe_gets_whole_lines_without_colour(staged: Stage, shell: Shell, arguments: tuple[str, ...]) -> None:
    ran = shell(*arguments)
    assert ran.returncode in (0, 1)
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    assert "…" not in ran.stdout
    if arguments == ("list",):
        assert SHOWN_ID in ran.stdout


@screens
def test_without_utf8_it_is_drawn_in_ascii(staged: Stage, shell: Shell, arguments: tuple[str, ...]) -> None:
    ran = shell(*arguments, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.returncode in (0, 1), ran.stderr
    assert ran.stderr == ""
    assert ran.stdout.isascii()
    # Nothing of our own drawing is escaped: that would be no picture.
    assert not re.search(r"\\u2[0-9a-f]{3}", ran.stdout.replace("\\u202e", "").replace("\\u200b", ""))


def test_text_that_the_encoding_lacks_is_escaped(shell: Shell, tmp_path: Path) -> None:
    task = step("jobs", FIRST, use_case="café")
    with st.use_engine(f"sqlite:///{tmp_path}/statustrack.db"):
        task.create_table(wait=True)
        task.create("naïve-日本")
        fail(task, "naïve-日本", ValueError("größer als ∞"))
    for arguments in (("status",), ("list",), ("failures",), ("show", "naïve-日本"), ("explain", "naïve-日本")):
        ran = shell(
            *arguments, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="1" if "naïve-日本" in arguments else "0"
        )
        assert ran.returncode in (0, 1), ran.stderr
        assert ran.stdout.isascii()
        assert "caf\\xe9" in ran.stdout or arguments[0] in ("list", "failures")
    assert "na\\xefve-\\u65e5\\u672c" in shell("list", PYTHONIOENCODING="ascii").stdout
    assert "naïve-日本" in shell("list", PYTHONIOENCODING="utf-8").stdout


def test_wide_characters_are_aligned(staged: Stage, terminal: Terminal, tmp_path: Path) -> None:
    with st.use_engine(f"sqlite:///{tmp_path}/statustrack.db"):
        staged.read.create("請求書-1")
    lines = plain(terminal(120, "list", "--limit", "5")[0])
    rows = [line for line in lines if " Read " in line]
    assert len({cell_len(line[: line.index(" Read ")]) for line in rows}) == 1
    assert any(line.startswith("請求書-1") for line in rows)


@screens
def test_hostile_texts_are_shown_and_not_sent(staged: Stage, terminal: Terminal, arguments: tuple[str, ...]) -> None:
    """In a terminal, where it would matter."""
    replaced = tuple(HOSTILE_ID if each.startswith("inv-") else each for each in arguments)
    sent, status = terminal(200, *replaced)
    assert status in (0, 1)
    rest = STYLE.sub("", REDRAW.sub("", sent))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u200b]", rest)
    if arguments[0] in ("show", "explain", "failures"):
        assert SHOWN_ID in rest
    if arguments[0] in ("show", "failures"):
        assert "[bold red]no[/]" in rest  # markup is text


def test_many_tasks_come_in_pages(command: Command, tmp_path: Path) -> None:
    task = step("jobs", FIRST, use_case="many")
    with st.use_engine(URL):
        task.create_table(wait=True)
        task.create_many(f"t-{number:05d}" for number in range(3000))
        for number in range(60):
            fail(task, f"t-{number:05d}", [ValueError, KeyError, TypeError][number % 3](chr(97 + number % 26) * 5))
        task.create("large", {f"k{number}": number for number in range(3000)} | {"text": "x" * 100_000})
    for arguments in (("status",), ("list",), ("failures",), ("doctor",), ("show", "large", "--data")):
        ran = command(*arguments)
        assert len(ran.stdout.splitlines()) < 260, arguments
        assert max(map(len, ran.stdout.splitlines())) < 2100, arguments
    assert len(command("list").stdout.splitlines()) < 30
    failed = command("failures").stdout
    assert failed.count("statustrack list --group") == 20
    assert "more groups: --limit" in failed
    assert "2,803 more lines: --data --json has all" in command("show", "large", "--data").stdout


def test_many_use_cases_are_no_flood(command: Command) -> None:
    command("init", "--table", "jobs")
    from statustrack.core.config import TrackerConfig
    from statustrack.core.directory import register
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.directory import directory_of

    shared = directory_of(open_engine(URL), "jobs")
    shared._change(
        lambda found: [register(found, TrackerConfig.make(f"u{n:03d}", *FIRST), "Step") for n in range(100)] != []
    )
    told = command("status").stdout
    assert told.count(": 0 tasks") == 30
    assert "70 more use cases: --use-case NAME shows one" in told
    one = command("status", "--use-case", "u077").stdout
    assert one.count(" tasks") == 1
    assert "u077: 0 tasks" in one
    assert command("status", "--use-case", "nobody").exit_code == 2


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"), (0, "0 ms"), (0.0004, "0 ms"), (0.25, "250 ms"), (0.9999, "1.0 s"), (3.21, "3.2 s"),
        (9.949, "9.9 s"), (12, "12 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min"),
        (7200, "2 h"), (86_400, "24 h"), (172_800, "2 d"), (86_400 * 1500, "1,500 d"), (None, ""),
    ],
)  # fmt: skip
def test_durations_are_humane(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


def test_ages_counts_sizes_and_times_are_humane() -> None:
    assert ago(180) == "3 min ago"
    assert ago(-30) == "in 30 s"
    assert ago(None) == ""
    assert (count(1204), count(10_000, True), count(None)) == ("1,204", "10,000+", "")
    assert (size(0), size(999), size(2048), size(3 * 1024 * 1024)) == ("0 B", "999 B", "2.0 KB", "3.0 MB")
    later = EPOCH.replace(hour=10)
    assert clock(EPOCH.replace(hour=9, minute=5), later) == "09:05:00"
    assert clock(EPOCH.replace(year=1969), later) == "1969-01-01 00:00:00"
    assert clock(None, later) == ""


@pytest.mark.parametrize(
    "harmful", [*map(chr, range(32)), *map(chr, range(127, 160)), *"\u200b\u200e\u202e\u2066\ufeff\u2028"]
)
def test_what_is_not_printable_is_shown(harmful: str) -> None:
    assert shown(f"a{harmful}b").isprintable()
    assert shown(f"a{harmful}b") == f"a{ascii(harmful)[1:-1]}b"


def test_lines_of_text_stay_lines() -> None:
    assert lines_of("a\r\nb\tc\nd\x1b") == ["a", "b   c", "d\\x1b"]
    surrogate: Any = "\ud800"
    assert shown(surrogate) == "\\ud800"
