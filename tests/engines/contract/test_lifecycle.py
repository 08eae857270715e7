"""The lifecycle of a task on the engine: each event does to the stored row what ``core.writes`` says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from statustrack.core import lifecycle, times
from statustrack.core.config import TrackerConfig
from statustrack.core.directory import Directory, parse, register
from statustrack.core.directory import write as directory_write
from statustrack.core.failure import from_reason
from statustrack.core.limits import ATTEMPTS_KEPT, DATA_BYTES, LATE_RESULTS_KEPT
from statustrack.core.record import NOT_LOCKED, attempts_of, errors_of, new_row, notes_of
from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Outcome, Refused
from tests.engines.contract.rows import expect, on_page, stored

CONFIG = TrackerConfig.make("job", 10, 14, 16, 20, 18, max_retry=3, lock_expire_seconds=60)
NEXT = TrackerConfig.make("job", 20, 24, 26, 30, 28, max_retry=3, lock_expire_seconds=60)
SECOND = times.MICROS
Make = Callable[[str, Row], Write]


class Play:
    """Some tasks that live the same life; time is an argument, so that nobody waits."""

    def __init__(self, engine: Engine, table: str, tasks: int) -> None:
        self.engine, self.table = engine, table
        self.keys = [CONFIG.key(f"task {number}") for number in range(tasks)]
        self.now = engine.now()
        self.rows: dict[str, Row] = {}

    def send(self, make: Make) -> list[Outcome]:
        """Carry out a write for each task in one list, and compare each with the reference."""
        self.now += SECOND
        writes = [make(key, self.rows.get(key, {})) for key in self.keys]
        wanted = [expect(write, self.rows) for write in writes]
        assert self.engine.apply(self.table, writes) == wanted
        for key in self.keys:
            assert stored(self.engine, self.table, key) == self.rows.get(key)
        return wanted

    def applied(self, make: Make) -> Row:
        """The same, and it must be applied; the first task's row."""
        outcomes = self.send(make)
        assert all(isinstance(outcome, Applied) for outcome in outcomes)
        return self.rows.get(self.keys[0], {})

    def refused(self, make: Make) -> None:
        assert all(isinstance(outcome, Refused) for outcome in self.send(make))

    # the events

    def create(self, key: str, _: Row) -> Write:
        value = CONFIG.value(key, CONFIG.pending_status)
        return lifecycle.create(new_row(CONFIG, key, self.now, "{}", f"id of {key}", CONFIG.pending_status, value))

    def claim(self, token: str, config: TrackerConfig = CONFIG) -> Make:
        return lambda key, _: lifecycle.claim(config, key, token=token, worker="host:1", now=self.now)

    def heartbeat(self, token: str, seconds: int = 60) -> Make:
        until = self.now // 1000 + seconds * 1000
        return lambda key, _: lifecycle.heartbeat(CONFIG, key, token=token, now=self.now, until_ms=until)

    def fail(self, delay_ms: int = 0) -> Make:
        failure = from_reason("error", "ValueError: it's no number 😀")
        return lambda _, row: lifecycle.fail(CONFIG, row, now=self.now, failure=failure, delay_ms=delay_ms)

    def succeed(self, config: TrackerConfig = CONFIG) -> Make:
        return lambda _, row: lifecycle.succeed(config, row, now=self.now, changes={"data": '{"done":1}'})

    def take_over(self, token: str) -> Make:
        return lambda _, row: lifecycle.take_over(CONFIG, row, token=token, worker="host:2", now=self.now)


@pytest.fixture(params=[1, 3], ids=["alone", "in a batch"])
def play(engine: Engine, table: str, request: pytest.FixtureRequest) -> Play:
    return Play(engine, table, request.param)


