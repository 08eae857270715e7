"""Many writes in one list: one outcome each, in order; each key's writes one after the other; resends recognised."""

from __future__ import annotations

import pytest

from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused, Rejected
from tests.engines.contract.rows import ABSENT, PRESENT, SET, clause, create, expect_all, one, put, row_of, stored

both_ways = pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])


def send(engine: Engine, table: str, write: Write, several: bool) -> object:
    """The outcome of a write, sent alone or among others."""
    others = [create(row_of(f"other {number}")) for number in range(3)]
    outcomes = engine.apply(table, [*others[:2], write, *others[2:]] if several else [write])
    return outcomes[2 if several else 0]


def test_each_of_many_writes_has_its_own_outcome(engine: Engine, table: str) -> None:
    rows = {f"task {number}": row_of(f"task {number}", status=number % 3, attempt=number) for number in range(90)}
    put(engine, table, *rows.values())
    writes: list[Write] = []
    for number in range(120):  # every third is refused, the last thirty keys are not there
        key = f"task {number}"
        claim = {"copy": {"claimed_from": "value"}, "increment": {"attempt": 1}, "remove": ("ready_at",)}
        writes.append(Write("claim", key, clause("status", "in", (0, 1)), set={"lock": f"token {number}"}, **claim))
        if number % 10 == 0:  # the same key again, by somebody else and in another way
            writes.append(Write("claim", key, clause("lock", "absent"), set={"lock": "thief"}, **claim))
        if number % 15 == 0:
            writes.append(Write("delete", key, PRESENT, kind="delete"))
        if number % 30 == 0:
            writes.append(create(row_of(key, data="made again")))
    expected = expect_all(writes, rows)
    outcomes = engine.apply(table, writes)
    assert [type(outcome) for outcome in outcomes] == [type(outcome) for outcome in expected]
    for write, outcome, wanted in zip(writes, outcomes, expected, strict=True):
        if isinstance(outcome, Applied):
            assert outcome == wanted, write
    assert {row["key"]: row for row in engine.scan(table)} == rows


