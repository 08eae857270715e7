"""Rivals divide the tasks: who takes which, and what becomes of those that somebody does not take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

import statustrack as st
from statustrack.core import lifecycle
from statustrack.worker import source as source_module
from statustrack.worker.jobs import Job
from statustrack.worker.report import Report
from statustrack.worker.rescue import Rescue
from statustrack.worker.source import LAG_MICROS, PATIENCE_SECONDS, Source
from tests.tracking.support import step

Make = Callable[..., Any]
PATIENCE = 10.0


@pytest.fixture
def make(make: Make) -> Make:
    """The same, with a handler."""

    def made(*ids: str, **options: Any) -> type[st.BaseTask]:
        found: type[st.BaseTask] = make(*ids, **options)
        found.handler(lambda ctx: None)
        return found

    return made


class Scene:
    """One worker's view of a step that it shares with rivals, at a time that only the test moves."""

    def __init__(self, made: type[st.BaseTask], count: int, *rivals: str) -> None:
        self.made = made
        self.now = 1000.0
        self.source: Source = Job(made).source
        self.source.siblings = frozenset(rivals)
        self.source.jump(self.source.engine.now())
        self.source._meet_siblings()
        self.keys = [made.make_key(f"t{number:03}") for number in range(count)]

    def first(self, key: str) -> str:
        """Whose part a task is in."""
        return self.source._place(key)[1]

    def walk(self) -> list[str]:
        """What is taken until all is read and nothing is left to take."""
        taken: list[str] = []
        source = self.source
        source.poll(source.engine.now())
        while not source.is_read:
            keys = source.take(25, source.engine.now())
            taken += keys
            self.done(keys)
        return taken

    def done(self, keys: list[str]) -> None:
        """Somebody has taken these and is done with them."""
        for key in keys:
            with self.made.start(key.partition("____")[2]):
                pass

    def left(self) -> list[str]:
        """Tasks that are pending, oldest first."""
        return [task.key for task in self.made.query_by_status("pending", auto_refresh=True)]

    def later(self, seconds: float = PATIENCE_SECONDS * 1.1) -> None:
        """So much later."""
        self.now += seconds


