"""The stored task: its attributes, and the bounded histories (errors, attempts, notes) inside it."""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.failure import Failure
from statustrack.core.limits import ATTEMPTS_KEPT, ERRORS_BYTES, ERRORS_PER_STEP, NOTE_TEXT, NOTES_KEPT, ODD_LEASE_MS
from statustrack.core.payload import decode, encode, shorten, size_of
from statustrack.core.writes import Row

#: What ``lock`` holds when nobody holds the task (the value that pynamodb_mate writes).
NOT_LOCKED = "__not_locked__"
NO_ERRORS = '{"history":[]}'

#: Every attribute that this library knows, with its stored type: text, integer or set of texts.
TEXT, INTEGER, TEXT_SET = "text", "integer", "text set"
ATTRIBUTES: dict[str, str] = {
    "key": TEXT,
    "value": TEXT,
    "status": INTEGER,
    "create_time": TEXT,
    "update_time": TEXT,
    "retry": INTEGER,
    "lock": TEXT,
    "lock_time": TEXT,
    "data": TEXT,
    "errors": TEXT,
    "attempt": INTEGER,
    "lease_until": INTEGER,
    "ready_at": INTEGER,
    "claimed_from": TEXT,
    "start_time": TEXT,
    "worker": TEXT,
    "create_id": TEXT,
    "attempts": TEXT,
    "error_group": TEXT,
    "error_summary": TEXT,
    "progress": TEXT,
    "notes": TEXT,
    "late_results": TEXT_SET,
    "expire_at": INTEGER,
}
#: What the status index carries beside its own keys (``value``, ``update_time``) and the table's (``key``).
INDEX_ATTRIBUTES = ("create_time", "retry", "attempt", "ready_at", "start_time", "worker", "error_group")


class Attempt(NamedTuple):
    """One ended attempt, as kept in ``attempts``."""

    attempt: int
    token: str  #: the first 8 characters of the lock token
    status: int  #: the in_progress code of the step
    outcome: str  #: succeeded, failed, ignored, released, snoozed, lost, evicted
    start_ms: int
    duration_ms: int
    worker: str


_Parts = tuple[int, str, int, str, int, int, str]


def new_row(config: TrackerConfig, key: str, now: int, data: str, create_id: str, status: int, value: str) -> Row:
    """A task that nobody has claimed yet."""
    text = times.to_text(now)
    return {
        "key": key,
        "value": value,
        "status": status,
        "create_time": text,
        "update_time": text,
        "retry": 0,
        "lock": NOT_LOCKED,
        "lock_time": times.EPOCH_TEXT,
        "data": data,
        "errors": NO_ERRORS,
        "attempt": 0,
        "create_id": create_id,
    }


def lease_end_ms(row: Row, config: TrackerConfig, now: int) -> int:
    """When the lease of a row ends, in ms since the epoch; 0 when nobody holds it, or its lease was set by no sane
    clock.

    A row that pynamodb_mate claimed has no ``lease_until``: its lease is ``lock_time`` plus the step's lease.
    """
    lock = row.get("lock")
    if lock is None or lock == NOT_LOCKED:
        return 0
    until = row.get("lease_until")
    if until is None:
        try:
            return times.from_text(row.get("lock_time") or times.EPOCH_TEXT) // 1000 + config.lease_ms
        except ValueError:
            return 0
    if until > now // 1000 + config.lease_ms + ODD_LEASE_MS:
        return 0
    return int(until)


def fence_of(row: Row) -> int:
    """The fencing token of the row's current attempt: ``(create_time in ms << 20) + attempt``; it only grows.

    Martin Kleppmann, "How to do distributed locking" (2016): the resource that is written to remembers the largest
    number it has seen and refuses a smaller one.
    """
    try:
        created = times.from_text(row.get("create_time") or times.EPOCH_TEXT) // 1000
    except ValueError:
        created = 0
    return (created << 20) + int(row.get("attempt") or 0)


def attempts_of(row: Row) -> list[Attempt]:
    """The ended attempts of a row, oldest first."""
    entries = decode(row.get("attempts"), [])
    return [Attempt(*entry) for entry in entries if isinstance(entry, list) and len(entry) == len(Attempt._fields)]


def outcome_of(row: Row, token: str, attempt: int | None = None) -> Attempt | None:
    """What a row says of the attempt with this lock token: the proof whether its outcome was recorded.

    ``attempt`` (its number) tells it from an attempt that a late duplicate of the same claim began.
    """
    short = token[:8]
    text = row.get("attempts")
    if not isinstance(text, str) or short not in text:
        return None
    for entry in reversed(attempts_of(row)):
        if entry.token == short and attempt in (None, entry.attempt):
            return entry
    return None


