"""The read model: what the command line and a web page show of a table, from its directory, without user code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from statustrack.tracking.checkup import Checkup, checkup
from statustrack.tracking.groups import FailureGroup, Failures, failures
from statustrack.tracking.holders import Holder, Holders, holders
from statustrack.tracking.listing import ListedTask, Listing, Wanted, page_of_tasks
from statustrack.tracking.overview import COUNTED, Overview, overview
from statustrack.tracking.pace import Pace, Paces, paces
from statustrack.tracking.story import Explained, Story, explained, story
from statustrack.tracking.view import Cost, View

__all__ = [
    "COUNTED",
    "Checkup",
    "Cost",
    "Explained",
    "FailureGroup",
    "Failures",
    "Holder",
    "Holders",
    "ListedTask",
    "Listing",
    "Overview",
    "Pace",
    "Paces",
    "Story",
    "View",
    "Wanted",
    "checkup",
    "explained",
    "failures",
    "holders",
    "overview",
    "paces",
    "page_of_tasks",
    "plain",
    "story",
]


def plain(answer: Any) -> Any:
    """An answer as JSON can hold it: objects for dataclasses, ISO 8601 texts for instants."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {field.name: plain(getattr(answer, field.name)) for field in dataclasses.fields(answer)}
    if isinstance(answer, datetime):
        return answer.isoformat()
    if isinstance(answer, Mapping):
        return {str(name): plain(value) for name, value in answer.items()}
    if isinstance(answer, tuple) and hasattr(answer, "_asdict"):
        return {name: plain(value) for name, value in answer._asdict().items()}
    if isinstance(answer, (list, tuple)):
        return [plain(each) for each in answer]
    return answer
