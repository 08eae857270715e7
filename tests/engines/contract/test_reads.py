"""Reading by key, counting, and reading everything that begins alike."""

from __future__ import annotations

import pytest

from statustrack.core.record import ATTRIBUTES
from statustrack.core.writes import Write
from statustrack.engines.protocol import Engine
from tests.engines.contract.rows import Chance, put, row_of, stored

KEYS = ("key", "value", "update_time")
PREFIXES = [
    "job____",
    "job_",
    "job%",
    "JOB____",
    "jöb",
    "e\u0301",
    "é",
    "it's",
    '"q"',
    "`b`",
    "a\\",
    "😀",
    "\ud7ff",
    "\U0010ffff",
    "[a-z]",
    "*",
    "?",
    "\n",
    "\x01",
    " ",
    "0",
]


def test_no_keys_no_rows(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    assert engine.get(table, []) == {}
    assert engine.get(table, ["b"]) == {}
    assert engine.get(table, ["b", "c"]) == {}


def test_a_row_is_read_whole(engine: Engine, table: str) -> None:
    chance = Chance(1)
    rows = [chance.row(f"task {number}") for number in range(10)]
    put(engine, table, *rows)
    assert engine.get(table, ["task 3"]) == {"task 3": rows[3]}
    assert engine.get(table, [row["key"] for row in rows]) == {row["key"]: row for row in rows}


@pytest.mark.parametrize("consistent", [True, False])
def test_any_number_of_keys_is_read_at_once(engine: Engine, table: str, consistent: bool) -> None:
    rows = {key: row_of(key, attempt=number) for number, key in enumerate(f"task {n}" for n in range(130))}
    put(engine, table, *rows.values())
    keys = [f"task {number}" for number in range(250)]
    assert engine.get(table, [*keys, *keys[:70], "task 0"], consistent=consistent) == rows
    assert engine.get(table, ["task 7", "task 7"], consistent=consistent) == {"task 7": rows["task 7"]}


@pytest.mark.parametrize("keys", [["task 1"], [f"task {number}" for number in range(120)]], ids=["one", "many"])
@pytest.mark.parametrize(
    "attributes",
    [("status",), ("value", "lock", "data", "status"), ("worker", "data"), ("key",), (), tuple(ATTRIBUTES)],
)
def test_a_read_may_be_of_some_attributes(
    engine: Engine, table: str, keys: list[str], attributes: tuple[str, ...]
) -> None:
    rows = {key: row_of(key, status=3, lock="free", data="{}", late_results=frozenset("x")) for key in keys}
    put(engine, table, *rows.values())
    shown = {"key", *attributes}
    wanted = {key: {n: v for n, v in row.items() if n in shown} for key, row in rows.items()}
    assert engine.get(table, [*keys, "none"], attributes=attributes) == wanted
    assert {row["key"]: row for row in engine.scan(table, attributes=attributes)} == wanted
    assert {row["key"]: row for row in engine.scan(table, "task", attributes)} == wanted


def test_a_read_sees_what_was_written_before_it(engine: Engine, table: str) -> None:
    for number in range(20):
        put(engine, table, row_of("a", attempt=number))
        assert stored(engine, table, "a") == row_of("a", attempt=number)
        assert [row["attempt"] for row in engine.scan(table)] == [number]


def test_a_partition_is_counted(engine: Engine, table: str) -> None:
    rows = [row_of(f"task {number}") for number in range(60)]
    others = [row_of(f"other {number}", value="job____000____002") for number in range(5)]
    put(engine, table, *rows, *others, {"key": "in no partition"}, {"key": "no time", "value": rows[0]["value"]})
    assert engine.count(table, rows[0]["value"]) == 60
    assert engine.count(table, others[0]["value"]) == 5
    assert engine.count(table, "job____000____00") == 0
    assert engine.count(table, "JOB____000____001") == 0


@pytest.mark.parametrize("most", [0, 1, 19, 20, 21, 1000])
def test_counting_stops_beyond_the_most_that_is_of_interest(engine: Engine, table: str, most: int) -> None:
    rows = [row_of(f"task {number}") for number in range(20)]
    put(engine, table, *rows)
    counted = engine.count(table, rows[0]["value"], most)
    assert counted == 20 if most >= 20 else most < counted <= 20


def test_everything_is_read_by_a_scan(engine: Engine, table: str) -> None:
    rows = {f"task {number}": row_of(f"task {number}", attempt=number) for number in range(600)}
    put(engine, table, *rows.values())
    read = list(engine.scan(table))
    assert len(read) == 600
    assert {row["key"]: row for row in read} == rows


def test_a_scan_of_an_empty_table_is_empty(engine: Engine, table: str) -> None:
    assert list(engine.scan(table)) == []
    assert list(engine.scan(table, "a")) == []


def test_a_prefix_is_taken_letter_by_letter(engine: Engine, table: str) -> None:
    keys = {prefix + end for prefix in PREFIXES for end in ("", "1", "x%", "\U0010ffff")}
    put(engine, table, *(row_of(key) for key in keys))
    assert {row["key"] for row in engine.scan(table)} == keys
    for prefix in [*PREFIXES, "job", "j", "x", "job____1", "\U0010ffff\U0010ffff"]:
        read = [row["key"] for row in engine.scan(table, prefix)]
        assert sorted(read) == sorted(key for key in keys if key.startswith(prefix)), prefix


def test_a_scan_may_be_left_early_and_others_may_write_meanwhile(engine: Engine, table: str) -> None:
    put(engine, table, *(row_of(f"task {number:03}") for number in range(300)))
    seen = []
    for row in engine.scan(table):
        seen.append(row["key"])
        if len(seen) == 1:
            engine.apply(table, [Write("delete", key, (), kind="delete") for key in ("task 000", "task 299")])
            put(engine, table, row_of("zzz"))
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"task {number:03}" for number in range(1, 299)}
    for row in engine.scan(table):
        assert row
        break
    put(engine, table, row_of("a"))
    engine.drop_table(table)
