"""What must be true of every single write: said again, in plain Python, from the design and not from the guards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.limits import ATTEMPTS_KEPT, LATE_RESULTS_KEPT
from statustrack.core.record import NOT_LOCKED, attempts_of, errors_of, lease_end_ms, notes_of
from statustrack.core.writes import Row, Write
from tests.modelcheck.words import NOW, TICK, Spec

if TYPE_CHECKING:
    from tests.modelcheck.space import Space

#: Events that only the holder may carry out, and what they leave behind.
HOLDERS = ("heartbeat", "update", "succeed", "fail", "give_up", "release", "snooze", "give_back")
ENDS = ("succeed", "fail", "give_up", "release", "snooze", "give_back")
LOGGED = {
    "fail": "error", "give_up": "error", "take_over": "lost", "rescue": "lost", "evict": "lost",
    "too_large": "too_large",
}  # fmt: skip
OPERATORS = ("redrive", "ignore", "delete", "save")
#: The events that replace the row or are forced: what they do to the user's attributes is the caller's business.
REPLACING = ("create", "delete", "expire", "save", "edit", "mate")

_VERSION = re.compile(r'^\{"(.{1,8})":(\d+)\}$')


def _free(row: Row) -> bool:
    return row.get("lock") in (None, NOT_LOCKED)


def _from(event: str, config: TrackerConfig) -> tuple[int, ...] | None:
    """The states that an event may start from: the second column of the lifecycle's table. None: any."""
    pending, running, failed, _, ignored = config.codes
    if event == "claim":
        return (pending, failed, *config.more_pending_status)
    if event in HOLDERS or event in ("take_over", "rescue", "evict"):
        return (running,)
    return {"redrive": (failed, ignored), "ignore": (pending, failed)}.get(event)


def of_change(space: Space, spec: Spec, write: Write, old: Row | None, new: Row | None) -> tuple[str, ...]:
    """What is wrong with a change of the row."""
    config = space.configs[spec.step]
    sent = NOW - spec.age * TICK
    return tuple(changes(config, spec.event, spec.token, old, new, NOW, sent, _observed(space, spec)))


def _observed(space: Space, spec: Spec) -> Row | None:
    return space.rows[space.older(spec.row, spec.age)] if spec.row > 0 else None


def changes(
    config: TrackerConfig,
    event: str,
    token: str,
    old: Row | None,
    new: Row | None,
    now: int,
    sent: int,
    observed: Row | None,
    slack_ms: int = 0,
) -> list[str]:
    """What is wrong with a change, as sentences; ``observed`` is the row that the writer knew."""
    bad: list[str] = []
    if event == "create":
        return ["create overwrote a task"] if old is not None else []
    if event in ("edit", "mate"):
        return bad
    if old is None:
        if event not in ("save", "delete", "expire"):
            bad.append(f"{event} made a row that is no task")
        return bad
    if event in OPERATORS:
        assert observed is not None
        if int(old.get("attempt") or 0) != int(observed.get("attempt") or 0):
            bad.append(f"{event} was decided on another attempt")
        if event in ("redrive", "ignore") and old["status"] != observed["status"]:
            bad.append(f"{event} was decided on another status")
        if not _free(old):
            bad.append(f"{event} of a task that is held")
    if event in ("expire", "lift_expiry"):
        assert observed is not None
        if old["status"] != observed["status"] or not _free(old):
            bad.append(f"{event} was decided on another status, or of a task that is held")
        if "expire_at" not in old:
            bad.append(f"{event} of a task that does not expire (any more)")
        elif event == "expire" and old["expire_at"] > now // 1_000_000:
            bad.append("expire of a task whose time has not come")
    allowed = _from(event, config)
    if allowed is not None and old.get("status") not in allowed:
        bad.append(f"{event} from status {old.get('status')}")
    if new is None or event == "save":
        return bad
    _check_numbers(config, event, old, new, bad)
    _check_histories(event, old, new, bad)
    if event in HOLDERS:
        if old.get("lock") != token:
            bad.append(f"{event} by somebody who is not the holder")
        if observed is not None and old.get("attempt") != observed.get("attempt"):
            bad.append(f"{event} of another attempt")
    if event in ("take_over", "rescue", "evict", "too_large"):
        assert observed is not None
        if (old.get("lock"), old.get("status")) != (observed.get("lock"), observed.get("status")):
            bad.append(f"{event} was decided on another holder or status")
        if event != "too_large" and old.get("lease_until") != observed.get("lease_until"):
            bad.append(f"{event} was decided on an older lease")
    if event in ("claim", "take_over", "rescue"):
        _check_claim(config, event, token, old, new, now, sent, slack_ms, bad)
    if event == "update":
        before, after = _VERSION.match(old.get("data", "")), _VERSION.match(new["data"])
        if before and after and before[1] == after[1] and int(before[2]) > int(after[2]):
            bad.append("an update undid newer data")
    if event in ENDS or event in ("rescue", "evict"):
        left = [name for name in ("lease_until", "claimed_from") if name in new]
        if left or not _free(new):
            bad.append(f"{event} left {left or 'the lock'} behind")
        if event not in ("fail", "snooze", "evict") and "ready_at" in new:
            bad.append(f"{event} left ready_at behind")
    return bad


