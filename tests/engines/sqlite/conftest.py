"""An engine on a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statustrack.engines.sqlite.engine import SqliteEngine
from tests.engines.sqlite.rows import engine_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "tasks.db"


@pytest.fixture
def engine(path: Path) -> Iterator[SqliteEngine]:
    """An engine with an empty table ``tasks``."""
    engine = engine_at(path)
    yield engine
    engine.close()
