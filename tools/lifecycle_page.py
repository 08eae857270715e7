"""Writes docs/lifecycle.md from the real lifecycle functions: what each event asks for, and what it changes.

``python tools/lifecycle_page.py`` writes it, ``--check`` tells whether the committed page is current.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from statustrack.core import lifecycle, writes
from statustrack.core.config import TrackerConfig
from statustrack.core.failure import from_reason
from statustrack.core.record import new_row
from statustrack.core.writes import Write

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lifecycle.md"

CONFIG = TrackerConfig.make(
    "use_case",
    pending_status=10,
    in_progress_status=20,
    failed_status=30,
    succeeded_status=40,
    ignored_status=50,
    lock_expire_seconds=60,
)
NOW = 1_700_000_000_000_000
KEY = CONFIG.key("id")
FAILURE = from_reason("error", "it failed")


def _samples() -> dict[str, tuple[Callable[..., Write], Write]]:
    free = new_row(CONFIG, KEY, NOW, "{}", "id", 10, CONFIG.value(KEY, 10))
    claim = lifecycle.claim(CONFIG, KEY, token="t" * 32, worker="w", now=NOW)
    held = writes.apply(claim, free)
    assert held is not None
    killer = {**held, "retry": CONFIG.max_retry - 1}
    at = {"now": NOW + 1}
    operator = {"who": "someone", "why": "reason"}
    made: list[tuple[str, Callable[..., Write], Write]] = [
        ("create", lifecycle.create, lifecycle.create(free)),
        ("claim", lifecycle.claim, claim),
        ("take-over", lifecycle.take_over, lifecycle.take_over(CONFIG, held, token="u" * 32, worker="w", **at)),
        (
            "take-over at max_retry",
            lifecycle.take_over,
            lifecycle.take_over(CONFIG, killer, token="u" * 32, worker="w", **at),
        ),
        ("rescue", lifecycle.rescue, lifecycle.rescue(CONFIG, held, **at)),
        ("rescue at max_retry", lifecycle.rescue, lifecycle.rescue(CONFIG, killer, **at)),
        ("heartbeat", lifecycle.heartbeat, lifecycle.heartbeat(CONFIG, KEY, token="t", until_ms=1, **at)),
        (
            "update",
            lifecycle.update,
            lifecycle.update(CONFIG, KEY, token="t", until_ms=1, changes={"data": "{}"}, **at),
        ),
        ("succeed", lifecycle.succeed, lifecycle.succeed(CONFIG, held, changes={"data": "{}"}, **at)),
        ("fail", lifecycle.fail, lifecycle.fail(CONFIG, held, failure=FAILURE, delay_ms=1000, **at)),
        ("fail at max_retry", lifecycle.fail, lifecycle.fail(CONFIG, killer, failure=FAILURE, **at)),
        ("give up", lifecycle.give_up, lifecycle.give_up(CONFIG, held, failure=FAILURE, **at)),
        ("release", lifecycle.release, lifecycle.release(CONFIG, held, **at)),
        ("snooze", lifecycle.snooze, lifecycle.snooze(CONFIG, held, delay_ms=1000, **at)),
        ("give back", lifecycle.give_back, lifecycle.give_back(CONFIG, held, **at)),
        ("evict", lifecycle.evict, lifecycle.evict(CONFIG, held, **operator, **at)),
        (
            "redrive",
            lifecycle.redrive,
            lifecycle.redrive(CONFIG, {**free, "status": 30}, started=NOW, redrive_id="r", **operator, **at),
        ),
        ("ignore", lifecycle.ignore, lifecycle.ignore(CONFIG, free, **operator, **at)),
        ("too large", lifecycle.end_too_large, lifecycle.end_too_large(CONFIG, held, reason="too large", **at)),
        ("late result", lifecycle.late_result, lifecycle.late_result(KEY, "{}")),
        ("save", lifecycle.save, lifecycle.save(free, attempt=0)),
        ("delete", lifecycle.delete, lifecycle.delete(KEY, attempt=0)),
    ]
    return {name: (function, write) for name, function, write in made}


def _meaning(function: Callable[..., Write]) -> str:
    text = inspect.getdoc(function) or ""
    return " ".join(text.split("\n\n")[0].split())


def _effect(write: Write) -> str:
    if write.kind == "delete":
        return "the row is gone"
    if write.kind == "put":
        return "the whole row is written"
    names = {10: "pending", 20: "in_progress", 30: "failed", 40: "succeeded", 50: "ignored"}
    said = []
    if "status" in write.set:
        said.append(f"status = {names[write.set['status']]}")
    said += [f"{target} = old {source}" for target, source in write.copy.items()]
    said += [f"{name} + {by}" for name, by in write.increment.items()]
    said += [f"one more in {name}" for name in write.add]
    said += [f"{name} = {write.set[name]}" for name in ("retry",) if name in write.set]
    hidden = {"status", "value", "retry"}
    others = [name for name in write.set if name not in hidden]
    if others:
        said.append("sets " + ", ".join(others))
    if write.remove:
        said.append("removes " + ", ".join(write.remove))
    return "; ".join(said)


DIAGRAM = """```mermaid
stateDiagram-v2
    [*] --> pending: create
    pending --> in_progress: claim
    failed --> in_progress: claim (after its backoff)
    in_progress --> in_progress: heartbeat, update, take-over
    in_progress --> succeeded: succeed
    in_progress --> failed: fail, rescue, evict
    in_progress --> ignored: fail, take-over or rescue at max_retry, give up
    in_progress --> pending: release, snooze, give back (to where it was claimed from)
    failed --> pending: redrive
    ignored --> pending: redrive
    pending --> ignored: ignore
    failed --> ignored: ignore
    succeeded --> in_progress: claim of the next step, whose pending it is
```"""


def page() -> str:
    """The text of the page."""
    lines = [
        "# The lifecycle of a task",
        "",
        "This page is generated from `statustrack/core/lifecycle.py` by `tools/lifecycle_page.py`; a test holds it "
        "current.",
        "",
        DIAGRAM,
        "",
        "A write happens only if **all** of its guard holds, in one atomic conditional write of the storage. What "
        "else is in",
        "the row stays as it is. `value` (the status index key) follows the status and is left out below.",
        "",
        "| event | what it means | guard | effect |",
        "| --- | --- | --- | --- |",
    ]
    for name, (function, write) in _samples().items():
        guard = "; ".join(clause.name for clause in write.guard) or "none"
        lines.append(f"| {name} | {_meaning(function)} | {guard} | {_effect(write)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; 1 if it is not current."""
    text = page()
    if "--check" in arguments:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        if not current:
            print("docs/lifecycle.md is not current: run `python tools/lifecycle_page.py`")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