def _check_numbers(config: TrackerConfig, event: str, old: Row, new: Row, bad: list[str]) -> None:
    known = set(old) - {"foreign_attribute"}
    if {k: v for k, v in old.items() if k not in known} != {k: v for k, v in new.items() if k == "foreign_attribute"}:
        bad.append(f"{event} touched an attribute that is not ours")
    before, after = int(old.get("attempt") or 0), int(new.get("attempt") or 0)
    begun = event in ("claim", "take_over") and new["status"] == config.in_progress_status
    if after != before + begun:
        bad.append(f"{event} took attempt from {before} to {after}")
    if not 0 <= int(new.get("retry") or 0) <= config.max_retry:
        bad.append(f"{event} set retry to {new.get('retry')}, max_retry is {config.max_retry}")
    keeps = ("release", "snooze", "give_back", "claim", "heartbeat", "update")
    if event in keeps and new.get("retry") != old.get("retry"):
        bad.append(f"{event} changed retry")
    if config.status_of_value(new.get("value")) != new.get("status"):
        bad.append(f"{event} left value {new.get('value')!r} with status {new.get('status')}")


def _check_histories(event: str, old: Row, new: Row, bad: list[str]) -> None:
    before, after = attempts_of(old), attempts_of(new)
    adds = event in (*ENDS, "take_over", "rescue", "evict") and event != "give_back"
    if event == "too_large":
        adds = False  # it replaces the histories by the one entry that says why
    elif after[: len(after) - adds] != before[-(ATTEMPTS_KEPT - adds) :]:
        bad.append(f"{event} lost a recorded outcome")
    ended = (old.get("attempt", 0), str(old.get("lock") or "")[:8])
    if adds and (not after or (after[-1].attempt, after[-1].token) != ended):
        bad.append(f"{event} recorded an outcome of another attempt than the one that it ended")
    if event in LOGGED:
        history = errors_of(new)["history"]
        if not history or history[-1]["kind"] != LOGGED[event] or history[-1]["attempt"] != old.get("attempt", 0):
            bad.append(f"{event} was not logged in errors")
    before_late, after_late = old.get("late_results", frozenset()), new.get("late_results", frozenset())
    if len(after_late) > LATE_RESULTS_KEPT:
        bad.append(f"{len(after_late)} late results are kept")
    if event == "late_result":
        if {**old, "late_results": after_late} != new or not before_late <= after_late:
            bad.append("late_result changed something else")
    elif before_late != after_late:
        bad.append(f"{event} changed the late results")
    runs = [note["id"] for note in notes_of(new) if "id" in note]
    if len(runs) != len(set(runs)):
        bad.append("one redrive put a task back twice")


def _check_claim(
    config: TrackerConfig,
    event: str,
    token: str,
    old: Row,
    new: Row,
    now: int,
    sent: int,
    slack_ms: int,
    bad: list[str],
) -> None:
    if lease_end_ms(old, config, now) > now // 1000:
        bad.append(f"{event} of a task whose lease is not over")
    if new["status"] != config.in_progress_status:
        return
    if new["lock"] != token:
        bad.append(f"{event} did not make its sender the holder")
    if event == "claim" and old.get("ready_at", 0) > now // 1000:  # in progress, it is left over by who knows none
        bad.append(f"{event} before ready_at")
    # Storage may delete a task that has expired at any time; a message on its way cannot know that.
    if "expire_at" in old and old["expire_at"] <= sent // 1_000_000:
        bad.append(f"{event} of a task that has expired")


def of_refusal(space: Space, spec: Spec, row: Row | None) -> tuple[str, ...]:
    """What is wrong with the refusal of a write that was sent just now."""
    observed = space.rows[spec.row] if spec.row >= 0 else None
    started = NOW - spec.extra * TICK
    if should_hold(space.configs[spec.step], spec.event, spec.token, row, NOW, observed, started):
        return (f"{spec.event} was refused without a cause",)
    return ()


def should_hold(
    config: TrackerConfig, event: str, token: str, row: Row | None, now: int, observed: Row | None, started: int
) -> bool:
    """Whether an event that was decided on the row as it is must be carried out."""
    if event == "create":
        return row is None
    if event == "save" and row is None:
        return True
    if row is None:
        return False
    allowed = _from(event, config)
    if allowed is not None and row.get("status") not in allowed:
        return False
    if event == "claim":
        ready = row.get("ready_at", 0) <= now // 1000 and row.get("expire_at", now) > now // 1_000_000
        return bool(ready and lease_end_ms(row, config, now) <= _not_after(row, now))
    if event in ("heartbeat", "update"):
        same = observed is not None and observed.get("attempt") == row.get("attempt")
        return bool(same and row.get("lock") == token and row.get("lease_until", 0) < now // 1000 + config.lease_ms)
    if event in ENDS:
        return bool(row.get("lock") == token and observed is not None and observed.get("attempt") == row.get("attempt"))
    if event == "late_result":
        return len(row.get("late_results", ())) < LATE_RESULTS_KEPT
    if row != observed:
        return False
    if event == "redrive":
        return _free(row) and times.from_text(row["update_time"]) < started
    return event in ("take_over", "rescue", "evict", "too_large", "edit") or _free(row)


def _not_after(row: Row, now: int) -> Any:
    """The instant at which a lease must have ended. A lease by lock_time is over one microsecond later than its end:
    the guard compares texts with ``<``."""
    return now // 1000 - ("lease_until" not in row)
