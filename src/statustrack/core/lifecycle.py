"""The lifecycle of a task: one function per event, each of which returns the guarded write that carries it out.

Units: ``now`` is service time in microseconds since the epoch; ``slack_ms`` is how much later than its end a lease
counts as over for others (0 where everybody reads one clock); lease and delay arguments are milliseconds.
A holder passes the row as its claim returned it (the after-image): nobody else changes these attributes while its lock
token stands, so every event that ends an attempt can be computed from it and sent without another read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.failure import Failure, from_reason
from statustrack.core.limits import LATE_RESULTS_KEPT, LONGEST_DELAY_SECONDS, ODD_LEASE_MS
from statustrack.core.payload import encode
from statustrack.core.record import (
    NOT_LOCKED,
    ended_attempt,
    ended_parts,
    lease_end_ms,
    outcome_of,
    recorded_outcome,
    was_redriven,
    with_attempt,
    with_error,
    with_note,
)
from statustrack.core.writes import Clause, Comparison, Guard, Row, Write

#: Removed by every event that ends an attempt (``ready_at`` unless the event sets it).
_ENDED = ("lease_until", "claimed_from", "ready_at")


# --- the clauses that guards are made of -----------------------------------------------------------------------------


def _same(attribute: str, value: Any) -> Clause:
    """The attribute is as observed; observed absent means absent now."""
    same = Comparison(attribute, "absent") if value is None else Comparison(attribute, "=", value)
    return Clause(f"{attribute} as observed", (same,))


def _same_number(attribute: str, value: int) -> Clause:
    """The counter is as observed, where absent means 0."""
    same: tuple[Comparison, ...] = (Comparison(attribute, "=", value),)
    if value == 0:
        same += (Comparison(attribute, "absent"),)
    return Clause(f"{attribute} as observed", same)


def _is_mine(token: str) -> Clause:
    return Clause("the lock token is mine", (Comparison("lock", "=", token),))


def _still_mine(config: TrackerConfig, token: str, attempt: int | None) -> Guard:
    """The token alone does not do: a late duplicate of a claim, carried out after its attempt ended, sets it again."""
    guard: Guard = (_is_mine(token), _status_is(config.in_progress_status))
    return guard if attempt is None else (*guard, _same_number("attempt", attempt))


def _status_is(code: int) -> Clause:
    return Clause("the status is this step's in_progress", (Comparison("status", "=", code),))


# What no argument changes is made once: a claim is made for every task, and half of its cost was in these.
_FREE = (Comparison("lock", "absent"), Comparison("lock", "=", NOT_LOCKED))
_NO_LEASE_UNTIL = Comparison("lease_until", "absent")
_NO_LOCK_TIME = Comparison("lock_time", "absent")
_NO_READY_AT = Comparison("ready_at", "absent")
_NO_EXPIRE_AT = Comparison("expire_at", "absent")
_UNLOCKED = Clause("nobody holds it", _FREE)
_EXISTS = Clause("the row exists", (Comparison("key", "present"),))
_ABSENT = Clause("no such key", (Comparison("key", "absent"),))


def _lock_is_over(end: int, odd: int, oldest: str) -> tuple[Clause, Clause]:
    """The lock is free, absent, or its lease is over (the rule of ``record.lease_end_ms``, said in comparisons).

    With a ``lease_until`` that decides; without one ``lock_time`` does (rows of pynamodb_mate). "A or (B and C)" is two
    clauses, "A or B" and "A or C": a guard is a conjunction.
    """
    over = (*_FREE, Comparison("lease_until", "<=", end), Comparison("lease_until", ">", odd))
    return (
        Clause("the lock is free or its lease_until has passed", (*over, _NO_LEASE_UNTIL)),
        Clause(
            "the lock is free or its lock_time is a lease ago",
            (*over, _NO_LOCK_TIME, Comparison("lock_time", "<", oldest)),
        ),
    )


# --- from absent -----------------------------------------------------------------------------------------------------


def create(row: Row) -> Write:
    """absent -> pending (or whatever state the new row is in). An existing task is never overwritten."""
    create_id = row.get("create_id")
    return Write(
        "create",
        row["key"],
        (_ABSENT,),
        set=row,
        kind="put",
        mine=lambda current: create_id is not None and current.get("create_id") == create_id,
    )


def insert(row: Row) -> Write:
    """absent -> the row as it is, whatever state it is in (a copy from elsewhere). Whether a row that is there is the
    same one is for the caller to see."""
    return Write("insert", row["key"], (_ABSENT,), set=row, kind="put")


# --- claiming --------------------------------------------------------------------------------------------------------


def claimable(config: TrackerConfig, more_pending: Iterable[int] | None = None) -> tuple[int, ...]:
    """The status codes that a claim may start from; the step's own in_progress among them means take-over, not
    claim."""
    return config.claimable if more_pending is None else config.claimable_with(more_pending)


def claim(
    config: TrackerConfig,
    key: str,
    *,
    token: str,
    worker: str,
    now: int,
    slack_ms: int = 0,
    lease_ms: int | None = None,
    statuses: tuple[int, ...] | None = None,
) -> Write:
    """pending, failed or more_pending -> in_progress, with a fresh lock token and the next attempt number."""
    lease = config.lease_ms if lease_ms is None else lease_ms
    return _claim_maker(config, worker, now, slack_ms, lease, statuses or claimable(config))(key, token)


def claims(
    config: TrackerConfig,
    keys: Sequence[str],
    tokens: Sequence[str],
    *,
    worker: str,
    now: int,
    slack_ms: int,
    lease_ms: int,
    statuses: tuple[int, ...],
) -> list[Write]:
    """The claims of many tasks at one moment. They share their guard, and all that is the same in them."""
    make = _claim_maker(config, worker, now, slack_ms, lease_ms, statuses)
    return [make(key, token) for key, token in zip(keys, tokens, strict=True)]


def _claim_maker(
    config: TrackerConfig, worker: str, now: int, slack_ms: int, lease_ms: int, statuses: tuple[int, ...]
) -> Callable[[str, str], Write]:
    """Makes the claim of a key with a token, of what all claims of one moment share."""
    now_ms, lease = now // 1000, config.lease_ms
    end, odd = now_ms - slack_ms, now_ms + lease + ODD_LEASE_MS
    oldest = times.to_text((end - lease) * 1000)
    text, until = times.to_text(now), now_ms + lease_ms
    values = (*statuses, now_ms, NOT_LOCKED, end, odd, NOT_LOCKED, end, odd, oldest, now_ms // 1000)
    shape = ("claim", len(statuses))
    made: list[Guard] = []

    def guard() -> Guard:
        if not made:
            made.append(_can_be_claimed(statuses, now_ms, end, odd, oldest))
        return made[0]

    def make(key: str, token: str) -> Write:
        return Write(
            "claim",
            key,
            guard,
            _held(config, key, token, worker, text, until),
            _CLAIM_REMOVES,
            _CLAIM_COPIES,
            _NEXT_ATTEMPT,
            mine=lambda current: current.get("lock") == token,
            shape=shape,
            values=values,
        )

    return make


_CLAIM_REMOVES = ("ready_at", "expire_at", "progress")
_CLAIM_COPIES = {"claimed_from": "value"}
_NEXT_ATTEMPT = {"attempt": 1}


def _can_be_claimed(statuses: tuple[int, ...], now_ms: int, end: int, odd: int, oldest: str) -> Guard:
    return (
        Clause("the status can be claimed", (Comparison("status", "in", statuses),)),
        Clause("ready_at has passed", (_NO_READY_AT, Comparison("ready_at", "<=", now_ms))),
        *_lock_is_over(end, odd, oldest),
        Clause("it has not expired", (_NO_EXPIRE_AT, Comparison("expire_at", ">", now_ms // 1000))),
    )


def _held(config: TrackerConfig, key: str, token: str, worker: str, text: str, until_ms: int) -> dict[str, Any]:
    return {
        "value": config.value(key, config.in_progress_status),
        "status": config.in_progress_status,
        "lock": token,
        "lease_until": until_ms,
        "lock_time": text,
        "update_time": text,
        "start_time": text,
        "worker": worker,
    }


def lease_is_over(config: TrackerConfig, row: Row, now: int, slack_ms: int = 0) -> bool:
    """Whether a row in this step's in_progress may be taken over."""
    return row.get("status") == config.in_progress_status and lease_end_ms(row, config, now) + slack_ms <= now // 1000


