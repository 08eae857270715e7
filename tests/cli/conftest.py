"""What the tests of the command line share: the command run in this process, and in one of its own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from statustrack.cli.app import cli
from statustrack.engines import registry

Command = Callable[..., Result]
Shell = Callable[..., subprocess.CompletedProcess[str]]
Terminal = Callable[..., tuple[str, int]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`statustrack ARGUMENTS` in an empty folder; the result has exit_code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "STATUSTRACK_TABLE", "STATUSTRACK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    # A process keeps the file that a relative URL meant first; here each test is as a process of its own.
    monkeypatch.setattr(registry, "_open", {})
    yield lambda *arguments: CliRunner().invoke(cli, arguments)
    registry.close_all()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """The same in a terminal of so many columns: all that it is sent, as text, and the exit status."""
    import fcntl  # there is none on Windows
    import termios

    def run(columns: int, *arguments: str, seconds: float = 60, **environment: str) -> tuple[str, int]:
        leader, follower = os.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATUSTRACK", "COLUMNS"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "statustrack", *arguments],
            cwd=tmp_path, env={**kept, "TERM": "xterm-256color", **environment},
            stdin=follower, stdout=follower, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        sent = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # how Linux says that nobody has the other end any more
                break
            if not part:
                break
            sent += part
        os.close(leader)
        return sent.decode(errors="strict").replace("\r\n", "\n"), process.wait(seconds)

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """The same as its own process, with an environment of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STATUSTRACK", "COLUMNS"))}
        return subprocess.run(
            [sys.executable, "-m", "statustrack", *arguments],
            cwd=tmp_path, env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run
