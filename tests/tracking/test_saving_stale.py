"""save() of a task that has moved on since it was read, or that was read in part only."""

from __future__ import annotations

import pytest

import statustrack as st
from examples.steps import Extract
from statustrack import testing


def test_a_task_read_while_it_ran_does_not_undo_the_outcome() -> None:
    with testing.engine(Extract):
        Extract.create("a")
        with Extract.start("a"):
            seen = Extract.get("a")
        with pytest.raises(st.TaskChangedError, match="moved on"):
            seen.save()
        assert Extract.get("a").is_succeeded()


def test_a_task_of_a_listing_is_not_saved_in_part() -> None:
    with testing.engine(Extract):
        Extract.create("a", {"path": "a.pdf"})
        listed = Extract.query_by_status("pending").one()
        with pytest.raises(st.ConfigError, match=r"refresh\(\) first"):
            listed.save()
        listed.refresh()
        listed.save()
        assert Extract.get("a").data == {"path": "a.pdf"}


def test_a_task_is_saved_again_and_again() -> None:
    with testing.engine(Extract):
        task = Extract.create("a")
        for number in range(3):
            task.data = {"n": number}
            task.save()
        task.status = 30
        task.save()
        assert Extract.get("a").status == 30 and Extract.get("a").data == {"n": 2}
