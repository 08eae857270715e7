"""Random rows, guards and changes: whatever is written, it comes out as ``core.writes`` says."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statustrack.core.writes import Row, Write
from statustrack.engines.protocol import Applied, Engine, Refused
from tests.engines.contract.rows import Chance, expect, expect_all, one, put, simplified, stored

_numbers = itertools.count()


def table_of(engine: Engine, table: str) -> dict[str, Row]:
    """Everything in a table, by key."""
    rows = [simplified(Applied(row)) for row in engine.scan(table)]
    return {row.row["key"]: row.row for row in rows if isinstance(row, Applied)}


@pytest.mark.parametrize("seed", range(6))
def test_random_writes_in_one_list_agree_with_the_reference(engine: Engine, table: str, seed: int) -> None:
    chance = Chance(seed)
    rows = {key: chance.row(key) for key in (chance.key() for _ in range(100))}
    put(engine, table, *rows.values())
    absent = [chance.key() for _ in range(10)]
    writes = [chance.write(key, rows.get(key, {})) for key in (*rows, *absent)]
    before = dict(rows)
    expected = expect_all(writes, rows)
    outcomes = [simplified(outcome) for outcome in engine.apply(table, writes)]
    for write, outcome, wanted in zip(writes, outcomes, expected, strict=True):
        assert outcome == wanted, describe(write, before.get(write.key))
    assert table_of(engine, table) == rows


@pytest.mark.parametrize("seed", range(100, 104))
def test_random_writes_one_by_one_agree_with_the_reference(engine: Engine, table: str, seed: int) -> None:
    chance = Chance(seed)
    rows = {key: chance.row(key) for key in (chance.key() for _ in range(5))}
    put(engine, table, *rows.values())
    keys = [*rows, chance.key()]
    for _ in range(40):
        key = chance.random.choice(keys)
        before = dict(rows)
        write = chance.write(key, rows.get(key, {}))
        wanted = expect(write, rows)
        assert simplified(one(engine, table, write)) == wanted, describe(write, before.get(key))
        assert stored(engine, table, key) == rows.get(key), describe(write, before.get(key))


@pytest.mark.parametrize("seed", range(200, 203))
def test_random_writes_with_a_few_keys_in_one_list_keep_their_order(engine: Engine, table: str, seed: int) -> None:
    chance = Chance(seed)
    rows = {key: chance.row(key) for key in (chance.key() for _ in range(12))}
    put(engine, table, *rows.values())
    keys = [*rows, *(chance.key() for _ in range(3))]
    writes = [chance.write(key, rows.get(key, {})) for key in chance.random.choices(keys, k=60)]
    expected = expect_all(writes, rows)
    outcomes = [simplified(outcome) for outcome in engine.apply(table, writes)]
    for write, outcome, wanted in zip(writes, outcomes, expected, strict=True):
        if isinstance(wanted, Refused):  # its row is a hint, perhaps read later
            assert isinstance(outcome, Refused), describe(write, None)
        else:
            assert outcome == wanted, describe(write, None)
    assert table_of(engine, table) == rows


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_and_any_random_update_agree_with_the_reference(
    engine: Engine, table: str, seed: int, text: str
) -> None:
    chance = Chance(seed)
    key = f"{text[:20]} {next(_numbers)}"
    row = {**chance.row(key), "data": text}
    put(engine, table, row)
    rows = {key: row}
    write = chance.update(key, row)
    wanted = expect(write, rows)
    assert simplified(one(engine, table, write)) == wanted, describe(write, row)
    assert stored(engine, table, key) == rows[key]


def describe(write: Write, row: Row | None) -> str:
    """What a failing case was."""
    names = ("kind", "event", "guard", "set", "remove", "copy", "increment", "add")
    said = {name: getattr(write, name) for name in names}
    return f"{said} of {row}"
