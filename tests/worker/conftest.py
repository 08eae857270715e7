"""What the tests of workers have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import statustrack as st
from tests.tracking.support import FIRST, step


@pytest.fixture
def make(tmp_path: Path, table_name: str) -> Any:
    """A step on a SQLite file of this test, with tasks."""
    with st.use_engine(f"sqlite:///{(tmp_path / 'worker.db').as_posix()}"):

        def made(*ids: str, **options: Any) -> type[st.BaseTask]:
            found = step(table_name, FIRST, **options)
            found.create_table(wait=True)
            found.create_many(ids)
            return found

        yield made
