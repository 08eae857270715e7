"""Rows and writes as small values: time is relative, so that two states that differ only in when they happened are one.

The clock of the model never moves. ``now`` is always ``NOW``; a tick makes every stored time one tick older instead,
and every message one tick older too. Times older than any message can see are all the same.
"""

from __future__ import annotations

from typing import Any

from statustrack.core import lifecycle, times
from statustrack.core.config import TrackerConfig
from statustrack.core.record import NO_ERRORS, NOT_LOCKED, attempts_of, lease_end_ms, outcome_of, with_note
from statustrack.core.writes import Clause, Comparison, Row, Write, apply, constants, holds
from tests.modelcheck import invariants
from tests.modelcheck.words import FAILURE, KEY, LEASE, NOW, NOW_TEXT, TICK, Mutant, Result, Spec, is_foreign, mate_lock


def steps(count: int, max_retry: int = 2, more: int = 0) -> tuple[TrackerConfig, ...]:
    """One or two steps; what the first has succeeded in is pending for the second. ``more`` lets the first step also
    start from this code."""
    first = TrackerConfig.make("job", 10, 14, 16, 20, 18, max_retry=max_retry, lock_expire_seconds=LEASE,
                               more_pending_status=[more] if more else None)  # fmt: skip
    second = TrackerConfig.make("job", 20, 24, 26, 30, 28, max_retry=max_retry, lock_expire_seconds=LEASE)
    return (first, second)[:count]


