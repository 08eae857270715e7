"""A table in which something of everything is: two steps, failures of some kinds, a dead holder, hostile texts."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import statustrack as st
from statustrack.engines.clock import MovableClock
from statustrack.engines.registry import open_engine
from statustrack.tracking import heartbeat
from tests.tracking.support import FIRST, SECOND, fail, lose, step

#: What would happen to a terminal that is sent this: colours, another title, text that runs backwards, markup.
HOSTILE_ID = "bad\x1b[31m\u202eid\t[red]x[/red]\u200b"
HOSTILE_ERROR = "\x1b]0;owned\x07 [bold red]no[/] \x9b2J\r\n second line"
SHOWN_ID = "bad\\x1b[31m\\u202eid\\t[red]x[/red]\\u200b"


class Stage:
    """Tasks of ``invoice`` in a table, as two steps left them over an hour."""

    def __init__(self, url: str, table: str) -> None:
        self.clock = MovableClock(time.time_ns() // 1000 - 3600 * 1_000_000)
        self.engine = open_engine(url, clock=self.clock)
        self.table = table
        options: dict[str, Any] = {"use_case": "invoice", "lock_expire_seconds": 60, "max_retry": 2}
        self.read = step(table, FIRST, name="Read", n_pending_shard=2, **options)
        self.answer = step(table, SECOND, name="Answer", **options)
        with st.use_engine(self.engine):
            self.read.create_table(wait=True)

    def fill(self) -> None:
        """12 tasks: 4 pending, 1 crashed, 2 failed, 1 redriven, 1 ignored, 1 running, 1 between the steps, 1 done."""
        with st.use_engine(self.engine):
            read, answer = self.read, self.answer
            read.create_many([f"inv-{number}" for number in range(11)] + [HOSTILE_ID])
            for task_id in ("inv-1", "inv-2"):
                with read.start(task_id):
                    self.clock.advance(2)
            with answer.start("inv-1"):
                self.clock.advance(4)
            fail(read, "inv-3", ValueError("cannot parse page 3 of s3://bucket/3.pdf"))
            fail(read, HOSTILE_ID, ValueError(HOSTILE_ERROR))
            for _ in range(2):
                fail(read, "inv-4", KeyError("author"))
                fail(read, "inv-5", KeyError("author"))
                self.clock.advance(60)
            read.redrive(["inv-5"], why="parser 2.1", who="ann@desk")
            lose(read, "inv-6", self.clock)
            self.clock.advance((time.time_ns() // 1000 - self.clock.wall()) / 1_000_000 - 20)
            ctx = read.start("inv-7").__enter__()
            ctx.progress(0.4, "page 12 of 30")
            self.clock.advance(19)
        with suppress(Exception):
            heartbeat._heartbeat._held.clear()
        self.engine.close()
