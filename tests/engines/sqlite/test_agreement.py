"""The translation to SQL agrees with core.writes, for any row, guard and change."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from statustrack.core.record import ATTRIBUTES, INTEGER, TEXT_SET
from statustrack.core.writes import Clause, Comparison, Row, Write, apply, constants, holds
from statustrack.engines.protocol import Applied, Refused
from tests.engines.sqlite.rows import TABLE, engine_at, with_sqlite

TEXTS = ["", "0", "5", "a", "A", "ä", "\U0001f600", "a\x00b", "'", '"', "`", "null", "1e3", "\x00", "z" * 300]
NUMBERS = [0, 1, 5, -1, 2**53 + 1, 2**62]
MEMBERS = ["x", "y", "5", 'q"\\\n', "ü", "", "a\x00b", "a"]
OTHERS = ["size of", "note`s", 'quo"ted', "status_", "Größe"]  # columns that a user has added, without a type
NAMES = [name for name in ATTRIBUTES if name != "key"]
INTEGERS = [name for name, kind in ATTRIBUTES.items() if kind == INTEGER]


def image(write: Write, row: Row | None) -> Row:
    """What a write that has landed gives back: of an update the known attributes and those it sets, of a quiet one
    nothing."""
    if row is None or write.quiet:
        return {}
    if write.kind == "put":
        return row
    return {name: value for name, value in row.items() if name in ATTRIBUTES or name in write.set}


class Draw:
    """Random parts of writes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, name: str) -> Any:
        """A value of the attribute's own type."""
        pick = self.random
        kind = ATTRIBUTES.get(name)
        if kind == TEXT_SET:
            return frozenset(pick.sample(MEMBERS, pick.randint(0, 4)))
        return pick.choice(NUMBERS if kind == INTEGER or (kind is None and pick.random() < 0.5) else TEXTS)

    def constant(self, name: str) -> Any:
        """Mostly of the attribute's type."""
        if ATTRIBUTES.get(name) == TEXT_SET or self.random.random() < 0.7:
            return self.value(name)
        return self.random.choice([*TEXTS, *NUMBERS])

    def row(self, key: str) -> Row | None:
        """Any row, also none."""
        if self.random.random() < 0.2:
            return None
        names = self.random.sample([*NAMES, *OTHERS], self.random.randint(0, 12))
        return {"key": key, **{name: self.value(name) for name in names}}

    def comparison(self) -> Comparison:
        """Any comparison."""
        pick = self.random
        name = pick.choice(["key", "late_results", *NAMES, *OTHERS])
        is_set = ATTRIBUTES.get(name) == TEXT_SET
        operator = pick.choice(["absent", "present", "=", "in", *(["count<"] if is_set else ["<", "<=", ">"])])
        if operator in ("absent", "present"):
            return Comparison(name, operator)
        if operator == "in":
            return Comparison(name, operator, tuple(self.constant(name) for _ in range(pick.randint(0, 3))))
        return Comparison(name, operator, pick.randint(0, 4) if operator == "count<" else self.constant(name))

    def guard(self, row: Row | None) -> tuple[Clause, ...]:
        """A guard that holds about as often as not."""
        clauses: list[Clause] = []
        for number in range(self.random.randint(0, 4)):
            for _ in range(4):
                clause = Clause(str(number), tuple(self.comparison() for _ in range(self.random.randint(1, 4))))
                if holds((clause,), row):
                    break
            clauses.append(clause)
        return tuple(clauses)

    def write(self, key: str, row: Row | None) -> Write:
        """Any write."""
        pick, guard = self.random, self.guard(row)
        quiet = pick.random() < 0.3
        kind = pick.choice(["update", "update", "put", "delete"])
        if kind == "delete":
            return Write("delete", key, guard, kind=kind)
        names = pick.sample([*NAMES, *OTHERS], pick.randint(0, 8))
        changes = {name: self.value(name) for name in names}
        if kind == "put":
            return Write("save", key, guard, set={"key": key, **changes}, kind=kind)
        texts = [name for name in NAMES if name not in INTEGERS and name not in ("late_results",)]
        more: dict[str, Any] = {
            "copy": {pick.choice(texts): pick.choice(texts) for _ in range(pick.randint(0, 2))},
            "increment": {name: pick.randint(-3, 3) for name in pick.sample(INTEGERS, pick.randint(0, 2))},
            "add": {"late_results": pick.choice(MEMBERS)} if pick.random() < 0.3 else {},
        }
        remove = tuple(pick.sample(NAMES, pick.randint(0, 3)))
        if pick.random() < 0.5:  # as lifecycle's writes that are made often: the guard is hidden behind its shape
            kinds = [
                (
                    name,
                    operator,
                    [type(each) for each in constants((Clause("", (Comparison(name, operator, value),)),))],
                )
                for clause in guard
                for name, operator, value in (*clause.any_of, ("", "", None))
            ]
            shape = repr((quiet, list(more["copy"].items()), list(more["increment"]), list(more["add"]), kinds))
            more.update(shape=shape, values=constants(guard))
        return Write("update", key, guard, set=changes, remove=remove, quiet=quiet, **more)


@pytest.mark.parametrize("seed", range(4))
def test_the_engine_does_what_core_writes_says(tmp_path: Path, seed: int) -> None:
    draw, path = Draw(seed), tmp_path / "tasks.db"
    engine = engine_at(path)
    quoted = ["`" + name.replace("`", "``") + "`" for name in OTHERS]
    with_sqlite(path, *(f"ALTER TABLE tasks ADD COLUMN {name}" for name in quoted))
    seen: set[tuple[str, bool]] = set()
    for batch in range(60):
        keys = [f"{batch}-{number}" for number in range(25)]
        before = {key: draw.row(key) for key in keys}
        rows = [row for row in before.values() if row is not None]
        engine.apply(TABLE, [Write("save", row["key"], (), set=row, kind="put") for row in rows])
        stored = engine.get(TABLE, keys)
        assert stored == {row["key"]: row for row in rows}
        writes = [draw.write(key, before[key]) for key in keys]
        # Half of the batches one by one: SQLite's own transaction instead of BEGIN.
        outcomes = (
            engine.apply(TABLE, writes)
            if batch % 2
            else list(itertools.chain.from_iterable(engine.apply(TABLE, [write]) for write in writes))
        )
        after = engine.get(TABLE, keys)
        for write, outcome in zip(writes, outcomes, strict=True):
            row = before[write.key]
            may = holds(write.guard, row) and (row is not None or write.kind != "update")
            seen.add((write.kind, may))
            if may:
                expected = apply(write, row)
                assert outcome == Applied(image(write, expected)), write
                assert after.get(write.key) == expected, write
            else:
                gone = write.kind == "delete" and row is None
                assert outcome == (Applied({}) if gone else Refused(row)), (write, write.guard)
                assert after.get(write.key) == row, write
    assert len(seen) == 6  # every kind was carried out, and refused
    engine.close()