def take_over(
    config: TrackerConfig,
    row: Row,
    *,
    token: str,
    worker: str,
    now: int,
    lease_ms: int | None = None,
    expire_at: int | None = None,
) -> Write:
    """in_progress with a lease that is over -> in_progress of a new holder, or ignored when retry reaches max_retry
    (with ``expire_at``, if any).

    The lost attempt is counted and logged. The guard is what was observed: a holder that renewed in between keeps it.
    """
    lease = config.lease_ms if lease_ms is None else lease_ms
    retry = next_retry(config, row)
    lost = _loss(config, row, retry, now, "lost")
    if retry >= config.max_retry:
        end = {**lost, **_at(config, row["key"], config.ignored_status, now), **_expiring(expire_at)}
        return _observed("take_over", config, row, end, (), now)
    changes = {
        **lost,
        **_held(config, row["key"], token, worker, times.to_text(now), now // 1000 + lease),
        "claimed_from": config.value(row["key"], config.failed_status),
    }
    return Write(
        "take_over",
        row["key"],
        _as_observed(config, row),
        set=changes,
        remove=("ready_at", "expire_at", "progress"),
        increment={"attempt": 1},
        mine=lambda current: current.get("lock") == token,
    )


def rescue(config: TrackerConfig, row: Row, *, now: int, expire_at: int | None = None) -> Write:
    """in_progress with a lease that is over -> failed, claimable at once, or ignored when retry reaches max_retry (with
    ``expire_at``, if any).

    As a take-over, by somebody who does not work on the task himself. It is one write: who dies after it has left
    nothing half done, and no attempt is counted that nobody made.
    """
    retry = next_retry(config, row)
    status = config.ignored_status if retry >= config.max_retry else config.failed_status
    changes = {**_loss(config, row, retry, now, "lost"), **_at(config, row["key"], status, now)}
    if status == config.ignored_status:
        changes.update(_expiring(expire_at))
    return _observed("rescue", config, row, changes, (), now)


def evict(
    config: TrackerConfig,
    row: Row,
    *,
    now: int,
    who: str,
    why: str,
    forced: bool = False,
    expire_at: int | None = None,
) -> Write:
    """in_progress of a dead holder -> failed (ignored at max_retry), by an operator. Not before the evicted lease's end
    can it be claimed again, unless forced: the holder may only seem dead."""
    retry = next_retry(config, row)
    changes = _loss(config, row, retry, now, "evicted")
    status = config.ignored_status if retry >= config.max_retry else config.failed_status
    changes.update(_at(config, row["key"], status, now), notes=with_note(row, now, "evict", who, why))
    if status == config.ignored_status:
        changes.update(_expiring(expire_at))
    end = lease_end_ms(row, config, now)
    if not forced and end > now // 1000:
        changes["ready_at"] = end
    return _observed("evict", config, row, changes, (), now)


def _expiring(expire_at: int | None) -> dict[str, int]:
    return {} if expire_at is None else {"expire_at": expire_at}


def _as_observed(config: TrackerConfig, row: Row) -> Guard:
    return (
        _status_is(config.in_progress_status),
        _same("lock", row.get("lock")),
        _same("lease_until", row.get("lease_until")),
        _same_number("attempt", int(row.get("attempt") or 0)),
    )


def _observed(
    event: str, config: TrackerConfig, row: Row, changes: dict[str, Any], remove: tuple[str, ...], now: int
) -> Write:
    token, notes = str(row.get("lock") or ""), changes.get("notes")
    entry = ended_attempt(row, config, "lost", now)

    def mine(current: Row) -> bool:
        if notes is not None:
            return bool(current.get("notes") == notes)
        return outcome_of(current, token, entry.attempt) == entry  # to the millisecond: another's rescue is not mine

    return Write(
        event,
        row["key"],
        _as_observed(config, row),
        set=changes,
        remove=tuple(name for name in (*_ENDED, *remove) if name not in changes),
        mine=mine,
    )


def _loss(config: TrackerConfig, row: Row, retry: int, now: int, outcome: str) -> dict[str, Any]:
    entry = ended_attempt(row, config, outcome, now)
    holder = row.get("worker") or "a worker that left no name"
    failure = from_reason("lost", f"attempt {entry.attempt} was lost: its lease ran out while {holder} held it")
    return {
        "retry": retry,
        "errors": with_error(row, config, failure, retry, now),
        "attempts": with_attempt(row, entry),
        "error_group": failure.group,
        "error_summary": failure.summary,
    }


# --- while it is held ------------------------------------------------------------------------------------------------


def _renewal(
    event: str,
    config: TrackerConfig,
    key: str,
    token: str,
    attempt: int | None,
    now: int,
    until_ms: int,
    more: dict[str, Any],
) -> Write:
    """Guarded by ``lease_until`` growing, so that a late duplicate can neither shorten a lease nor undo newer data."""
    return Write(
        event,
        key,
        (
            *_still_mine(config, token, attempt),
            Clause("the lease grows", (Comparison("lease_until", "absent"), Comparison("lease_until", "<", until_ms))),
        ),
        set={"lease_until": until_ms, "lock_time": times.to_text(now), **more},
        mine=lambda current: bool(current.get("lock") == token and current.get("lease_until") == until_ms),
        quiet=event == "heartbeat",
    )


def heartbeat(
    config: TrackerConfig, key: str, *, token: str, now: int, until_ms: int, attempt: int | None = None
) -> Write:
    """in_progress -> in_progress until ``until_ms`` (ms since the epoch); touches no index key."""
    return _renewal("heartbeat", config, key, token, attempt, now, until_ms, {})


def update(
    config: TrackerConfig,
    key: str,
    *,
    token: str,
    now: int,
    until_ms: int,
    changes: dict[str, Any],
    attempt: int | None = None,
) -> Write:
    """Stores data (or progress) before the end; renews the lease too."""
    return _renewal("update", config, key, token, attempt, now, until_ms, changes)


# --- the holder's ends -----------------------------------------------------------------------------------------------


def succeed(
    config: TrackerConfig, row: Row, *, now: int, changes: dict[str, Any] | None = None, expire_at: int | None = None
) -> Write:
    """in_progress -> succeeded. ``expire_at`` (epoch seconds) only where no step goes on from here."""
    end = _at(config, row["key"], config.succeeded_status, now)
    end["retry"] = 0
    if changes:
        end.update(changes)
    if expire_at is not None:
        end["expire_at"] = expire_at
    return _finish("succeed", config, row, "succeeded", now, end, ("error_group", "error_summary"))


def fail(
    config: TrackerConfig,
    row: Row,
    *,
    now: int,
    failure: Failure,
    delay_ms: int = 0,
    changes: dict[str, Any] | None = None,
    expire_at: int | None = None,
) -> Write:
    """in_progress -> failed, claimable after ``delay_ms``; or ignored when retry reaches max_retry."""
    retry = next_retry(config, row)
    ignored = retry >= config.max_retry
    end = {
        **_at(config, row["key"], config.ignored_status if ignored else config.failed_status, now),
        **_failed(config, row, failure, retry, now),
        "retry": retry,
        **(changes or {}),
    }
    if ignored and expire_at is not None:
        end["expire_at"] = expire_at
    if not ignored and delay_ms > 0:
        end["ready_at"] = now // 1000 + delay_ms
    return _finish("fail", config, row, "ignored" if ignored else "failed", now, end)


def give_up(config: TrackerConfig, row: Row, *, now: int, failure: Failure, expire_at: int | None = None) -> Write:
    """in_progress -> ignored at once: user code says that this task can never succeed."""
    retry = int(row.get("retry") or 0)
    end = {
        **_at(config, row["key"], config.ignored_status, now),
        **_failed(config, row, failure, min(retry + 1, config.max_retry), now),
    }
    if expire_at is not None:
        end["expire_at"] = expire_at
    return _finish("give_up", config, row, "ignored", now, end)


def release(config: TrackerConfig, row: Row, *, now: int) -> Write:
    """in_progress -> where it was claimed from; retry and errors as they were (Ctrl-C, shutdown, cancellation)."""
    return _finish("release", config, row, "released", now, _back(config, row, now))


def snooze(config: TrackerConfig, row: Row, *, now: int, delay_ms: int) -> Write:
    """As release, but not claimable before ``delay_ms`` have passed."""
    delay = min(max(0, delay_ms), LONGEST_DELAY_SECONDS * 1000)
    return _finish("snooze", config, row, "snoozed", now, {**_back(config, row, now), "ready_at": now // 1000 + delay})


def give_back(config: TrackerConfig, row: Row, *, now: int) -> Write:
    """in_progress, claimed in a batch but never begun -> where it was claimed from; no attempt is recorded."""
    token = row["lock"]
    attempt = int(row.get("attempt") or 0)
    return Write(
        "give_back",
        row["key"],
        lambda: _still_mine(config, token, attempt),
        set=_back(config, row, now),
        remove=_ENDED,
        quiet=True,
        shape=("holder", attempt == 0),
        values=(token, config.in_progress_status, attempt),
        mine=lambda current: current.get("lock") != token,  # nothing is recorded, so being rid of it is all there is
    )


def _back(config: TrackerConfig, row: Row, now: int) -> dict[str, Any]:
    value = row.get("claimed_from")
    status = config.status_of_value(value)
    if status is None or value is None or status == config.in_progress_status:
        return _at(config, row["key"], config.failed_status, now)
    return {**_at(config, row["key"], status, now), "value": value}


def _at(config: TrackerConfig, key: str, status: int, now: int) -> dict[str, Any]:
    return {"value": config.value(key, status), "status": status, "lock": NOT_LOCKED, "update_time": times.to_text(now)}


def _failed(config: TrackerConfig, row: Row, failure: Failure, nth_retry: int, now: int) -> dict[str, Any]:
    return {
        "errors": with_error(row, config, failure, nth_retry, now),
        "error_group": failure.group,
        "error_summary": failure.summary,
    }


def _finish(
    event: str,
    config: TrackerConfig,
    row: Row,
    outcome: str,
    now: int,
    changes: dict[str, Any],
    remove: tuple[str, ...] = (),
) -> Write:
    token, attempt = row["lock"], int(row.get("attempt") or 0)
    changes["attempts"] = with_attempt(row, ended_parts(row, config, outcome, now))
    if "ready_at" in changes or "expire_at" in changes:
        remove = tuple(name for name in (*_ENDED, *remove) if name not in changes)
    else:
        remove = _ENDED + remove
    return Write(
        event,
        row["key"],
        lambda: _still_mine(config, token, attempt),
        set=changes,
        remove=remove,
        quiet=True,
        shape=("holder", attempt == 0),
        values=(token, config.in_progress_status, attempt),
        mine=lambda current: recorded_outcome(current, token, attempt) is not None,
    )


def next_retry(config: TrackerConfig, row: Row) -> int:
    """The count of failures in a row after one more; failures of another step do not count against this one."""
    status = config.status_of_value(row.get("claimed_from"))
    foreign = status is not None and status not in config.codes
    before = 0 if foreign else int(row.get("retry") or 0)
    return min(before + 1, config.max_retry)


def backoff_ms(config: TrackerConfig, retry: int, draw: float, default_delay_seconds: float = 0.0) -> int:
    """How long a task waits after its ``retry``-th failure in a row, in ms: exponential with full jitter.

    ``draw`` is a random number in [0, 1). Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    delay = default_delay_seconds if config.retry_delay_seconds is None else config.retry_delay_seconds
    if delay <= 0:
        return 0
    # The exponent is bounded: 2.0 ** 2000 is an OverflowError, and the cap was reached long before.
    longest = min(delay * config.retry_backoff ** min(max(0, retry - 1), 64), config.retry_max_delay_seconds)
    return int(longest * 1000 * draw)


# --- when something is wrong with the row, or it is late -------------------------------------------------------------


def end_too_large(config: TrackerConfig, row: Row, *, now: int, reason: str) -> Write:
    """Any state -> ignored, with as little as can be said: the storage refuses the row for its size.

    Histories are replaced by the one entry that explains it; the user's data stays.
    """
    failure = from_reason("too_large", reason)
    held = row.get("status") == config.in_progress_status
    bare = {name: value for name, value in row.items() if name not in ("errors", "attempts")}
    changes = {
        **_at(config, row["key"], config.ignored_status, now),
        **_failed(config, bare, failure, int(row.get("retry") or 0), now),
    }
    if held:
        changes["attempts"] = with_attempt(bare, ended_attempt(row, config, "ignored", now))
    token = str(row.get("lock") or "")
    return Write(
        "too_large",
        row["key"],
        (_same("status", row.get("status")), _same("lock", row.get("lock"))),
        set=changes,
        remove=(*_ENDED, "progress", "notes"),
        mine=lambda current: held and recorded_outcome(current, token) is not None,
    )


def late_result(key: str, text: str) -> Write:
    """Keeps what a holder that lost its lease would have recorded; the one write of somebody who is not the holder.

    It makes no row, changes nothing else, and is bounded: at most 4 entries.
    """
    return Write(
        "late_result",
        key,
        (_EXISTS, Clause("there is room", (Comparison("late_results", "count<", LATE_RESULTS_KEPT),))),
        add={"late_results": text},
        mine=lambda current: text in (current.get("late_results") or ()),
    )


def late_entry(row: Row, config: TrackerConfig, outcome: str, now: int, detail: str) -> str:
    """The text of a late result: which attempt, by whom, when, what it would have recorded."""
    entry = ended_attempt(row, config, outcome, now)
    return encode(
        {**entry._asdict(), "status": config.in_progress_status, "time": times.to_text(now), "detail": detail}
    )


# --- operators -------------------------------------------------------------------------------------------------------


def _unchanged(row: Row) -> Guard:
    return (
        _same("status", row.get("status")),
        _same_number("attempt", int(row.get("attempt") or 0)),
        _UNLOCKED,
    )


def redrive(config: TrackerConfig, row: Row, *, now: int, started: int, redrive_id: str, who: str, why: str) -> Write:
    """failed or ignored -> pending of this step, with all its retries. ``started`` (microseconds) is when the redrive
    began: a task that it has already redriven, and that failed again, is not redriven twice."""
    note = with_note(row, now, "redrive", who, why, id=redrive_id)
    return Write(
        "redrive",
        row["key"],
        (
            *_unchanged(row),
            Clause("not written since the redrive began", (Comparison("update_time", "<", times.to_text(started)),)),
        ),
        set={**_at(config, row["key"], config.pending_status, now), "retry": 0, "notes": note},
        remove=("ready_at", "expire_at"),
        mine=lambda current: was_redriven(current, redrive_id),
        quiet=True,
    )


def ignore(config: TrackerConfig, row: Row, *, now: int, who: str, why: str, expire_at: int | None = None) -> Write:
    """pending or failed -> ignored, by an operator."""
    note = with_note(row, now, "ignore", who, why)
    changes = {**_at(config, row["key"], config.ignored_status, now), "notes": note}
    if expire_at is not None:
        changes["expire_at"] = expire_at
    return Write(
        "ignore",
        row["key"],
        _unchanged(row),
        set=changes,
        remove=("ready_at",),
        mine=lambda current: current.get("notes") == note,
    )


def delete(key: str, *, attempt: int | None = None, status: int | None = None, forced: bool = False) -> Write:
    """Any state but held -> gone. ``attempt`` and ``status`` are those that were read (None: any); forced takes no heed
    of holders."""
    guard: Guard = () if status is None else (_same("status", status),)
    if attempt is not None:
        guard += (_same_number("attempt", attempt),)
    if not forced:
        guard += (_UNLOCKED,)
    return Write("delete", key, guard, kind="delete")


def _as_expiring(row: Row) -> Guard:
    # A claim and a redrive remove expire_at: with the one that was read, the task has not moved.
    return (_same("status", row.get("status")), _same("expire_at", row.get("expire_at")), _UNLOCKED)


def expire(row: Row) -> Write:
    """A finished task whose retention has ended -> gone."""
    return Write("expire", row["key"], _as_expiring(row), kind="delete")


def lift_expiry(row: Row) -> Write:
    """The task stays for good: a step goes on from its status, which nobody knew when it ended."""
    return Write(
        "lift_expiry",
        row["key"],
        _as_expiring(row),
        remove=("expire_at",),
        mine=lambda current: "expire_at" not in current,
        quiet=True,
    )


def save(row: Row, *, attempt: int, status: int | None = None, forced: bool = False) -> Write:
    """The whole row is replaced, unknown attributes included. ``attempt`` and ``status`` (None: never read) are those
    that
    the caller read: they may not have moved on, and nobody may hold the task (unless forced). The attempt alone does
    not
    do: an outcome that was recorded after the row was read leaves it as it is, and would be undone."""
    same = Clause(
        "attempt as observed, or no such key", (Comparison("key", "absent"), *_same_number("attempt", attempt).any_of)
    )
    guard: Guard = (same,) if forced else (same, _UNLOCKED)
    if status is not None and not forced:
        unmoved = (Comparison("key", "absent"), *_same("status", status).any_of)
        guard += (Clause("status as observed, or no such key", unmoved),)
    return Write("save", row["key"], guard, set=row, kind="put", mine=lambda current: current == row)