@pytest.fixture
def scene(make: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scene with so many tasks and these rivals."""

    def made(count: int, *rivals: str) -> Scene:
        found = Scene(make(*(f"t{number:03}" for number in range(count))), count, *rivals)
        monkeypatch.setattr(source_module, "monotonic", lambda: found.now)
        return found

    return made


# --- a rival that takes nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7])
def test_tasks_of_a_rival_that_does_not_take_them_are_taken(make: Make, count: int) -> None:
    """Also the very last one: a walk that finds it and leaves it would be walked again for ever."""
    made = make(*(f"t{number}" for number in range(40)))
    source = Job(made).source
    source.siblings = frozenset({"a rival that is dead"})
    source.jump(source.engine.now())
    source._meet_siblings()
    theirs = [key for key in (made.make_key(f"t{number}") for number in range(40)) if source._rank(key)]
    assert count < len(theirs)
    for task_id in (f"t{number}" for number in range(40)):
        if made.make_key(task_id) not in theirs[:count]:
            with made.start(task_id):
                pass
    taken: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while not set(theirs[:count]) <= taken and time.monotonic() < deadline:
        for key in source.take(25, source.engine.now()):
            taken.add(key)
            with made.start(key.partition("____")[2]):
                pass
        source.poll(source.engine.now())
        time.sleep(0.01)
    assert set(theirs[:count]) <= taken


@pytest.mark.parametrize("how", ["another shard is polled before", "the rival is forgotten"])
def test_tasks_left_to_a_rival_are_not_forgotten(
    make: Make, table_name: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """However the walks of the shards fall together, and without the long walk from the head that mends everything."""
    monkeypatch.setattr("statustrack.worker.source.OVERLAP_MICROS", 0)
    sharded = step(table_name, n_pending_shard=4)
    sharded.create_table(wait=True)
    names = [f"t{number}" for number in range(40)]
    sharded.create_many(names)
    sharded.handler(lambda ctx: None)
    source = Job(sharded).source
    source.siblings = frozenset({"a rival that is dead"})
    source.jump(source.engine.now())
    source._meet_siblings()
    taken: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    polls = 0
    while len(taken) < 40 and time.monotonic() < deadline:
        if source.is_read:
            if how == "the rival is forgotten":
                source.siblings = frozenset()
            else:  # one shard at a time comes to its poll
                for number, each in enumerate(source.partitions):
                    each.poll_at = 0.0 if number == polls % 4 else time.monotonic() + PATIENCE
                polls += 1
        for key in source.take(25, source.engine.now()):
            taken.add(key)
            with contextlib.suppress(st.TaskIsNotReadyToStartError), sharded.start(key.partition("____")[2]):
                pass
        source.poll(source.engine.now())
        time.sleep(0.002)
    assert len(taken) == 40


def test_the_part_of_a_rival_that_takes_nothing_is_divided_among_the_others(scene: Any) -> None:
    """First it is for who comes next; what they do not take either is for who comes after them."""
    here = scene(120, "one", "two", "three")
    ranks = {key: here.source._rank(key) for key in here.keys}
    order = [here.walk()]
    for _ in range(4):
        here.later()
        order.append(here.walk())
    assert [{ranks[key] for key in keys} for keys in order] == [{0}, {1}, {2}, {3}, set()]
    assert sorted(key for keys in order for key in keys) == sorted(here.keys)


def test_a_rival_that_was_quicker_with_a_task_of_its_part_is_at_work_again(scene: Any) -> None:
    here = scene(60, "one")
    here.walk()
    here.later()
    source = here.source
    source.poll(source.engine.now())
    assert source.take(5, source.engine.now()) == []  # the look
    keys = source.take(5, source.engine.now())
    assert {here.first(key) for key in keys} == {"one"}
    source.refused(keys[0], {"key": keys[0], "worker": "one", "status": 40}, source.engine.now())
    source.jump(source.engine.now())
    assert here.walk() == []


# --- a rival that is at work ------------------------------------------------------------------------------------------


def _rest(here: Any, rival: str, count: int) -> list[str]:
    """All but so many tasks of the rival's part are done."""
    theirs = [key for key in here.keys if here.first(key) == rival]
    here.done([key for key in here.keys if key not in theirs[:count]])
    return theirs[:count]


def test_a_rival_that_will_soon_be_done_is_not_helped(scene: Any) -> None:
    here = scene(150, "one", "two")
    theirs = _rest(here, "one", 30)
    assert here.walk() == []
    while theirs:  # it takes half of them or more until the next look
        here.done(theirs[: -(-len(theirs) * 2 // 3)])
        theirs = here.left()
        here.later()
        assert here.walk() == []


def test_a_rival_that_is_slow_is_helped_from_the_newest_end_of_its_part(scene: Any) -> None:
    here = scene(150, "one", "two")
    theirs = _rest(here, "one", 40)
    here.walk()
    here.done(theirs[:2])
    here.later()
    mine = [key for key in theirs[2:] if here.source._rank(key) == 1]
    taken = here.walk()
    assert 0 < len(taken) <= len(mine) / 2
    assert set(taken) == set(mine[-len(taken) :])


def test_who_has_tasks_of_his_own_helps_nobody(scene: Any) -> None:
    """Also where they come by hints, of a step before, and never by reading."""
    here = scene(60, "one")
    mine = [key for key in here.keys if here.first(key) != "one"]
    theirs = [key for key in here.keys if here.first(key) == "one"]
    here.done(mine[3:])
    assert sorted(here.walk()) == sorted(mine[:3])
    for key in mine[3:6]:
        here.later()
        here.source.hint(key)
        assert here.source.take(1, here.source.engine.now()) == [key]
        assert here.walk() == []
    here.later()
    assert set(here.walk()) == set(theirs)


def test_a_task_that_is_hinted_and_read_is_claimed_once(scene: Any) -> None:
    here = scene(40)
    source = here.source
    source.partitions[0].begin(None, source.engine.now())
    for key in here.keys[-10:]:
        source.hint(key)
    first = source.take(20, source.engine.now())
    assert len(first) == 20
    second = source.take(40, source.engine.now())
    assert len(second) == 20
    assert not set(first) & set(second)


# --- who the rivals are -----------------------------------------------------------------------------------------------


def _claim(source: Source, name: str, key: str, seconds_ago: float) -> None:
    """This worker has claimed a task, for one second."""
    engine, config = source.engine, source.config
    now = engine.now() - int(seconds_ago * 1_000_000)
    writes = lifecycle.claims(
        config, [key], ["0" * 32], worker=name, now=now, slack_ms=0, lease_ms=1000,
        statuses=lifecycle.claimable(config),
    )  # fmt: skip
    engine.apply(source.table, writes)


def test_who_had_died_before_we_came_is_no_rival(make: Make) -> None:
    """Tasks that it holds tell of it; but it takes no more."""
    made = make(*"abcd")
    source = Job(made).source
    _claim(source, "dead", made.make_key("a"), LAG_MICROS / 1_000_000 + 1)
    source.jump(source.engine.now())
    assert source.rivals == {}
    _claim(source, "alive", made.make_key("b"), 0)
    source._meet_at = 0.0
    source.jump(source.engine.now())
    assert set(source.rivals) == {"alive"}


def test_whose_lease_is_over_is_no_rival_and_his_tasks_are_divided(make: Make) -> None:
    """Each task is run alone by one worker: by him whose part it is in."""
    made = make(*(f"t{number:02}" for number in range(20)), lock_expire_seconds=1)
    job = Job(made)
    source, rescue = job.source, Rescue(job, Report())
    source.siblings = frozenset({"dead", "alive"})
    source.jump(source.engine.now())
    source._meet_siblings()
    keys = [made.make_key(f"t{number:02}") for number in range(20)]
    for key in keys:
        _claim(source, "dead", key, 60)
    found = rescue.slice()
    assert set(source.rivals) == {"alive"}
    assert rescue.report.rescued == 20
    assert sorted(found) == [key for key in keys if not source._rank(key)]
    assert 0 < len(found) < 20


def test_rivals_have_even_parts(make: Make) -> None:
    names = [f"host:{4711 + number}:{number:08x}" for number in range(8)]
    scene = Scene(make(), 0, *names[1:])
    scene.source._me = names[0]
    parts = dict.fromkeys(names, 0)
    for number in range(4000):
        parts[scene.first(scene.made.make_key(f"t-{number:05}"))] += 1
    assert max(parts.values()) < 1.2 * 4000 / 8
    assert min(parts.values()) > 0.8 * 4000 / 8
