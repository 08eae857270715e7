"""The generated pages are current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_lifecycle_page_is_what_the_lifecycle_does() -> None:
    done = subprocess.run(
        [sys.executable, "tools/lifecycle_page.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    done = subprocess.run([sys.executable, "tools/cli_page.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_notebook_and_its_page_are_the_users_cells() -> None:
    done = subprocess.run(
        [sys.executable, "tools/seed_notebook.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_of_the_benchmarks_is_what_was_measured() -> None:
    done = subprocess.run([sys.executable, "-m", "bench.page", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