def last_was_lost(row: Row) -> bool:
    """Whether the last ended attempt was lost: the task may have killed its worker, and is a suspect."""
    text = row.get("attempts")
    if not isinstance(text, str) or '"lost"' not in text:  # nearly all tasks, and no JSON is read for them
        return False
    ended = attempts_of(row)
    return bool(ended) and ended[-1].outcome == "lost"


def recorded_outcome(row: Row, token: str, attempt: int | None = None) -> Attempt | None:
    """The outcome that the holder of this token recorded itself; None where others ended its attempt as lost or
    evicted."""
    entry = outcome_of(row, token, attempt)
    return None if entry is None or entry.outcome in ("lost", "evicted") else entry


def with_attempt(row: Row, entry: _Parts) -> str:
    """The ``attempts`` text with one more entry, the last 10 kept."""
    before = row.get("attempts")
    if before is None:  # most tasks have one attempt; building a JSON encoder for it costs more than the text
        attempt, token, status, outcome, start, duration, worker = entry
        return f'[[{attempt},{quoted(token)},{status},"{outcome}",{start},{duration},{quoted(worker)}]]'
    entries: list[Any] = [*decode(before, []), list(entry)]
    return encode(entries[-ATTEMPTS_KEPT:])


def ended_attempt(row: Row, config: TrackerConfig, outcome: str, now: int) -> Attempt:
    """The entry for the attempt that a row is in, ending now."""
    return Attempt(*ended_parts(row, config, outcome, now))


def ended_parts(row: Row, config: TrackerConfig, outcome: str, now: int) -> _Parts:
    """The same as a plain tuple: made for every task, where nobody asks for a field."""
    now_ms = now // 1000
    try:
        start = times.from_text(row.get("start_time") or row.get("lock_time") or times.EPOCH_TEXT) // 1000
    except ValueError:
        start = now_ms
    return (
        row.get("attempt") or 0,
        str(row.get("lock") or "")[:8],
        config.in_progress_status,
        outcome,
        start,
        now_ms - start if now_ms > start else 0,
        str(row.get("worker") or "")[:64],
    )


def errors_of(row: Row) -> dict[str, Any]:
    """The error history, ``{"history": [...]}``, oldest first; tolerant of what others wrote."""
    errors = decode(row.get("errors"), None)
    if not isinstance(errors, dict) or not isinstance(errors.get("history"), list):
        return {"history": []}
    return errors


def with_error(row: Row, config: TrackerConfig, failure: Failure, nth_retry: int, now: int) -> str:
    """The ``errors`` text with one more entry, bounded: the last 10 of each step, and 22 KB over all.

    The newest entry always stays. Keys that others put beside ``history`` are kept as long as they fit.
    """
    errors = errors_of(row)
    entry = {
        "nth_retry": nth_retry,
        "update_time": times.micros_to_datetime(now).isoformat(),
        "error": failure.error,
        "traceback": failure.traceback,
        "attempt": int(row.get("attempt") or 0),
        "status": config.failed_status,
        "kind": failure.kind,
    }
    older = [each for each in errors["history"] if isinstance(each, dict)]
    mine = [each for each in older if each.get("status") == config.failed_status]
    dropped = {id(each) for each in mine[: max(0, len(mine) - (ERRORS_PER_STEP - 1))]}
    history = [each for each in older if id(each) not in dropped]
    room = ERRORS_BYTES - size_of(encode(entry))
    kept: list[Any] = []
    for each in reversed(history):
        room -= size_of(encode(each)) + 1
        if room < 0:
            break
        kept.append(each)
    errors["history"] = [*reversed(kept), entry]
    text = encode(errors)
    return text if size_of(text) <= ERRORS_BYTES + 1024 else encode({"history": errors["history"]})


def notes_of(row: Row) -> list[dict[str, Any]]:
    """What operators did to the task, oldest first."""
    notes = decode(row.get("notes"), [])
    return [note for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []


def was_redriven(row: Row, redrive_id: str) -> bool:
    """Whether the notes of a row say that this redrive has redriven it."""
    text = row.get("notes")
    if not isinstance(text, str) or f'"{redrive_id}"' not in text:  # nearly all, and no JSON is read for them
        return False
    return any(note.get("action") == "redrive" and note.get("id") == redrive_id for note in notes_of(row))


def with_note(row: Row, now: int, action: str, who: str, why: str, **more: Any) -> str:
    """The ``notes`` text with one more entry, the last 20 kept."""
    text = _note(now, action, who, why, tuple(more.items()))
    if row.get("notes") is None:  # most tasks; and those of one batch get the same note
        return f"[{text}]"
    return encode([*notes_of(row)[1 - NOTES_KEPT :], decode(text, {})])


@lru_cache(maxsize=8)
def _note(now: int, action: str, who: str, why: str, more: tuple[tuple[str, Any], ...]) -> str:
    note = {"time": times.to_text(now), "action": action, "who": shorten(who, 80), "why": shorten(why, NOTE_TEXT)}
    return encode({**note, **dict(more)})
