"""What ``debug=True`` prints and what the log says: one line or record per transition."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("statustrack")


def log(level: int, event: str, key: str, **fields: Any) -> None:
    """One record per transition; its fields are in ``extra`` (``event``, ``task``, and what belongs to the event)."""
    if logger.isEnabledFor(level):
        shown = ", ".join(f"{name}={value}" for name, value in fields.items() if value not in (None, ""))
        message = f"{event}: {key} ({shown})" if shown else f"{event}: {key}"
        logger.log(
            level, "%s", message, extra={"event": event, "task": key, **{f"task_{k}": v for k, v in fields.items()}}
        )


class Trace:
    """The printed trace of one ``start()``; silent unless ``debug``."""

    def __init__(self, debug: bool, use_case_id: str, task_id: str) -> None:
        self.debug = debug
        self._task = f"use_case_id={use_case_id!r}, task_id={task_id!r})" if debug else ""

    def _rule(self, text: str) -> None:
        print(f"{text:-^120}")

    def started(self) -> None:
        if self.debug:
            self._rule(f" ▶️ start Task({self._task})")
            print("🔓 set status 'in_progress' and lock the task.")

    def refused(self, why: str) -> None:
        if self.debug:
            print(f"❌ {why}")
            self._rule(f" ⏹️ end Task({self._task})")

    def say(self, line: str) -> None:
        if self.debug:
            print(line)

    def ended(self, status: int, status_name: str) -> None:
        if self.debug:
            self._rule(f" ⏹️ end Task({self._task}, status={status})) (aka {status_name!r})")


#: What nobody wants to see.
SILENT = Trace(False, "", "")
