"""Writes: content that is refused, a full disk, a foreign writer, other people's columns and triggers."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

from statustrack.core import lifecycle
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import StorageUnavailableError
from statustrack.core.record import new_row
from statustrack.core.writes import Clause, Comparison, Write, always
from statustrack.engines.protocol import Applied, Refused, Rejected, Unknown
from statustrack.engines.sqlite.engine import SqliteEngine
from tests.engines.sqlite.rows import TABLE, add_one, apply_one, create, engine_at, row_of, with_sqlite


def kinds(outcomes: list[object]) -> list[str]:
    return [type(each).__name__ for each in outcomes]


def test_one_call_is_one_transaction(engine: SqliteEngine) -> None:
    engine.apply(TABLE, [create(f"{n}") for n in range(2000)])
    assert engine.meter.by_operation["apply"] == 1
    engine.apply(TABLE, [create(f"more {n}") for n in range(2001)])
    assert engine.meter.by_operation["apply"] == 3
    assert engine.apply(TABLE, []) == []
    assert len(engine.get(TABLE, [f"{n}" for n in range(2001)])) == 2000


@pytest.mark.parametrize("bad", ["\ud800", 2**63, {"a": 1}, object()])
@pytest.mark.parametrize("alone", [True, False])
def test_content_that_cannot_be_stored_is_rejected_alone(engine: SqliteEngine, bad: object, alone: bool) -> None:
    worse = [create("bad", data=bad), Write("update", "a", (), set={"data": bad})]
    engine.apply(TABLE, [create("a")])
    if alone:
        assert kinds([apply_one(engine, each) for each in worse]) == ["Rejected", "Rejected"]
    else:
        outcomes = engine.apply(TABLE, [create("b"), *worse, add_one("a")])
        assert kinds(outcomes) == ["Applied", "Rejected", "Rejected", "Applied"]
    assert "bad" not in engine.get(TABLE, ["bad"])
    assert "data" not in engine.get(TABLE, ["a"])["a"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="setlimit is new in Python 3.11")
def test_a_text_that_is_too_long_is_rejected_alone(engine: SqliteEngine) -> None:
    engine.apply(TABLE, [create("a")])
    engine._pool._idle[0].raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    long = "x" * 20_000
    outcomes = engine.apply(TABLE, [create("b"), create("c", data=long), Write("u", "a", (), set={"data": long})])
    assert kinds(outcomes) == ["Applied", "Rejected", "Rejected"]
    assert "too big" in outcomes[1].reason  # type: ignore[union-attr]
    assert kinds(engine.apply(TABLE, [create("c", data=long)])) == ["Rejected"]
    assert isinstance(apply_one(engine, add_one("a")), Applied)


def test_an_attribute_without_a_column_is_rejected(engine: SqliteEngine) -> None:
    outcomes = engine.apply(
        TABLE,
        [
            create("a"),
            create("b", colour="red"),
            Write("update", "a", (), set={"colour": "red"}),
            Write("update", "a", (Clause("", (Comparison("colour", "=", "colour"),)),), set={"data": "{}"}),
        ],
    )
    assert kinds(outcomes) == ["Applied", "Rejected", "Rejected", "Rejected"]
    assert "colour" in outcomes[1].reason and "ALTER TABLE" in outcomes[1].reason  # type: ignore[union-attr]


def test_columns_that_a_user_adds_survive_all_but_put(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    with_sqlite(path, "ALTER TABLE tasks ADD COLUMN colour", "UPDATE tasks SET colour = 'red'")
    assert apply_one(engine, add_one("a")) == Applied(row_of("a", attempt=1))  # what the library knows comes back
    assert engine.get(TABLE, ["a"])["a"]["colour"] == "red"
    row = row_of("a", data="{}")
    assert apply_one(engine, Write("save", "a", (), set=row, kind="put")) == Applied(row)
    assert engine.get(TABLE, ["a"])["a"] == row
    blue = {**row, "colour": "blue"}
    assert apply_one(engine, Write("save", "a", (), set=blue, kind="put")) == Applied(blue)
    assert engine.get(TABLE, ["a"])["a"] == blue


def test_a_trigger_of_the_user_rejects_one_write(engine: SqliteEngine, path: Path) -> None:
    for action in ("ABORT", "ROLLBACK", "FAIL"):
        name = action.lower()
        with_sqlite(
            path,
            f"CREATE TRIGGER no_{name} BEFORE INSERT ON tasks WHEN NEW.`key` = '{name}' "
            f"BEGIN SELECT RAISE({action}, 'not this one'); END",
        )
        outcomes = engine.apply(TABLE, [create(f"before {name}"), create(name), create(f"after {name}")])
        assert kinds(outcomes) == ["Applied", "Rejected", "Applied"], action
        assert "not this one" in outcomes[1].reason  # type: ignore[union-attr]
        around = {f"before {name}", f"after {name}"}
        assert engine.get(TABLE, [name, *around]).keys() == around
        assert isinstance(apply_one(engine, create(name)), Rejected)


def test_a_unique_index_of_the_user_is_no_existing_task(engine: SqliteEngine, path: Path) -> None:
    with_sqlite(path, "CREATE UNIQUE INDEX one_worker ON tasks (worker)")
    outcomes = engine.apply(TABLE, [create("a", worker="w"), create("b", worker="w"), create("a", worker="v")])
    assert kinds(outcomes) == ["Applied", "Rejected", "Refused"]


def test_a_lost_reply_is_recognised(engine: SqliteEngine) -> None:
    write = create("a")
    write.mine = always
    assert apply_one(engine, write) == Applied(row_of("a"))
    assert apply_one(engine, write) == Applied(row_of("a"))
    free = (Clause("", (Comparison("lease_until", "absent"),)),)
    beat = Write("heartbeat", "a", free, set={"lease_until": 5}, quiet=True)
    beat.mine = lambda row: row.get("lease_until") == 5
    first, second = engine.apply(TABLE, [beat, beat])
    assert first == Applied({}) and isinstance(second, Applied)
    assert apply_one(engine, Write("heartbeat", "b", (), set={"lease_until": 5}, quiet=True)) == Refused(None)


def test_an_error_in_a_proof_leaves_no_transaction_open(engine: SqliteEngine) -> None:
    apply_one(engine, create("a"))
    write = create("a")
    write.mine = lambda row: row["no such"]
    with pytest.raises(KeyError):
        engine.apply(TABLE, [create("b"), write])
    assert engine.get(TABLE, ["b"]) == {}
    assert isinstance(apply_one(engine, create("b")), Applied)


@pytest.mark.parametrize("alone", [True, False])
def test_a_full_disk(engine: SqliteEngine, path: Path, alone: bool) -> None:
    apply_one(engine, create("a"))
    raw = engine._pool._idle[0].raw
    raw.execute(f"PRAGMA max_page_count = {raw.execute('PRAGMA page_count').fetchone()[0]}")
    big = create("big", data="x" * 50_000)
    outcomes = [apply_one(engine, big)] if alone else engine.apply(TABLE, [add_one("a"), big, create("c")])
    for each in outcomes:
        assert isinstance(each, Unknown)
        assert isinstance(each.cause, StorageUnavailableError)
        assert "no room" in str(each.cause) and str(path) in str(each.cause)
    raw.execute("PRAGMA max_page_count = 1000000")
    assert engine.get(TABLE, ["a", "big", "c"]) == {"a": row_of("a")}
    assert kinds(engine.apply(TABLE, [add_one("a"), big, create("c")])) == ["Applied"] * 3


def test_a_foreign_writer_is_waited_for(engine: SqliteEngine, path: Path) -> None:
    apply_one(engine, create("a"))
    foreign = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, foreign.execute, ("COMMIT",))
    timer.start()
    began = time.perf_counter()
    assert isinstance(apply_one(engine, add_one("a")), Applied)
    assert 0.3 < time.perf_counter() - began < 5
    timer.join()
    foreign.execute("BEGIN IMMEDIATE")
    assert engine.get(TABLE, ["a"]) == {"a": row_of("a", attempt=1)}  # readers do not wait
    engine._pool.patience_seconds = 0.3
    outcomes = engine.apply(TABLE, [add_one("a"), create("b")])
    foreign.execute("COMMIT")
    foreign.close()
    assert kinds(outcomes) == ["Unknown", "Unknown"]
    assert "another program" in str(outcomes[0].cause)  # type: ignore[union-attr]
    assert isinstance(apply_one(engine, add_one("a")), Applied)


def test_a_foreign_writer_while_the_file_is_opened(path: Path) -> None:
    engine_at(path).close()
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute("BEGIN EXCLUSIVE")
    engine = SqliteEngine(str(path), url="")
    engine._pool.patience_seconds = 0.2
    (outcome,) = engine.apply(TABLE, [create("a")])
    assert isinstance(outcome, Unknown)
    foreign.execute("COMMIT")
    foreign.close()
    assert isinstance(apply_one(engine, create("a")), Applied)
    engine.close()


def test_the_guard_never_compares_with_the_columns_name(engine: SqliteEngine) -> None:
    apply_one(engine, create("a", lock="lock"))
    guard = (Clause("", (Comparison("worker", "=", "worker"),)),)
    assert apply_one(engine, add_one("a", guard)) == Refused(row_of("a", lock="lock"))


def test_a_task_in_its_turn_writes_few_pages(path: Path) -> None:
    """A table page and an index page for a claim, the same for its end; the rest is pages that fill up."""
    config = TrackerConfig.make("pages", *(10, 20, 30, 40, 50))
    now, count = 1_800_000_000_000_000, 500
    engine = engine_at(path)
    keys = [config.key(f"{number:032x}") for number in range(count)]
    for number, key in enumerate(keys):
        row = new_row(config, key, now + number, "{}", f"{number:032x}", 10, config.value(key, 10))
        apply_one(engine, lifecycle.create(row))
    with_sqlite(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    for number, key in enumerate(keys, count):
        claim = lifecycle.claim(config, key, token=f"{number:032x}", worker="host:1:01234567", now=now + number)
        claimed = apply_one(engine, claim)
        assert isinstance(claimed, Applied)
        assert apply_one(engine, lifecycle.succeed(config, claimed.row, now=now + number)) == Applied({})
    written = Path(f"{path}-wal").stat().st_size / 4120  # a page and its header
    assert written < 5.2 * count
    engine.close()
