"""Completion in a shell: the scripts, and what they offer."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cli.conftest import Command, Shell


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_that_shell(command: Command, name: str) -> None:
    ran = command("completion", name)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "_STATUSTRACK_COMPLETE" in ran.stdout
    if shutil.which(name):
        subprocess.run([name, "-n"], input=ran.stdout, text=True, check=True)


def offered(shell: Shell, words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    ran = shell(
        _STATUSTRACK_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1),
    )  # fmt: skip
    assert ran.stderr == ""
    return [line.split(",")[1] for line in ran.stdout.splitlines() if line]


def test_commands_options_tables_and_statuses_are_offered(shell: Shell) -> None:
    # The program's name decides the variable: `python -m statustrack` has none that a shell completes.
    from statustrack.cli.app import COMMANDS

    assert shell("init", "--table", "jobs").returncode == 0
    assert shell("init", "--table", "mails").returncode == 0
    assert offered(shell, "statustrack ") == list(COMMANDS)
    assert offered(shell, "statustrack fail") == ["failures"]
    assert "--stuck" in offered(shell, "statustrack list --st")
    assert offered(shell, "statustrack list --status ") == ["pending", "in_progress", "failed", "succeeded", "ignored"]
    assert offered(shell, "statustrack list --status in") == ["in_progress"]
    assert offered(shell, "statustrack status --table ") == ["jobs", "mails"]
    assert offered(shell, "statustrack status --engine sqlite:///no.db --table ") == []
