"""Why a task is not running, who holds it until when, what a claim would do, and what a person can do: in plain
words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.lifecycle import claimable, next_retry
from statustrack.core.limits import ODD_LEASE_MS
from statustrack.core.record import NOT_LOCKED, attempts_of, lease_end_ms, notes_of
from statustrack.core.writes import Row


@dataclass(frozen=True)
class Explanation:
    """The answer to "what is it with this task?".

    ``state`` is one of: missing, ready, waiting (backoff or snoozed), running, crashed, succeeded, ignored, other_step,
    other_step_running, expired. ``claim`` says what a claim would do now: claim, take_over, end_as_ignored, refuse or
    create_first. ``at`` is when that changes by itself (None: it does not).
    """

    state: str
    says: str
    claim: str
    advice: str
    at: datetime | None = None


def explain(
    config: TrackerConfig,
    row: Row | None,
    now: int,
    slack_ms: int = 0,
    more_pending: tuple[int, ...] | None = None,
    names: dict[int, str] | None = None,
) -> Explanation:
    """Explain a row as this step sees it at ``now`` (microseconds).

    ``names`` says what the codes of other steps mean (from the directory), for the words only.
    """
    if row is None:
        return Explanation(
            "missing",
            "There is no such task in the table.",
            "create_first",
            "Check the id and the use case; create it, or start it with create=True.",
        )
    now_ms, status = now // 1000, row.get("status")
    lock = row.get("lock")
    held = lock is not None and lock != NOT_LOCKED
    end = lease_end_ms(row, config, now)
    free_at = end + slack_ms
    holder = row.get("worker") or "a worker that left no name"
    attempt, retry = int(row.get("attempt") or 0), int(row.get("retry") or 0)
    if status == config.in_progress_status:
        return _in_progress(config, row, held, end, free_at, now_ms, holder, attempt, retry)
    if held and free_at > now_ms:
        return Explanation(
            "other_step_running",
            f"Another step is working on it (status {_named(status, names)}): {holder} holds it until {_clock(end)} "
            "unless it renews.",
            "refuse",
            "Wait for that step to end.",
            _moment(free_at),
        )
    statuses = claimable(config, more_pending)
    if status in statuses:
        return _claimable(config, row, int(status or 0), now, now_ms, attempt, retry)
    if status == config.succeeded_status:
        done = _last(row, "succeeded")
        return Explanation(
            "succeeded",
            f"It succeeded{done} in attempt {attempt}.",
            "refuse",
            "Nothing is to be done. To run it again all the same, save it with the pending status.",
        )
    if status == config.ignored_status:
        return Explanation(
            "ignored",
            _why_ignored(row, retry),
            "refuse",
            "Mend the cause, then redrive it: it gets all its retries again.",
        )
    return Explanation(
        "other_step",
        f"Its status {_named(status, names)} belongs to another step: this one takes {', '.join(map(str, statuses))}.",
        "refuse",
        "Let the other step bring it on, or look at it with that step.",
    )


def _in_progress(
    config: TrackerConfig,
    row: Row,
    held: bool,
    end: int,
    free_at: int,
    now_ms: int,
    holder: str,
    attempt: int,
    retry: int,
) -> Explanation:
    if held and free_at > now_ms:
        return Explanation(
            "running",
            f"{holder} is working on it: attempt {attempt}, lease until {_clock(end)} unless it renews.",
            "refuse",
            "Wait. If that worker is known to be dead, its lease runs out by itself; release (evict) is quicker.",
            _moment(free_at),
        )
    until = row.get("lease_until")
    if until is not None and until > now_ms + config.lease_ms + ODD_LEASE_MS:
        how = f"its lease ends at {_clock(int(until))}, which no sane clock has written"
    elif held:
        how = f"its lease ended at {_clock(end)} without an outcome: the worker crashed, hangs, or lost the storage"
    else:
        how = "it is in progress, but nobody holds it"
    if next_retry(config, row) >= config.max_retry:
        before = f" It has already {_failed(retry)}." if retry else ""
        return Explanation(
            "crashed",
            f"{holder} held attempt {attempt}; {how}.{before}",
            "end_as_ignored",
            "The next claim ends it as ignored, since it has used up its retries. Find out what kills the workers, "
            "then redrive it.",
        )
    return Explanation(
        "crashed",
        f"{holder} held attempt {attempt}; {how}.",
        "take_over",
        "Any worker takes it over now. If none does, none is running: start one.",
    )


def _claimable(
    config: TrackerConfig, row: Row, status: int, now: int, now_ms: int, attempt: int, retry: int
) -> Explanation:
    ready = int(row.get("ready_at") or 0)
    if "expire_at" in row and row["expire_at"] <= now // 1_000_000:
        return Explanation(
            "expired",
            "Its retention has ended: the storage is about to delete it.",
            "refuse",
            "Create it anew when it is gone.",
        )
    if ready > now_ms:
        after = f"after failure {retry} ({row['error_summary']})" if row.get("error_summary") else "(snoozed)"
        return Explanation(
            "waiting",
            f"It waits until {_clock(ready)} {after}.",
            "refuse",
            "Wait, or redrive it: a redriven task does not wait." if status == config.failed_status else "Wait.",
            _moment(ready),
        )
    if status == config.failed_status:
        says = f"It {_failed(retry)}, and can be tried again; the last error: "
        says += f"{row.get('error_summary') or 'none is recorded'}."
    elif attempt:
        says = f"It is ready for this step (attempt {attempt} was the last)."
    else:
        says = "It is ready and was never claimed."
    return Explanation("ready", says, "claim", "Any worker takes it now. If none does, none is running: start one.")


def _why_ignored(row: Row, retry: int) -> str:
    notes = notes_of(row)
    if notes and notes[-1].get("action") == "ignore":
        why = f": {notes[-1]['why']}" if notes[-1].get("why") else ", without a reason"
        return f"It was given up by {notes[-1].get('who') or 'somebody'}{why}."
    why = row.get("error_summary") or "no error is recorded"
    after = f" after it {_failed(retry)}" if retry else ""
    return f"It is ignored{after}; the last error: {why}."


def _failed(times: int) -> str:
    return {0: "failed", 1: "failed once", 2: "failed twice in a row"}.get(times, f"failed {times} times in a row")


def _last(row: Row, outcome: str) -> str:
    for entry in reversed(attempts_of(row)):
        if entry.outcome == outcome:
            return f" at {_clock(entry.start_ms + entry.duration_ms)}"
    return ""


def _named(status: object, names: dict[int, str] | None) -> str:
    name = (names or {}).get(status) if isinstance(status, int) else None
    return f"{status} ({name})" if name else str(status)


def _moment(ms: int) -> datetime:
    return times.micros_to_datetime(ms * 1000)


def _clock(ms: int) -> str:
    try:
        return _moment(ms).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError):
        return f"{ms} ms since the epoch"