def token(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def test_a_task_is_created_claimed_kept_alive_and_succeeds_and_the_next_step_goes_on(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.create)  # recognised by its create_id
    assert play.applied(play.claim(token(1)))["attempt"] == 1
    play.refused(play.claim(token(2)))
    play.applied(play.claim(token(1)))  # its reply was lost
    play.applied(play.heartbeat(token(1)))
    play.refused(play.heartbeat(token(1), seconds=5))  # a late duplicate shortens no lease
    play.refused(play.heartbeat(token(2), seconds=100))
    until = play.now // 1000 + 90_000
    play.applied(
        lambda key, row: lifecycle.update(
            CONFIG, key, token=token(1), now=play.now, until_ms=until, changes={"data": '{"half":1}', "progress": "50%"}
        )
    )
    row = play.applied(play.succeed())
    assert (row["status"], row["lock"], row["data"]) == (20, NOT_LOCKED, '{"done":1}')
    assert [entry.outcome for entry in attempts_of(row)] == ["succeeded"]
    play.refused(play.claim(token(3)))
    assert play.applied(play.claim(token(4), NEXT))["claimed_from"] == CONFIG.value(play.keys[0], 20)
    assert play.applied(play.succeed(NEXT))["status"] == 30
    shown = play.engine.page(play.table, NEXT.value(play.keys[0], 30), limit=10).rows
    assert [on_page(play.engine, play.rows[each["key"]]) for each in shown] == shown
    assert len(shown) == len(play.keys)


def test_a_finish_whose_reply_was_lost_is_recognised(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    held = dict(play.rows)
    play.applied(play.succeed())
    again = play.send(lambda key, _: lifecycle.succeed(CONFIG, held[key], now=play.now))
    assert again == [Applied(play.rows[key]) for key in play.keys]


def test_a_task_that_fails_waits_and_is_ignored_at_last_until_it_is_redriven(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    row = play.applied(play.fail(delay_ms=30_000))
    assert (row["status"], row["retry"]) == (16, 1)
    play.refused(play.claim(token(2)))
    play.now += 30 * SECOND
    for number in (2, 3):
        play.applied(play.claim(token(number)))
        row = play.applied(play.fail())
    assert (row["status"], row["retry"], len(errors_of(row)["history"])) == (18, 3, 3)
    play.refused(play.claim(token(4)))
    started = play.now + SECOND
    play.applied(
        lambda _, row: lifecycle.redrive(
            CONFIG, row, now=play.now, started=started, redrive_id="redrive 1", who="ann", why="fixed"
        )
    )
    assert play.applied(play.claim(token(5)))["attempt"] == 4
    play.refused(
        lambda _, row: lifecycle.redrive(
            CONFIG, row, now=play.now, started=play.now + SECOND, redrive_id="redrive 2", who="ann", why="held"
        )
    )
    assert "error_group" not in play.applied(play.succeed())


def test_a_lost_attempt_is_taken_over_once_and_its_holder_can_change_nothing(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    held = dict(play.rows)
    play.refused(play.claim(token(2)))
    play.now += 61 * SECOND
    play.refused(play.claim(token(2)))  # in_progress is taken over, never claimed
    row = play.applied(play.take_over(token(2)))
    assert (row["attempt"], row["retry"], row["lock"]) == (2, 1, token(2))
    play.refused(lambda key, _: lifecycle.take_over(CONFIG, held[key], token=token(3), worker="w", now=play.now))
    play.refused(play.heartbeat(token(1), seconds=500))
    play.refused(lambda key, _: lifecycle.succeed(CONFIG, held[key], now=play.now))
    for number in range(LATE_RESULTS_KEPT):
        play.applied(lambda key, _, number=number: lifecycle.late_result(key, f"late {number}"))  # type: ignore[misc]
    play.applied(lambda key, _: lifecycle.late_result(key, "late 0"))
    play.refused(lambda key, _: lifecycle.late_result(key, "one too many"))
    play.now += 61 * SECOND
    play.applied(play.take_over(token(4)))
    play.now += 61 * SECOND
    row = play.applied(play.take_over(token(5)))
    assert (row["status"], row["lock"]) == (18, NOT_LOCKED)
    assert [entry.outcome for entry in attempts_of(row)] == ["lost"] * 3
    assert len(row["late_results"]) == LATE_RESULTS_KEPT


def test_a_rescue_is_one_write_and_lands_once(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    held = dict(play.rows)
    play.now += 61 * SECOND
    row = play.applied(lambda _, row: lifecycle.rescue(CONFIG, row, now=play.now))
    assert (row["status"], row["retry"], row["lock"], row["attempt"]) == (16, 1, NOT_LOCKED, 1)
    assert [entry.outcome for entry in attempts_of(row)] == ["lost"]
    play.applied(lambda key, _: lifecycle.rescue(CONFIG, held[key], now=play.now - SECOND))  # sent again
    play.refused(lambda key, _: lifecycle.succeed(CONFIG, held[key], now=play.now))
    play.refused(play.heartbeat(token(1), seconds=500))
    for number in (2, 3):
        assert play.applied(play.claim(token(number)))["attempt"] == number
        play.refused(lambda key, _: lifecycle.rescue(CONFIG, held[key], now=play.now))
        play.now += 61 * SECOND
        row = play.applied(lambda _, row: lifecycle.rescue(CONFIG, row, now=play.now))
    assert (row["status"], row["lock"], "lease_until" in row) == (18, NOT_LOCKED, False)


def test_a_late_result_makes_no_row(play: Play) -> None:
    play.refused(lambda key, _: lifecycle.late_result(key, "late"))
    assert list(play.engine.scan(play.table)) == []


def test_a_holder_that_renewed_in_between_keeps_its_task(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    seen = dict(play.rows)
    play.now += 61 * SECOND
    play.applied(play.heartbeat(token(1)))
    play.refused(lambda key, _: lifecycle.take_over(CONFIG, seen[key], token=token(2), worker="w", now=play.now))
    play.refused(lambda key, _: lifecycle.evict(CONFIG, seen[key], now=play.now, who="ann", why="dead"))


@pytest.mark.parametrize("forced", [False, True])
def test_an_evicted_task_can_be_claimed_after_its_lease(play: Play, forced: bool) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    row = play.applied(lambda _, row: lifecycle.evict(CONFIG, row, now=play.now, who="ann", why="dead", forced=forced))
    assert (row["status"], notes_of(row)[0]["who"], "ready_at" in row) == (16, "ann", not forced)
    if not forced:
        play.refused(play.claim(token(2)))
        play.now += 61 * SECOND
    assert play.applied(play.claim(token(2)))["attempt"] == 2


def test_a_task_goes_back_to_where_it_was_claimed_from(play: Play) -> None:
    play.applied(play.create)
    for number in range(1, ATTEMPTS_KEPT + 3):
        play.applied(play.claim(token(number)))
        play.refused(lambda _, row: lifecycle.ignore(CONFIG, row, now=play.now, who="ann", why=""))
        play.refused(lambda key, _: lifecycle.delete(key))
        row = play.applied(lambda _, row: lifecycle.release(CONFIG, row, now=play.now))
        assert (row["status"], row["attempt"], row["retry"]) == (10, number, 0)
    assert len(attempts_of(row)) == ATTEMPTS_KEPT
    play.applied(play.claim(token(90)))
    play.applied(lambda _, row: lifecycle.give_back(CONFIG, row, now=play.now))
    play.applied(play.claim(token(91)))
    play.applied(lambda _, row: lifecycle.snooze(CONFIG, row, now=play.now, delay_ms=5000))
    play.refused(play.claim(token(92)))
    row = play.applied(lambda _, row: lifecycle.ignore(CONFIG, row, now=play.now, who="ann", why="no use", expire_at=5))
    assert row["expire_at"] == 5
    attempt = row["attempt"]
    play.refused(lambda key, _: lifecycle.delete(key, attempt=attempt - 1))
    play.applied(lambda key, _: lifecycle.delete(key, attempt=attempt))
    play.refused(play.claim(token(93)))
    assert list(play.engine.scan(play.table)) == []


def test_giving_up_and_ending_a_large_row_leave_it_ignored(play: Play) -> None:
    play.applied(play.create)
    play.applied(play.claim(token(1)))
    play.applied(lambda _, row: lifecycle.give_up(CONFIG, row, now=play.now, failure=from_reason("give_up", "no")))
    saved = dict(play.rows)
    play.applied(lambda key, row: lifecycle.save({**row, "status": 10, "data": "x" * DATA_BYTES}, attempt=1))
    play.refused(lambda key, _: lifecycle.save(saved[key], attempt=7))
    play.applied(play.claim(token(2)))
    row = play.applied(lambda _, row: lifecycle.end_too_large(CONFIG, row, now=play.now, reason="it is too large"))
    assert (row["status"], len(row["data"])) == (18, DATA_BYTES)


def test_rows_without_our_attributes_are_claimed_and_taken_over(play: Play) -> None:
    old = times.to_text(play.now - 3600 * SECOND)
    bare = {"update_time": old, "lock_time": old, "value": CONFIG.value("job", 14), "status": 14, "lock": "old token"}
    play.applied(lambda key, _: Write("save", key, (), set={"key": key, **bare}, kind="put"))
    assert play.applied(play.take_over(token(1)))["attempt"] == 1
    pending = {"status": 10, "value": CONFIG.value("job", 10)}
    play.applied(lambda key, _: Write("save", key, (), set={"key": key, **pending}, kind="put"))
    assert play.applied(play.claim(token(2)))["attempt"] == 1
    play.applied(play.succeed())


def test_the_directory_of_a_table_changes_by_compare_and_set(engine: Engine, table: str) -> None:
    rows: dict[str, Row] = {}

    def send(directory: Directory, version: int | None) -> Outcome:
        write = directory_write(directory, engine.now(), version)
        wanted = expect(write, rows)
        assert engine.apply(table, [write]) == [wanted]
        assert stored(engine, table, write.key) == rows[write.key]
        return wanted

    first, second = Directory(complete=True), Directory(complete=True)
    register(first, CONFIG, "First")
    register(second, NEXT, "Second")
    assert isinstance(send(first, None), Applied)
    assert isinstance(send(second, None), Refused)
    (current,) = rows.values()
    known = parse(current)
    assert known is not None
    version = known.version
    register(known, NEXT, "Second")
    assert isinstance(send(known, version), Applied)
    assert isinstance(send(first, version), Refused)