def test_writes_to_one_key_keep_their_order(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"))
    counts = [Write("update", "a", PRESENT, set={"data": str(n)}, increment={"attempt": 1}) for n in range(30)]
    others = [create(row_of(f"other {number}")) for number in range(30)]
    outcomes = engine.apply(table, [write for pair in zip(counts, others, strict=True) for write in pair])
    assert outcomes[::2] == [Applied(row_of("a", data=str(n), attempt=n + 1)) for n in range(30)]
    assert outcomes[1::2] == [Applied(row_of(f"other {number}")) for number in range(30)]
    assert stored(engine, table, "a") == row_of("a", data="29", attempt=30)


def test_a_whole_life_can_be_in_one_list(engine: Engine, table: str) -> None:
    writes = [
        Write("update", "a", (), set={"data": "too early"}),
        create(row_of("a")),
        Write("create", "a", ABSENT, set=row_of("a", data="second"), kind="put"),
        Write("update", "a", PRESENT, set={"data": "{}"}),
        Write("delete", "a", clause("data", "=", "{}"), kind="delete"),
        Write("delete", "a", (), kind="delete"),
        create(row_of("a", retry=7)),
    ]
    outcomes = engine.apply(table, writes)
    assert [type(outcome) for outcome in outcomes] == [Refused, Applied, Refused, Applied, Applied, Applied, Applied]
    assert stored(engine, table, "a") == row_of("a", retry=7)


def test_of_many_who_want_the_same_in_one_list_the_first_gets_it(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", lock="free"))
    writes = [Write("claim", "a", clause("lock", "=", "free"), set={"lock": f"token {n}"}) for n in range(10)]
    outcomes = engine.apply(table, writes)
    assert outcomes[0] == Applied(row_of("a", lock="token 0"))
    assert all(isinstance(outcome, Refused) for outcome in outcomes[1:])


def test_more_writes_than_one_request_takes_are_all_carried_out(engine: Engine, table: str) -> None:
    number = min(2 * engine.batch + 1, 60) if engine.parallel_reads else 2 * engine.batch + 1
    rows = [row_of(f"task {n:04}") for n in range(number)]
    assert engine.apply(table, [create(row) for row in rows]) == [Applied(row) for row in rows]
    assert engine.count(table, rows[0]["value"]) == number


def test_one_that_can_never_be_stored_does_not_stop_the_others(engine: Engine, table: str) -> None:
    put(engine, table, row_of("b", data="small"))
    huge: Row = row_of("a", data="x" * 600_000)
    writes = [create(row_of("first")), create(huge), Write("update", "b", PRESENT, set={"data": huge["data"]})]
    first, made, grown, last = engine.apply(table, [*writes, create(row_of("last"))])
    assert (first, last) == (Applied(row_of("first")), Applied(row_of("last")))
    for outcome, key, before in ((made, "a", None), (grown, "b", row_of("b", data="small"))):
        if isinstance(outcome, Rejected):
            assert "size" in outcome.reason.lower()
            assert stored(engine, table, key) == before
        else:
            assert outcome == Applied(row_of(key, data=huge["data"]))


@both_ways
def test_a_write_that_has_landed_before_is_recognised(engine: Engine, table: str, several: bool) -> None:
    put(engine, table, row_of("a", lock="free", attempt=1))
    claim = Write(
        "claim",
        "a",
        clause("lock", "=", "free"),
        set={"lock": "token"},
        increment={"attempt": 1},
        mine=lambda current: current.get("lock") == "token",
    )
    after = row_of("a", lock="token", attempt=2)
    assert send(engine, table, claim, several) == Applied(after)
    assert send(engine, table, claim, several) == Applied(after)
    assert stored(engine, table, "a") == after
    one(engine, table, Write("update", "a", PRESENT, set={"lock": "another's"}))
    assert send(engine, table, claim, several) == Refused(row_of("a", lock="another's", attempt=2))


def test_a_write_twice_in_one_list_is_carried_out_once(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a"), row_of("b"))
    writes = [
        Write(
            "claim",
            key,
            clause("lock", "absent"),
            set={"lock": "token"},
            increment={"attempt": 1},
            mine=lambda current: current.get("lock") == "token",
        )
        for key in "ab"
    ]
    outcomes = engine.apply(table, [*writes, *writes])
    assert outcomes == [Applied(row_of(key, lock="token", attempt=1)) for key in "abab"]


@both_ways
def test_a_put_that_has_landed_before_is_recognised(engine: Engine, table: str, several: bool) -> None:
    row = row_of("a", create_id="mine")
    make = Write("create", "a", ABSENT, set=row, kind="put", mine=lambda current: current.get("create_id") == "mine")
    assert send(engine, table, make, several) == Applied(row)
    one(engine, table, Write("update", "a", PRESENT, set={"data": "since changed"}))
    assert send(engine, table, make, several) == Applied({**row, "data": "since changed"})
    assert stored(engine, table, "a") == {**row, "data": "since changed"}


@both_ways
def test_a_heartbeat_that_has_landed_before_is_recognised_without_an_image(
    engine: Engine, table: str, several: bool
) -> None:
    put(engine, table, row_of("a", lease_until=5))
    beat = Write(
        "heartbeat",
        "a",
        clause("lease_until", "<", 9),
        set={"lease_until": 9},
        mine=lambda current: current.get("lease_until") == 9,
        quiet=True,
    )
    assert [send(engine, table, beat, several) for _ in range(3)] == [Applied({})] * 3


@both_ways
def test_a_delete_and_an_added_member_may_be_sent_twice(engine: Engine, table: str, several: bool) -> None:
    put(engine, table, row_of("a"))
    add = Write(
        "late_result",
        "a",
        (*PRESENT, *clause(SET, "count<", 1)),
        add={SET: "x"},
        mine=lambda current: "x" in current.get(SET, ()),
    )
    after = row_of("a", late_results=frozenset("x"))
    assert [send(engine, table, add, several) for _ in range(2)] == [Applied(after)] * 2
    delete = Write("delete", "a", PRESENT, kind="delete")
    assert [send(engine, table, delete, several) for _ in range(2)] == [Applied({})] * 2


@both_ways
def test_what_can_not_be_told_from_another_s_write_is_refused(engine: Engine, table: str, several: bool) -> None:
    put(engine, table, row_of("a"))
    write = Write("update", "a", clause("data", "absent"), set={"data": "{}"})
    assert send(engine, table, write, several) == Applied(row_of("a", data="{}"))
    assert send(engine, table, write, several) == Refused(row_of("a", data="{}"))
