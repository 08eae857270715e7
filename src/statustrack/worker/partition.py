"""How far one partition of the status index has been read."""

from __future__ import annotations

from statustrack.engines.protocol import Cursor

#: Rows of a page where most of them can be claimed.
SMALLEST_PAGE = 50


class Partition:
    """How far one partition of the status index has been read."""

    __slots__ = ("after", "done", "head", "left", "name", "page", "poll_at", "read_to", "rewalk", "rows", "since")

    def __init__(self, name: str) -> None:
        self.name = name
        self.page = SMALLEST_PAGE
        self.rewalk = 0.0
        self.poll_at = 0.0  #: a walk that passes over many rows is not repeated at once
        self.since: str | None = None  #: rows before it are known
        self.read_to = 0  #: when the walk under way began
        self.begin(None, 0)

    def begin(self, since: str | None, now: int) -> None:
        """Walk from here to the end."""
        self.since = since
        self.after: Cursor | None = None
        self.head = True  #: whether this walk passes over all that it should
        self.done = False
        self.read_to = now
        self.rows = 0  #: read in this walk
        #: Tasks that this walk leaves to rivals, and since when they are there: the next one goes over the same rows.
        self.left: dict[str, str] = {}
