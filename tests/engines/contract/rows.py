"""Rows and writes for the tests, and what ``core.writes`` says must come of them."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from statustrack.core.record import ATTRIBUTES, INDEX_ATTRIBUTES, INTEGER, TEXT, TEXT_SET
from statustrack.core.writes import OPERATORS, Clause, Comparison, Guard, Row, Write, apply, holds
from statustrack.engines.protocol import Applied, Engine, Outcome, Refused

ABSENT: Guard = (Clause("no such key", (Comparison("key", "absent"),)),)
PRESENT: Guard = (Clause("the row exists", (Comparison("key", "present"),)),)
#: Attributes that are no key of the index: any text may be stored in them.
FREE_TEXTS = [name for name, kind in ATTRIBUTES.items() if kind == TEXT and name not in ("key", "value", "update_time")]
#: The keys of the index; DynamoDB stores no empty text in them.
KEYS = ["value", "update_time"]
TEXTS = [name for name, kind in ATTRIBUTES.items() if kind == TEXT and name != "key"]
INTEGERS = [name for name, kind in ATTRIBUTES.items() if kind == INTEGER]
(SET,) = [name for name, kind in ATTRIBUTES.items() if kind == TEXT_SET]

_WORDS = ["a", "b", "Zz", "5", "10", "é", "名", "😀", "it's", '"q"', "%_\\", "new\nline"]
_NUMBERS = [0, 1, 2, 3, -1, 10, 2**31, 2**53, -(2**53), 1_716_444_446_444]


def row_of(key: str, **attributes: Any) -> Row:
    """A row of that key, in a partition and at a time unless told otherwise."""
    return {"key": key, "value": "job____000____001", "update_time": "2024-05-23T06:07:26.444861+0000", **attributes}


def clause(attribute: str, operator: str, value: Any = None) -> Guard:
    """A guard of one comparison."""
    return (Clause(f"{attribute} {operator}", (Comparison(attribute, operator, value),)),)


def create(row: Row) -> Write:
    """A put-if-absent; its repetition is recognised by the whole row."""
    return Write("create", row["key"], ABSENT, set=row, kind="put", mine=lambda current: known(current) == row)


def put(engine: Engine, table: str, *rows: Row) -> None:
    """Have these rows in the table, whatever was there."""
    writes = [Write("save", row["key"], (), set=row, kind="put") for row in rows]
    outcomes = engine.apply(table, writes)
    assert all(isinstance(outcome, Applied) for outcome in outcomes), outcomes


def one(engine: Engine, table: str, write: Write) -> Outcome:
    """The outcome of a write that is sent by itself."""
    (outcome,) = engine.apply(table, [write])
    return outcome


def known(row: Mapping[str, Any] | None) -> Row | None:
    """A row without what others have added to it."""
    return None if row is None else {name: value for name, value in row.items() if name in ATTRIBUTES}


def stored(engine: Engine, table: str, key: str) -> Row | None:
    """The row of a key as it is now."""
    return known(engine.get(table, [key]).get(key))


def on_page(engine: Engine, row: Row) -> Row:
    """What a page shows of a row."""
    if engine.page_is_full:
        return row
    shown = ("key", "value", "update_time", *INDEX_ATTRIBUTES)
    return {name: value for name, value in row.items() if name in shown}


def simplified(outcome: Outcome) -> Outcome:
    """An outcome without what others have added to its row."""
    if isinstance(outcome, Applied):
        return Applied(known(outcome.row) or {})
    return Refused(known(outcome.current)) if isinstance(outcome, Refused) else outcome


# --- the reference: a dictionary and core.writes ---------------------------------------------------------------------


def expect(write: Write, rows: dict[str, Row]) -> Outcome:
    """What must come of a write; carries it out on the rows."""
    old = rows.get(write.key)
    if write.kind == "update" and old is None:
        return Refused(None)
    if write.kind == "delete" and old is None:
        return Applied({})
    if not holds(write.guard, old):
        if old is not None and write.mine(old):
            return Applied({} if write.event == "heartbeat" else old)
        return Refused(old)
    new = apply(write, old)
    if new is None:
        del rows[write.key]
        return Applied({})
    rows[write.key] = new
    return Applied({} if write.quiet else new)


def expect_all(writes: Iterable[Write], rows: dict[str, Row]) -> list[Outcome]:
    """What must come of writes that are carried out one after the other."""
    return [expect(write, rows) for write in writes]


# --- by chance -------------------------------------------------------------------------------------------------------


class Chance:
    """Random rows, guards and writes; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, names: Sequence[str], most: int) -> list[str]:
        return self.random.sample(names, self.random.randint(0, min(most, len(names))))

    def value(self, name: str) -> Any:
        """A value of the attribute's own type."""
        kind = ATTRIBUTES[name]
        if kind == INTEGER:
            return self.random.choice(_NUMBERS)
        if kind == TEXT_SET:
            return frozenset(self.random.sample(_WORDS, self.random.randint(1, 4)))
        return self.random.choice([*_WORDS, ""] if name in FREE_TEXTS else _WORDS)

    def row(self, key: str) -> Row:
        row: Row = {"key": key}
        for name in self.some([name for name in ATTRIBUTES if name != "key"], len(ATTRIBUTES)):
            row[name] = self.value(name)
        return row

    def comparison(self, row: Row) -> Comparison:
        """Often one that is on the edge: with the very value that is stored, or with one of another type."""
        name = self.random.choice(list(ATTRIBUTES))
        if name == "key":
            return Comparison(name, self.random.choice(("absent", "present")))
        if name == SET:
            operator = self.random.choice(("absent", "present", "count<", "count<", "="))
            if operator == "count<":
                return Comparison(name, operator, self.random.randint(0, 5))
        else:
            operator = self.random.choice([each for each in OPERATORS if each != "count<"])
        if operator in ("absent", "present"):
            return Comparison(name, operator)
        if operator == "in":
            values = tuple(self._constant(name, row) for _ in range(self.random.randint(1, 3)))
            return Comparison(name, operator, values)
        return Comparison(name, operator, self._constant(name, row))

    def _constant(self, name: str, row: Row) -> Any:
        draw = self.random.random()
        if draw < 0.4 and name in row:
            return row[name]
        if draw < 0.5 and name != SET:
            return self.value("retry" if ATTRIBUTES[name] == TEXT else "data")
        return self.value(name)

    def guard(self, row: Row) -> Guard:
        return tuple(
            Clause(f"clause {number}", tuple(self.comparison(row) for _ in range(self.random.randint(1, 3))))
            for number in range(self.random.randint(1, 3))
        )

    def update(self, key: str, row: Row, event: str = "update") -> Write:
        """Changes that may meet on one attribute: the last word counts."""
        texts = self.some(TEXTS, 2)
        return Write(
            event,
            key,
            self.guard(row),
            set={name: self.value(name) for name in self.some([*TEXTS, *INTEGERS, SET], 4)},
            remove=tuple(self.some([*TEXTS, *INTEGERS, SET], 3)),
            copy={target: self.random.choice(["key", *(TEXTS if target in FREE_TEXTS else KEYS)]) for target in texts},
            increment={name: self.random.choice((1, 1, -2, 1000)) for name in self.some(INTEGERS, 2)},
            add={SET: self.random.choice(_WORDS)} if self.random.random() < 0.3 else {},
            quiet=event in ("heartbeat", "end"),
        )

    def write(self, key: str, row: Row) -> Write:
        draw = self.random.random()
        if draw < 0.75:
            return self.update(key, row, self.random.choice(("update", "update", "claim", "heartbeat", "end")))
        if draw < 0.9:
            guard = self.random.choice(((), ABSENT, self.guard(row), self.guard(row)))
            return Write("save", key, guard, set=self.row(key), kind="put")
        return Write("delete", key, self.random.choice(((), self.guard(row))), kind="delete")

    def key(self) -> str:
        return "job____" + "".join(self.random.choices(string.ascii_letters, k=8))
