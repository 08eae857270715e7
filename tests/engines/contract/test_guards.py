"""Guards: every comparison with every kind of stored attribute means what ``core.writes.holds`` says."""

from __future__ import annotations

from typing import Any

import pytest

from statustrack.core.record import ATTRIBUTES, INTEGER, TEXT, TEXT_SET
from statustrack.core.writes import Clause, Comparison, Guard, Row, Write, holds
from statustrack.engines.protocol import Applied, Engine, Refused
from tests.engines.contract.places import Place
from tests.engines.contract.rows import PRESENT, SET, clause, one, put, row_of, stored

BIG = 2**53
#: Stored values (None: absent), smaller, equal and larger than the constants that they are compared with.
TEXTS: list[Any] = [None, "", "4", "5", "5 ", "50", "A", "a", "b", "é", "名", "\ue000", "😀", "null", "NULL", "it's"]
NUMBERS: list[Any] = [None, 0, 4, 5, 6, 50, -5, BIG - 1, BIG, -BIG]
SETS: list[Any] = [None, frozenset("a"), frozenset("ab"), frozenset("abcd"), frozenset(("", "é"))]
ORDERS = ("=", "<", "<=", ">")


def comparisons_of(name: str) -> list[Comparison]:
    kind = ATTRIBUTES[name]
    given = [Comparison(name, "absent"), Comparison(name, "present")]
    if kind == TEXT_SET:
        given += [Comparison(name, "count<", most) for most in (0, 1, 2, 3, 4, 5)]
        given += [Comparison(name, "=", each) for each in SETS if each is not None]
        return [*given, Comparison(name, "=", "a"), Comparison(name, "=", '["a"]')]
    constants = ["5", "a", "é", "\ue000", "😀", ""] if kind == TEXT else [5, 0, BIG, -BIG]
    others: list[Any] = [5, 0] if kind == TEXT else ["5", "0", ""]
    given += [Comparison(name, operator, constant) for operator in ORDERS for constant in (*constants, *others)]
    given += [Comparison(name, "in", tuple(constants[:size])) for size in (1, 2, 3)]
    return [*given, Comparison(name, "in", (others[0], constants[1])), Comparison(name, "in", (others[0],))]


def check(engine: Engine, table: str, rows: list[Row], guards: list[Guard]) -> None:
    """Every guard against every row, in batches and some by themselves: the same as the reference."""
    for number, guard in enumerate(guards):
        writes = [Write("update", row["key"], guard, set={"worker": "w"}, mine=lambda _: False) for row in rows]
        singly = number % 8 == 0
        outcomes = [one(engine, table, write) for write in writes] if singly else engine.apply(table, writes)
        expected = [holds(guard, row) for row in rows]
        assert [type(outcome) is Applied for outcome in outcomes] == expected, (guard, rows)
        for row, outcome, applied in zip(rows, outcomes, expected, strict=True):
            before = {**row, "worker": "w"}
            row.update(before if applied else {})
            assert outcome == (Applied(row) if applied else Refused(row)), guard


def rows_of(name: str, values: list[Any]) -> list[Row]:
    return [row_of(f"row {number}", **({} if v is None else {name: v})) for number, v in enumerate(values)]


def test_texts_are_compared_as_texts(engine: Engine, table: str) -> None:
    name = "lock"
    rows = rows_of(name, TEXTS)
    put(engine, table, *rows)
    check(engine, table, rows, [(Clause("it", (each,)),) for each in comparisons_of(name)])


def test_integers_are_compared_as_integers(engine: Engine, table: str) -> None:
    name = "lease_until"
    rows = rows_of(name, NUMBERS)
    put(engine, table, *rows)
    check(engine, table, rows, [(Clause("it", (each,)),) for each in comparisons_of(name)])


def test_sets_are_compared_as_sets_and_counted(engine: Engine, table: str) -> None:
    rows = rows_of(SET, SETS)
    put(engine, table, *rows)
    check(engine, table, rows, [(Clause("it", (each,)),) for each in comparisons_of(SET)])