class Space:
    """Interned rows and remembered executions, for one list of steps and one mutant."""

    def __init__(
        self, configs: tuple[TrackerConfig, ...], delay: int = 3, redrives: bool = False, mutant: Mutant | None = None
    ) -> None:
        self.configs = configs
        self.delay = delay  #: no message is older than this
        self.redrives = redrives
        self.mutant = mutant
        self.rows: list[Row | None] = [None]  # row 0 is the absent one
        self._ids: dict[Any, int] = {}
        self._older: dict[int, int] = {0: 0}
        self._stripped: dict[int, int] = {0: 0}
        self._built: dict[Spec, Write] = {}
        self._done: dict[tuple[Spec, int], Result] = {}
        self.clauses: set[Mutant] = set()  #: every clause and alternative that was met, for the list of mutants

    # --- rows ---------------------------------------------------------------------------------------------------

    def intern(self, row: Row | None, ticks: int = 0) -> int:
        """The number of a row that is ``ticks`` older than it says."""
        if row is None:
            return 0
        row = self._canonical(row, ticks)
        key = tuple(sorted(row.items(), key=lambda item: item[0]))
        number = self._ids.get(key)
        if number is None:
            number = self._ids[key] = len(self.rows)
            self.rows.append(row)
        return number

    def _canonical(self, row: Row, ticks: int) -> Row:
        row = dict(row)
        back = ticks * TICK
        # Times older than any message can tell apart are all the same: a guard compares them with its sending, less a
        # lease for lock_time; a redrive compares update_time with its begin.
        oldest = NOW - self.delay * TICK
        for name, unit in (("lease_until", 1000), ("ready_at", 1000), ("expire_at", 1_000_000)):
            if name in row:
                row[name] = max(row[name] - back // unit, oldest // unit)
        held = row.get("lock") not in (None, NOT_LOCKED)
        if "lock_time" in row:
            # lock_time says something only of a lock without lease_until (and of odd rows that nobody claimed here).
            running = {config.in_progress_status for config in self.configs}
            matters = held and ("lease_until" not in row or row["status"] not in running)
            row["lock_time"] = _aged(row["lock_time"], back, self.delay + LEASE + 1) if matters else NOW_TEXT
        if "update_time" in row:
            row["update_time"] = _aged(row["update_time"], back, 2 * self.delay + 1) if self.redrives else NOW_TEXT
        for name in ("start_time", "create_time"):
            if name in row:
                row[name] = NOW_TEXT
        if "errors" in row:  # no guard looks at them; that they are written is checked when they are
            row["errors"] = NO_ERRORS
        row.pop("error_group", None)
        row.pop("error_summary", None)
        return row

    def older(self, number: int, ticks: int = 1) -> int:
        """The row, so many ticks later."""
        for _ in range(ticks):
            after = self._older.get(number)
            if after is None:
                after = self._older[number] = self.intern(self.rows[number], 1)
            number = after
        return number

    def stripped(self, number: int) -> int:
        """A claim's after-image as its worker keeps it, less what no event of a holder looks at."""
        after = self._stripped.get(number)
        if after is None:
            row = dict(self.rows[number] or {})
            for name in ("lease_until", "ready_at", "expire_at", "data", "late_results"):
                row.pop(name, None)
            row["update_time"] = row["lock_time"] = NOW_TEXT
            after = self._stripped[number] = self.intern(row)
        return after

    def lease_left(self, number: int, step: int) -> int:
        """How many ticks the lease of a row still has; not above 0 when it is over."""
        row = self.rows[number]
        return 0 if row is None else (lease_end_ms(row, self.configs[step], NOW) - NOW // 1000) // (TICK // 1000)

    def outcome(self, number: int, token: str, held: int) -> str | None:
        """What a row says of the attempt with this token, of which ``held`` is the claim's after-image."""
        row, attempt = self.rows[number], (self.rows[held] or {}).get("attempt")
        entry = None if row is None else outcome_of(row, token, attempt)
        return entry.outcome if entry else None

    # --- writes -------------------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> Write:
        """The real write, made by the real function; its mutant, if it is the one under test."""
        write = self._built.get(spec)
        if write is None:
            lifecycle.with_note = _timeless_note
            try:
                write = _build(self, spec)
            finally:
                lifecycle.with_note = with_note
            for clause in write.guard:
                self.clauses.add(Mutant(spec.event, clause.name))
                if len(clause.any_of) > 1:
                    for each in clause.any_of:
                        value = each.value if each.operator == "=" and each.attribute == "lock" else None
                        self.clauses.add(Mutant(spec.event, clause.name, (each.attribute, each.operator, value)))
            # An engine may send the constants without looking at the guard: they must be the guard's.
            same = write.shape is None or write.values == constants(write.guard)
            assert same, f"values of {write} are not its guard's"
            if self.mutant is not None and self.mutant.event == spec.event:
                write = _without(write, self.mutant)
            self._built[spec] = write
        return write

    def execute(self, spec: Spec, number: int) -> Result:
        """Carry out a write on a row: what an engine does, and what must be true of it."""
        result = self._done.get((spec, number))
        if result is None:
            result = self._done[spec, number] = self._execute(spec, number)
        return result

    def _execute(self, spec: Spec, number: int) -> Result:
        write, row = self.build(spec), self.rows[number]
        if not holds(write.guard, row):
            mine = (write.kind == "delete") if row is None else bool(write.mine(row))
            problems = () if mine or spec.age else invariants.of_refusal(self, spec, row)
            return Result(False, mine, number, None, problems)
        after = apply(write, row)
        problems = invariants.of_change(self, spec, write, row, after)
        return Result(True, False, self.intern(after), _ended(row, after, spec), problems)


def _aged(text: str, back: int, most_ticks: int) -> str:
    return times.to_text(max(times.from_text(text) - back, NOW - most_ticks * TICK))


def _timeless_note(row: Row, now: int, *arguments: Any, **more: Any) -> str:
    return with_note(row, NOW, *arguments, **more)


def _ended(row: Row | None, after: Row | None, spec: Spec) -> tuple[int, str, str] | None:
    lock = (row or {}).get("lock")
    if row is None or lock in (None, NOT_LOCKED) or is_foreign(lock) or (after or {}).get("lock") == lock:
        return None
    recorded = attempts_of(after) if after else []
    last = recorded[-1] if recorded else None
    recorded_now = last is not None and last.token == lock and spec.event != "give_back"
    return (row["attempt"], lock, last.outcome if recorded_now else spec.event)


def _without(write: Write, mutant: Mutant) -> Write:
    guard = []
    for clause in write.guard:
        if clause.name == mutant.clause:
            if mutant.alternative is None:
                continue
            attribute, operator, value = mutant.alternative
            left = tuple(
                each for each in clause.any_of
                if (each.attribute, each.operator) != (attribute, operator)
                or (value is not None and each.value != value)
            )  # fmt: skip
            clause = clause._replace(any_of=left)
        guard.append(clause)
    return Write(
        write.event, write.key, tuple(guard), write.set, write.remove, write.copy, write.increment, write.add,
        write.mine, write.kind,
    )  # fmt: skip


def _build(space: Space, spec: Spec) -> Write:
    event, step, token, number, extra, age = spec
    held = space.rows[number] if number >= 0 else None
    config, now = space.configs[step], NOW - age * TICK
    if event == "claim":
        return lifecycle.claim(config, KEY, token=token, worker="w", now=now)
    if event in ("heartbeat", "update"):
        until = now // 1000 + config.lease_ms
        assert held is not None
        if event == "heartbeat":
            return lifecycle.heartbeat(config, KEY, token=token, now=now, until_ms=until, attempt=held["attempt"])
        return lifecycle.update(
            config, KEY, token=token, now=now, until_ms=until, attempt=held["attempt"],
            changes={"data": f'{{"{token}":{extra}}}'},
        )  # fmt: skip
    if event == "late_result":
        assert held is not None
        return lifecycle.late_result(KEY, f"{held['attempt']} {token}")
    if event == "create":
        return lifecycle.create({**new_row(space.configs[0]), "create_id": token})
    row = space.rows[space.older(number, age)]
    assert row is not None, spec
    if event == "take_over":
        return lifecycle.take_over(config, row, token=token, worker="w", now=now)
    if event == "rescue":
        return lifecycle.rescue(config, row, now=now)
    if event == "succeed":
        return lifecycle.succeed(config, row, now=now, changes={"data": f'{{"{token}":9}}'})
    if event == "fail":
        return lifecycle.fail(config, row, now=now, failure=FAILURE, delay_ms=extra * 1000)
    if event == "give_up":
        return lifecycle.give_up(config, row, now=now, failure=FAILURE)
    if event == "release":
        return lifecycle.release(config, row, now=now)
    if event == "snooze":
        return lifecycle.snooze(config, row, now=now, delay_ms=TICK // 1000)
    if event == "give_back":
        return lifecycle.give_back(config, row, now=now)
    if event == "too_large":
        return lifecycle.end_too_large(config, row, now=now, reason="too large")
    return _build_operators(space, spec, config, row, now)


def _build_operators(space: Space, spec: Spec, config: TrackerConfig, row: Row, now: int) -> Write:
    event, attempt = spec.event, int(row.get("attempt") or 0)
    if event == "evict":
        return lifecycle.evict(config, row, now=now, who=spec.token, why="")
    if event == "redrive":
        started = NOW - (spec.extra + spec.age) * TICK
        return lifecycle.redrive(config, row, now=now, started=started, redrive_id="run", who=spec.token, why="")
    if event == "ignore":
        return lifecycle.ignore(config, row, now=now, who=spec.token, why="")
    if event == "delete":
        return lifecycle.delete(KEY, attempt=attempt)
    if event == "expire":
        return lifecycle.expire(row)
    if event == "lift_expiry":
        return lifecycle.lift_expiry(row)
    if event == "save":
        return lifecycle.save({**row, "data": '{"saved":1}'}, attempt=attempt, status=row.get("status"))
    if event == "edit":  # somebody saves a task that is held, with another status, and forces it
        edited = {**row, "status": config.pending_status, "value": config.value(KEY, config.pending_status)}
        return lifecycle.save(edited, attempt=attempt, forced=True)
    if event == "mate":  # pynamodb_mate claims it: it counts no attempt, and knows lock_time only
        code, text = config.in_progress_status, times.to_text(now)
        free = Comparison("lock", "=", NOT_LOCKED)
        over = Comparison("lock_time", "<", times.to_text(now - config.lease_ms * 1000))
        guard = (
            Clause("pending or failed", (Comparison("status", "in", (config.pending_status, config.failed_status)),)),
            Clause("free", (free, over)),
        )
        changes = {"status": code, "value": config.value(KEY, code), "lock": mate_lock(spec), "lock_time": text}
        return Write("mate", KEY, guard, set=changes, mine=lambda current: False)
    raise ValueError(event)


def new_row(config: TrackerConfig, **more: Any) -> Row:
    """A task as ``create`` makes it, with an attribute that the library does not know; None removes one."""
    row: Row = {
        "key": KEY, "value": config.value(KEY, config.pending_status), "status": config.pending_status,
        "create_time": NOW_TEXT, "update_time": times.EPOCH_TEXT, "retry": 0, "lock": NOT_LOCKED,
        "lock_time": times.EPOCH_TEXT, "data": "{}", "errors": NO_ERRORS, "attempt": 0, "foreign_attribute": "keep",
    }  # fmt: skip
    row.update(more)
    if "status" in more:
        row["value"] = config.value(KEY, more["status"])
    return {name: value for name, value in row.items() if value is not None}
