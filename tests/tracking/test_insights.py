"""The read model: what people are shown of a table, from its directory, without user code; on both engines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

import statustrack as st
from statustrack.core.lifecycle import delete
from statustrack.core.writes import Write
from statustrack.engines.clock import MovableClock
from statustrack.engines.protocol import TableOptions
from statustrack.tracking.arguments import bound_of
from statustrack.tracking.insights import (
    View,
    Wanted,
    checkup,
    explained,
    failures,
    holders,
    overview,
    paces,
    page_of_tasks,
    plain,
    story,
)
from tests.tracking.support import FIRST, SECOND, fail, lose, step


@pytest.fixture
def two(store: Any, table_name: str) -> list[type[st.BaseTask]]:
    """Two steps of one use case, the first over three pending shards; their table made."""
    steps = [
        step(table_name, FIRST, name="Read", max_retry=2, n_pending_shard=3, lock_expire_seconds=60),
        step(table_name, SECOND, name="Answer", lock_expire_seconds=60),
    ]
    steps[0].create_table(wait=True)
    return steps


def view_of(task: type[st.BaseTask]) -> View:
    return View(*task._engine_and_table())


def succeed(task: type[st.BaseTask], task_id: str, clock: MovableClock, seconds: float = 1) -> None:
    with task.start(task_id):
        clock.advance(seconds)


# --- overview --------------------------------------------------------------------------------------------------------


def test_overview_counts_each_step_and_status(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read, answer = two
    read.create_many(f"t-{number}" for number in range(6))
    fail(read, "t-0")
    for _ in range(2):
        fail(read, "t-1")
    for task_id in ("t-2", "t-3"):
        succeed(read, task_id, clock)
    succeed(answer, "t-2", clock)
    found = overview(view_of(read))
    (use_case,) = found.use_cases
    assert (found.complete, use_case.use_case, use_case.tasks, use_case.other, use_case.capped) == (
        True, "job", 6, {}, [],
    )  # fmt: skip
    first, second = use_case.steps
    assert first.counts == {"pending": 2, "in_progress": 0, "failed": 1, "succeeded": None, "ignored": 1}
    assert (first.step, first.goes_on_to) == ("Read", "Answer")
    assert second.counts == {"pending": 1, "in_progress": 0, "failed": 0, "succeeded": 1, "ignored": 0}


def test_overview_takes_one_request_for_each_status_and_shard_and_one_for_the_directory(
    two: list[type[st.BaseTask]], store: Any, clock: MovableClock
) -> None:
    read, answer = two
    read.create_many(f"t-{number}" for number in range(30))
    answer.create("other")
    lose(read, "t-0", clock)
    fail(read, "t-1")
    succeed(read, "t-2", clock)
    before = dict(store.meter.by_operation)
    found = overview(view_of(read))
    asked = {name: count - before.get(name, 0) for name, count in store.meter.by_operation.items()}
    shards = 3 + 8  # nine codes, of which the first step's pending has three shards
    if store.parallel_reads:
        assert {name: count for name, count in asked.items() if count} == {"GetItem": 1, "Query": shards}
        assert found.cost.requests == 1 + shards
        assert found.cost.read_units > 0
    # SQLite reads no units; where something waits or runs, its first rows are one statement more.
    assert found.cost.requests <= 1 + shards + 3 + 1 + 1


def test_a_capped_count_says_so_and_an_exact_one_does_not(two: list[type[st.BaseTask]]) -> None:
    read = two[0]
    read.create_many(f"t-{number}" for number in range(30))
    for number in range(5):
        fail(read, f"t-{number}")
    capped = overview(view_of(read), most=3).use_cases[0]
    assert 30 in capped.capped
    assert capped.steps[0].counts["failed"] == 3
    exact = overview(view_of(read), most=None).use_cases[0]
    assert (exact.capped, exact.steps[0].counts["failed"], exact.tasks) == ([], 5, 30)
    just = overview(view_of(read), most=5).use_cases[0]
    assert 30 not in just.capped


def test_a_page_that_is_full_is_counted_on(two: list[type[st.BaseTask]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statustrack.tracking.overview.FIRST", 2)
    two[0].create_many(f"t-{number}" for number in range(30))
    found = overview(view_of(two[0])).use_cases[0]
    assert found.steps[0].counts["pending"] == 30


def test_the_oldest_waiting_is_one_that_could_run(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read = two[0]
    read.create("asleep")
    with read.start("asleep"):
        raise st.Snooze(3600)
    for task_id in ("old", "young"):
        clock.advance(100)
        read.create(task_id)
    clock.advance(50)
    oldest = overview(view_of(read)).use_cases[0].steps[0].oldest_waiting
    assert oldest is not None
    assert oldest.task_id == "old"
    assert 150 <= oldest.seconds < 151


def test_what_is_stuck_is_told_from_what_runs(two: list[type[st.BaseTask]], store: Any, clock: MovableClock) -> None:
    read = two[0]
    read.create_many(["dead", "long", "short"])
    lose(read, "dead", clock)  # its lease of 60 s is over
    with read.start("long", lock_expire_seconds=3600):
        clock.advance(100)
        with read.start("short"):
            running = overview(view_of(read), leases=True).use_cases[0].steps[0].running
            unread = overview(view_of(read)).use_cases[0].steps[0].running
    assert running.oldest is not None
    assert (running.oldest.task_id, running.long, running.stuck, running.partly) == ("dead", 2, 1, False)
    # Leases are not in the index: where they cost a read, nobody pays for it unasked.
    assert unread.stuck == (1 if store.page_is_full else None)
    assert unread.long == 2


def test_codes_of_no_known_step_are_counted(two: list[type[st.BaseTask]]) -> None:
    read, answer = two
    answer.create("t-1")
    fail(answer, "t-1")
    answer.forget_step("job", SECOND)
    assert overview(view_of(read)).use_cases[0].other == {"70": 1}


def test_an_incomplete_directory_says_so(two: list[type[st.BaseTask]], store: Any) -> None:
    two[0].create("t-1")
    from statustrack.core.config import DIRECTORY_KEY

    store.apply(two[0]._engine_and_table()[1], [delete(DIRECTORY_KEY, forced=True)])
    found = overview(view_of(two[0]))
    assert (found.complete, found.use_cases) == (False, [])


# --- pace ------------------------------------------------------------------------------------------------------------


def test_the_pace_of_the_last_attempts(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read, answer = two
    read.create_many(f"t-{number}" for number in range(10))
    for number in range(10):
        if number == 3:
            fail(read, "t-3")
        else:
            succeed(read, f"t-{number}", clock, seconds=number + 1)
        clock.advance(10)
    succeed(answer, "t-0", clock, seconds=4)
    first, second = paces(view_of(read)).steps
    assert (first.step, first.attempts, first.succeeded, first.failed, first.lost) == ("Read", 10, 9, 1, 0)
    # 1, 2, 3, 5, 6, 7, 8, 9, 10 seconds; a task that has gone on to the next step is among them.
    assert first.median_seconds == pytest.approx(6, abs=0.01)
    assert first.p95_seconds == pytest.approx(10, abs=0.01)
    # Nine more in 9 x 10 s and 2 + 3 + 5 + ... + 10 s.
    assert first.per_minute == pytest.approx(9 * 60 / 140, rel=0.01)
    assert (second.attempts, second.per_minute) == (1, None)
    assert second.median_seconds == pytest.approx(4, abs=0.01)
    assert paces(view_of(read), last=3).steps[0].attempts == 3


def test_there_is_no_pace_before_the_first_attempt(two: list[type[st.BaseTask]]) -> None:
    two[0].create("t-1")
    (pace,) = paces(view_of(two[0])).steps
    assert (pace.attempts, pace.since, pace.per_minute, pace.median_seconds) == (0, None, None, None)


# --- holders ---------------------------------------------------------------------------------------------------------


def test_holders_have_their_leases(two: list[type[st.BaseTask]], store: Any, clock: MovableClock) -> None:
    read = two[0]
    read.create_many(["dead", "odd", "free", "runs"])
    lose(read, "dead", clock)
    for task_id in ("odd", "free"):
        read.start(task_id).__enter__()
    table = read._engine_and_table()[1]
    far = int(store.now() // 1000 + 10 * 86_400_000)
    free = Write("free", read.make_key("free"), (), set={"lock": "__not_locked__"}, remove=("lease_until",))
    store.apply(table, [Write("odd", read.make_key("odd"), (), set={"lease_until": far}), free])
    with read.start("runs") as ctx:
        ctx.progress(0.5, "half")
        found = holders(view_of(read))
    by_id = {each.task_id: each for each in found.tasks}
    assert {task_id: each.state for task_id, each in by_id.items()} == {
        "dead": "over", "odd": "odd", "free": "free", "runs": "running",
    }  # fmt: skip
    assert found.tasks[0].task_id == "dead"  # the longest running first
    assert by_id["runs"].progress is not None
    assert by_id["runs"].progress["message"] == "half"
    assert 58 < (by_id["runs"].lease_seconds or 0) <= 61
    assert (by_id["dead"].lease_seconds or 0) < 0
    assert by_id["runs"].worker
    assert by_id["free"].lease_until is None


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def failing(two: list[type[st.BaseTask]], clock: MovableClock) -> type[st.BaseTask]:
    """Seven failures of three kinds, ten seconds apart; two of the first are ignored."""
    read = two[0]
    read.create_many(f"t-{number}" for number in range(8))
    for number in range(7):
        error: Exception = ValueError(f"page {number} is broken") if number < 5 else KeyError("author")
        for _ in range(2 if number < 2 else 1):
            fail(read, f"t-{number}", error)
        clock.advance(10)
    read.ignore("t-7", why="not wanted")
    return read


def test_like_failures_are_one_group(failing: type[st.BaseTask]) -> None:
    found = failures(view_of(failing))
    first, second, third = found.groups
    assert (first.count, first.failed, first.ignored, first.step, first.use_case) == (5, 3, 2, "Read", "job")
    assert first.summary == "ValueError: page 4 is broken"  # the last one
    assert first.samples == ["t-4", "t-3", "t-2"]
    assert first.first_seen is not None
    assert first.last_seen is not None
    assert 40 <= (first.last_seen - first.first_seen).total_seconds() < 41
    assert first.group == failing.get("t-0").error_group
    assert (second.count, second.summary) == (2, "KeyError: 'author'")
    assert (third.count, third.group, third.summary) == (1, None, "")
    assert (found.looked_at, found.more, len(found)) == (8, False, 3)


def test_failures_are_bounded_by_age_and_number(failing: type[st.BaseTask]) -> None:
    recent = failing.failures(since="25s")
    assert [(group.count, group.summary[:8]) for group in recent] == [(2, "KeyError"), (1, "")]
    bounded = failing.failures(most=2)
    assert bounded.more
    assert bounded.looked_at == 4  # two of each status
    assert failing.failures(samples=1).groups[0].samples == ["t-4"]
    with pytest.raises(st.ConfigError, match="since"):
        failing.failures(since="yesterday")


def test_the_api_has_the_same_groups(failing: type[st.BaseTask]) -> None:
    groups = failing.failures().groups
    assert asyncio.run(failing.afailures()).groups == groups
    assert [group.count for group in groups] == [5, 2, 1]
    assert failing.redrive(group=groups[0].group).redriven == 5


def test_a_step_that_never_wrote_has_no_failures(two: list[type[st.BaseTask]], table_name: str) -> None:
    assert step(table_name, (1, 2, 3, 4, 5), use_case="never").failures().groups == []


def test_failures_of_pynamodb_mate_have_their_last_words(two: list[type[st.BaseTask]], store: Any) -> None:
    read = two[0]
    read.create("t-1")
    fail(read, "t-1")
    store.apply(
        read._engine_and_table()[1],
        [Write("older", read.make_key("t-1"), (), remove=("error_group", "error_summary", "attempts"))],
    )
    (group,) = read.failures()
    assert (group.group, group.summary) == (None, "ValueError('boom')")


# --- listing ---------------------------------------------------------------------------------------------------------


def all_of(task: type[st.BaseTask], *names: str) -> list[Any]:
    view = view_of(task)
    return view.partitions_of(task, names or ("pending", "in_progress", "failed", "succeeded", "ignored"))


def ids_of(found: Any) -> list[str]:
    return [task.task_id for task in found.tasks]


def pages(task: type[st.BaseTask], limit: int, **wanted: Any) -> Iterator[list[str]]:
    after: str | None = None
    for _ in range(100):
        found = page_of_tasks(view_of(task), Wanted(all_of(task), **wanted), limit, after)
        yield ids_of(found)
        after = found.after
        if after is None:
            return
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 39, 40, 41])
def test_pages_have_every_task_once(
    two: list[type[st.BaseTask]], clock: MovableClock, limit: int, newest_first: bool
) -> None:
    read = two[0]
    read.create_many(f"t-{number:02d}" for number in range(40))
    for number in range(0, 12, 3):
        fail(read, f"t-{number:02d}")
    found = [task_id for page in pages(read, limit, newest_first=newest_first) for task_id in page]
    assert sorted(found) == [f"t-{number:02d}" for number in range(40)]
    assert found == sorted(found, key=lambda task_id: read.get(task_id).update_time, reverse=newest_first)


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_have_every_task_once_where_all_were_written_at_one_moment(
    two: list[type[st.BaseTask]], store: Any, newest_first: bool
) -> None:
    read = two[0]
    read.create_many(f"t-{number:02d}" for number in range(40))
    moment = "2026-01-01T00:00:00.000000+0000"
    table = read._engine_and_table()[1]
    store.apply(table, [Write("at", read.make_key(f"t-{n:02d}"), (), set={"update_time": moment}) for n in range(40)])
    found = [task_id for page in pages(read, 7, newest_first=newest_first) for task_id in page]
    assert sorted(found) == [f"t-{number:02d}" for number in range(40)]


def test_a_listing_is_filtered(failing: type[st.BaseTask]) -> None:
    view = view_of(failing)
    group = failing.get("t-0").error_group
    alike = page_of_tasks(view, Wanted(all_of(failing), group=group))
    assert ids_of(alike) == ["t-4", "t-3", "t-2", "t-1", "t-0"]
    assert alike.tasks[0].error == "ValueError: page 4 is broken"
    assert (alike.tasks[0].status, alike.tasks[-1].status) == ("failed", "ignored")
    assert ids_of(page_of_tasks(view, Wanted(all_of(failing, "ignored")))) == ["t-7", "t-1", "t-0"]
    now = view.micros
    from statustrack.core.times import to_text

    older = Wanted(all_of(failing, "failed"), until=to_text(now - 35_000_000))
    assert ids_of(page_of_tasks(view, older)) == ["t-3", "t-2"]
    newer = Wanted(all_of(failing, "failed"), since=to_text(now - 35_000_000), newest_first=False)
    assert ids_of(page_of_tasks(view, newer)) == ["t-4", "t-5", "t-6"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_mark_that_has_left_the_ages_is_gone_on_from(
    two: list[type[st.BaseTask]], clock: MovableClock, newest_first: bool
) -> None:
    """Ages are counted from now, and it is later at each page."""
    read = two[0]
    for number in range(6):
        read.create(f"t-{number}")
        clock.advance(10)

    def page(after: str | None) -> Any:
        view = view_of(read)
        since = bound_of(45, "newer", view.micros)  # t-2 to t-5 at first
        return page_of_tasks(view, Wanted(all_of(read), since=since, newest_first=newest_first), 2, after)

    first = page(None)
    assert ids_of(first) == (["t-5", "t-4"] if newest_first else ["t-2", "t-3"])
    clock.advance(28)  # now t-5 only is young enough; the mark is not
    assert ids_of(page(first.after)) == ([] if newest_first else ["t-5"])


def test_a_listing_by_prefix(two: list[type[st.BaseTask]], monkeypatch: pytest.MonkeyPatch) -> None:
    read = two[0]
    for task_id in ("a-1", "b-1", "a-2", "ab", "a-3"):
        read.create(task_id)
    assert list(pages(read, 10, prefix="a-")) == [["a-3", "a-2", "a-1"]]
    assert list(pages(read, 2, prefix="a-")) == [["a-3", "a-2"], ["a-1"]]
    assert list(pages(read, 2, prefix="a-", newest_first=False)) == [["a-1", "a-2"], ["a-3"]]
    assert list(pages(read, 2, prefix="c")) == [[]]
    # More than can be sorted: then page by page through all.
    monkeypatch.setattr("statustrack.tracking.listing.LOOKED_AT", 2)
    assert [task_id for page in pages(read, 2, prefix="a-") for task_id in page] == ["a-3", "a-2", "a-1"]


def test_a_filter_that_fits_little_stops_and_goes_on(
    two: list[type[st.BaseTask]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = two[0]
    read.create_many(f"t-{number}" for number in range(30))
    monkeypatch.setattr("statustrack.tracking.listing.LOOKED_AT", 10)
    assert list(pages(read, 5, group="no such")) == [[], [], []]


def test_a_listing_of_what_is_stuck(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read = two[0]
    read.create_many(["dead", "runs"])
    lose(read, "dead", clock)
    with read.start("runs"):
        found = page_of_tasks(view_of(read), Wanted(all_of(read, "in_progress"), stuck=True))
        everything = page_of_tasks(view_of(read), Wanted(all_of(read, "in_progress")))
    assert ids_of(found) == ["dead"]
    assert found.tasks[0].holder is not None
    assert found.tasks[0].holder.state == "over"
    assert {task.task_id: task.holder.state for task in everything.tasks if task.holder} == {
        "dead": "over", "runs": "running",
    }  # fmt: skip


def test_an_index_of_pynamodb_mate_will_do(store: Any, table_name: str, clock: MovableClock) -> None:
    """Its index carries keys only: what else is shown is read from the tasks."""
    read = step(table_name, FIRST, name="Read", max_retry=2, lock_expire_seconds=60)
    if store.page_is_full:  # SQLite reads the table itself
        read.create_table(wait=True)
    else:
        from statustrack.engines.dynamodb.table import definition

        parameters = definition(table_name, TableOptions())
        parameters["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
        store.connection.call("create_table", **parameters)
    read.create_many(["a", "b", "c", "dead"])
    for task_id in ("a", "b"):
        fail(read, task_id, ValueError(f"page {task_id * 3}"))
    lose(read, "dead", clock)
    view = view_of(read)
    (first, second) = failures(view).groups
    assert {first.count, second.count} == {1}
    group = read.get("a").error_group
    found = page_of_tasks(view, Wanted(all_of(read, "failed"), group=group))
    assert ids_of(found) == ["a"]
    task = found.tasks[0]
    assert (task.retry, task.attempt, task.group, task.error) == (1, 1, group, "ValueError: page aaa")
    assert task.created is not None
    assert ids_of(page_of_tasks(view, Wanted(all_of(read, "in_progress"), stuck=True))) == ["dead"]
    counted = overview(view, leases=True).use_cases[0].steps[0]
    assert counted.counts == {"pending": 1, "in_progress": 1, "failed": 2, "succeeded": 0, "ignored": 0}
    assert counted.running.stuck == 1
    assert [pace.attempts for pace in paces(view).steps] == [2]


def test_a_mark_that_is_none_is_refused(two: list[type[st.BaseTask]]) -> None:
    two[0].create("t-1")
    for mark in ("nonsense", "", "W10", "WyJ4Iix7fV0"):
        with pytest.raises(st.ConfigError, match="no mark of a listing"):
            page_of_tasks(view_of(two[0]), Wanted(all_of(two[0])), after=mark)


# --- one task --------------------------------------------------------------------------------------------------------


def test_the_story_of_a_task(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read, answer = two
    read.create("t-1", {"path": "in/1.pdf"})
    fail(read, "t-1", ValueError("boom"))
    clock.advance(10)
    lose(read, "t-1", clock)
    with suppress(st.TaskExecutionError), read.start("t-1"):
        raise AssertionError("it is ignored, not entered")
    read.redrive(["t-1"], why="parser 2.1", who="ann@desk")
    succeed(read, "t-1", clock, seconds=3)
    with answer.start("t-1") as ctx:
        ctx.progress(0.25, "page 1 of 4")
        clock.advance(5)
        found = story(view_of(read), "t-1")
    assert (found.use_case, found.step, found.task_id, found.status) == ("job", "Answer", "t-1", "in_progress")
    assert found.steps == ["Read", "Answer"]
    assert [(each.attempt, each.step, each.outcome) for each in found.attempts] == [
        (1, "Read", "failed"), (2, "Read", "lost"), (3, "Read", "succeeded"), (4, "Answer", "running"),
    ]  # fmt: skip
    assert found.attempts[0].error == "ValueError('boom')"
    assert found.attempts[2].seconds == pytest.approx(3, abs=0.01)
    assert found.attempts[3].seconds == pytest.approx(5, abs=0.01)
    assert [each.kind for each in found.errors] == ["error", "lost"]
    assert "raise wanted" in found.errors[0].traceback
    (note,) = found.notes
    assert (note["action"], note["who"], note["why"]) == ("redrive", "ann@desk", "parser 2.1")
    assert found.holder is not None
    assert found.holder.state == "running"
    assert found.progress is not None
    assert found.progress["fraction"] == 0.25
    assert found.data == {"path": "in/1.pdf"}
    assert 0 < found.data_bytes < found.bytes < 10_000
    assert found.explanation is not None
    assert found.explanation.state == "running"
    assert found.fence == answer.get("t-1").fence
    assert found.more == {}


def test_a_story_takes_two_requests(two: list[type[st.BaseTask]], store: Any) -> None:
    two[0].create("t-1")
    found = story(view_of(two[0]), "t-1")
    assert found.cost.requests == 2


def test_late_results_are_part_of_the_story(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read = two[0]
    read.create("t-1")
    late = read.start("t-1")
    late.__enter__()
    clock.advance(70)
    with read.start("t-1"), pytest.raises(st.TaskLeaseLostError):
        late.__exit__(None, None, None)
    (result,) = story(view_of(read), "t-1").late_results
    assert (result["attempt"], result["step"], result["outcome"]) == (1, "Read", "succeeded")


def test_what_others_wrote_does_not_break_a_story(two: list[type[st.BaseTask]], store: Any) -> None:
    read = two[0]
    read.create("t-1")
    store.apply(
        read._engine_and_table()[1],
        [
            Write(
                "odd", read.make_key("t-1"), (),
                set={
                    "create_time": "long ago", "attempts": "[[1]]", "errors": "[]", "notes": "no", "progress": "7",
                    "data": "{", "worker": "w", "late_results": frozenset(["free text"]),
                },
            )
        ],
    )  # fmt: skip
    found = story(view_of(read), "t-1")
    assert (found.created, found.attempts, found.errors, found.notes, found.progress) == (None, [], [], [], None)
    assert found.data == "{"
    assert found.late_results == [{"detail": "free text"}]
    json.dumps(plain(found))


def test_a_task_is_explained_by_its_own_step_or_another(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read, _ = two
    read.create("t-1")
    succeed(read, "t-1", clock)
    two[1].create("t-2")
    mine = explained(view_of(read), "t-1")
    assert (mine.step, mine.status, mine.explanation.state) == ("Answer", "pending", "ready")
    theirs = explained(view_of(read), "t-1", step="Read")
    assert (theirs.step, theirs.explanation.state) == ("Read", "succeeded")
    missing = explained(view_of(read), "nobody")
    assert missing.explanation.state == "missing"
    assert "there is no task 'nobody'" in missing.explanation.says.lower()
    with pytest.raises(st.ConfigError, match="no such"):
        explained(view_of(read), "t-1", step="no such")


# --- checkup ---------------------------------------------------------------------------------------------------------


def by_topic(found: Any) -> dict[str, list[Any]]:
    topics: dict[str, list[Any]] = {}
    for finding in found.findings:
        topics.setdefault(finding.topic, []).append(finding)
    return topics


def test_a_table_in_use_is_well(two: list[type[st.BaseTask]], clock: MovableClock) -> None:
    read = two[0]
    read.create("t-1")
    with read.start("t-1"):
        found = checkup(*read._engine_and_table())
    topics = by_topic(found)
    for topic in ("reach", "clock", "keys", "index", "directory", "leases", "sizes"):
        assert [finding.state for finding in topics[topic]] == ["good"], topic
    assert not found.has("bad", "warning")
    assert found.looked_at == 1


def test_each_fault_is_found_with_its_remedy(two: list[type[st.BaseTask]], store: Any, clock: MovableClock) -> None:
    read = two[0]
    table = read._engine_and_table()[1]
    read.create_many(["dead", "large", "ahead", "locked", "late"])
    lose(read, "dead", clock)
    late = int(store.now() // 1_000_000) - 10 * 86_400
    store.apply(
        table,
        [
            Write("large", read.make_key("large"), (), set={"data": json.dumps({"text": "x" * 330_000})}),
            Write("ahead", read.make_key("ahead"), (), set={"update_time": "2999-01-01T00:00:00.000000+0000"}),
            Write("locked", read.make_key("locked"), (), set={"lock": "0" * 32}),
            Write("late", read.make_key("late"), (), set={"expire_at": late}),
        ],
    )
    for everything in (False, True):
        found = checkup(store, table, everything)
        topics = by_topic(found)
        assert topics["leases"][0].says.startswith("1 lease (dead) over without an outcome")
        assert topics["leases"][0].fix == "statustrack explain dead"
        assert "job____large" in topics["sizes"][0].says
        assert topics["sizes"][0].state == "warning"
        assert "job____ahead" in topics["times"][0].says
        assert "job____locked" in topics["locks"][0].says
        assert any("job____late" in finding.says for finding in topics["retention"])
        assert all(finding.fix for finding in found.findings if finding.state in ("warning", "bad"))
        assert found.looked_at == 5


def test_a_directory_that_is_missing_is_found(two: list[type[st.BaseTask]], store: Any) -> None:
    from statustrack.core.config import DIRECTORY_KEY

    table = two[0]._engine_and_table()[1]
    store.apply(table, [delete(DIRECTORY_KEY, forced=True)])
    finding = by_topic(checkup(store, table))["directory"][0]
    assert (finding.state, finding.fix) == ("warning", f"statustrack init --adopt --table {table}")


def test_a_clock_that_is_off_is_found(sqlite: Any, local: type[st.BaseTask], monkeypatch: pytest.MonkeyPatch) -> None:
    now = sqlite.now
    monkeypatch.setattr(sqlite, "now", lambda: now() + 12_000_000)
    finding = by_topic(checkup(sqlite, local._engine_and_table()[1]))["clock"][0]
    assert finding.state == "warning"
    assert "12.0 s behind" in finding.says


# --- all of them -----------------------------------------------------------------------------------------------------


def test_answers_are_frozen_and_become_json(failing: type[st.BaseTask]) -> None:
    view = view_of(failing)
    answers: list[Any] = [
        overview(view), paces(view), holders(view), failures(view), story(view, "t-1"), explained(view, "t-1"),
        page_of_tasks(view, Wanted(all_of(failing))), checkup(*failing._engine_and_table()),
    ]  # fmt: skip
    for answer in answers:
        with pytest.raises(FrozenInstanceError):
            answer.now = None
        shape = json.loads(json.dumps(plain(answer)))
        assert set(shape["cost"]) == {"requests", "read_units"}
        assert shape["now"].endswith("+00:00")