@pytest.mark.parametrize("name", ["value", "update_time"])
def test_keys_of_the_index_are_compared_like_any_text(engine: Engine, table: str, name: str) -> None:
    rows = [{"key": f"row {number}", "data": "", name: text} for number, text in enumerate(filter(None, TEXTS))]
    put(engine, table, *rows, {"key": "bare"})
    check(engine, table, [*rows, {"key": "bare"}], [(Clause("it", (each,)),) for each in comparisons_of(name)][::3])


def test_what_others_stored_with_another_type_is_compared_by_its_type(engine: Engine, table: str, place: Place) -> None:
    put(engine, table, row_of("a", retry=5), row_of("b"))
    place.put(table, "a", "retry", "five")
    row = stored(engine, table, "a")
    assert row == row_of("a", retry="five")
    guards: list[Guard] = [clause("retry", operator, constant) for operator in ORDERS for constant in (5, "five", "g")]
    guards += [clause("retry", "present"), clause("retry", "absent"), clause("retry", "in", (5, "five"))]
    check(engine, table, [row, row_of("b")], guards)


def test_what_others_set_to_null_is_absent(engine: Engine, table: str, place: Place) -> None:
    put(engine, table, row_of("a", retry=5, lock="x", late_results=frozenset("a")), row_of("b"))
    for name in ("retry", "lock", SET):
        place.put(table, "a", name, None)
    assert stored(engine, table, "a") == row_of("a")
    guards = [(Clause("it", (each,)),) for name in ("retry", "lock", SET) for each in comparisons_of(name)]
    check(engine, table, [row_of("a"), row_of("b")], guards[::2])


def test_every_attribute_can_be_found_absent_and_present(engine: Engine, table: str) -> None:
    samples: dict[str, Any] = {INTEGER: 0, TEXT: "x", TEXT_SET: frozenset("x")}
    rows: list[Row] = [{name: samples[kind] for name, kind in ATTRIBUTES.items()}, {"key": "bare"}]
    put(engine, table, *rows)
    check(engine, table, rows, [clause(name, operator) for name in ATTRIBUTES for operator in ("absent", "present")])


def test_a_clause_needs_one_of_its_comparisons_and_a_guard_all_of_its_clauses(engine: Engine, table: str) -> None:
    rows = [row_of(f"{retry} {lock}", retry=retry, lock=lock) for retry in (0, 1, 2) for lock in ("x", "y")]
    put(engine, table, *rows, row_of("bare"))
    small, large = Comparison("retry", "<", 1), Comparison("retry", ">", 1)
    x, none = Comparison("lock", "=", "x"), Comparison("retry", "absent")
    guards: list[Guard] = [
        (),
        (Clause("a", (small, large)),),
        (Clause("a", (small,)), Clause("b", (x,))),
        (Clause("a", (small, large)), Clause("b", (x, none))),
        (Clause("a", (none, small, large)), Clause("b", (x, none)), *PRESENT),
        (Clause("a", (small,)), Clause("b", (large,))),
        (*PRESENT, Clause("a", (small, small, x, x))),
    ]
    check(engine, table, [*rows, row_of("bare")], guards)


def test_a_clause_of_nothing_and_an_empty_list_of_values_never_hold(engine: Engine, table: str) -> None:
    put(engine, table, row_of("a", retry=1), row_of("b"))
    guards: list[Guard] = [(Clause("nothing", ()),), clause("retry", "in", ()), (*PRESENT, *clause("lock", "in", ()))]
    check(engine, table, [row_of("a", retry=1), row_of("b")], guards)


def test_a_long_list_of_values_is_one_comparison(engine: Engine, table: str) -> None:
    rows = [row_of(f"row {status}", status=status) for status in (0, 49, 98, 99)]
    put(engine, table, *rows)
    check(engine, table, rows, [clause("status", "in", tuple(range(99)))])
