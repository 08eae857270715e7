"""The command itself: help that costs nothing, and errors that end in one clean message."""

from __future__ import annotations

import subprocess
import sys

import pytest

from statustrack import __version__
from statustrack.cli.app import COMMANDS
from tests.cli.conftest import Command, Shell


def test_help_lists_the_commands_in_the_order_of_a_first_hour(command: Command) -> None:
    shown = command("--help")
    assert shown.exit_code == 0
    listed = [line.split()[0] for line in shown.stdout.split("Commands:")[1].splitlines() if line.strip()]
    assert listed[:5] == ["demo", "init", "add", "run", "status"]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_of_a_command_has_an_example_and_fits_80_columns(command: Command, name: str) -> None:
    shown = command(name, "-h")
    assert shown.exit_code == 0
    assert f"  statustrack {name}" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


def test_help_brings_nothing_heavy() -> None:
    code = (
        "import sys; from statustrack.cli.app import cli\n"
        "try: cli(['demo', '--help'])\n"
        "except SystemExit: pass\n"
        "print('heavy:', [n for n in ('boto3', 'rich', 'pypdf', 'fpdf', 'multiprocessing', 'sqlite3')"
        " if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "heavy: []"


def test_both_ways_to_call_it_are_one(shell: Shell) -> None:
    ran = shell("--version")
    assert ran.stdout.split() == ["statustrack,", "version", __version__]


def test_an_error_of_the_library_is_one_message_on_stderr(shell: Shell) -> None:
    ran = shell("status", "--engine", "nonsense")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: engine URL 'nonsense' is not of a known form")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["before", "after", "variable"])
def test_debug_shows_the_traceback(shell: Shell, how: str) -> None:
    arguments = {"before": ["--debug", "status"], "after": ["status", "--debug"], "variable": ["status"]}[how]
    environment = {"STATUSTRACK_DEBUG": "1"} if how == "variable" else {}
    ran = shell(*arguments, "--engine", "nonsense", **environment)
    assert ran.returncode != 0
    assert "Traceback (most recent call last)" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("statustrack.core.errors.ConfigError: engine URL 'nonsense'")


def test_an_error_of_the_system_is_one_message_too(shell: Shell, command: Command) -> None:
    ran = shell("demo", "--folder", "/dev/null/x", "--invoices", "1")
    assert ran.returncode == 2
    assert ran.stderr == "Error: Not a directory: /dev/null/x/documents\n"


def test_a_mistyped_option_says_how_to_get_help(command: Command) -> None:
    ran = command("status", "--tabel", "x")
    assert ran.exit_code == 2
    assert "Usage: " in ran.stderr
    assert "--tabel" in ran.stderr
