"""The read model: what the command line and a web page show of a table, from its directory, without user code."""

from __future__ import annotations

from statustrack.tracking.checkup import Checkup, checkup
from statustrack.tracking.groups import FailureGroup, Failures, failures
from statustrack.tracking.holders import Holder, Holders, holders
from statustrack.tracking.listing import ListedTask, Listing, Wanted, page_of_tasks
from statustrack.tracking.overview import COUNTED, Overview, overview
from statustrack.tracking.pace import Pace, Paces, paces
from statustrack.tracking.story import Explained, Story, explained, story
from statustrack.tracking.view import Cost, View, plain

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
