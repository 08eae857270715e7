"""Rows on their way to and from other engines: what the library does not know goes into a column of its own."""

from __future__ import annotations

import sqlite3
from typing import Any

from statustrack.core import foreign
from statustrack.core.record import ATTRIBUTES
from statustrack.core.writes import Row
from statustrack.engines.sqlite.statements import quoted

#: Made when it is first needed: a JSON text of all attributes of a row that have no column.
FOREIGN = "foreign_attributes"


def outward(row: Row) -> Row:
    """A row of the table as other engines take it."""
    known: Row = {}
    for name, value in row.items():
        if name in ATTRIBUTES:
            known[name] = value
        elif name != FOREIGN:
            known[name] = foreign.of_plain(value)
    for name, typed in foreign.decode(row.get(FOREIGN)).items():
        known.setdefault(name, typed)
    return known


def inward(row: Row, columns: set[str]) -> Row:
    """A row from elsewhere as the table holds it: foreign attributes in the user's own column of that name, if there is
    one that can hold it, else together in one column."""
    if not any(map(foreign.is_typed, row.values())):
        return row
    kept: Row = {}
    others: dict[str, foreign.Typed] = {}
    for name, value in row.items():
        if not foreign.is_typed(value):
            kept[name] = value
            continue
        plain: Any = foreign.to_plain(value) if name in columns and name not in ATTRIBUTES and name != FOREIGN else None
        if plain is None:
            others[name] = value
        else:
            kept[name] = plain
    if others:
        kept[FOREIGN] = foreign.encode(others)
    return kept


def columns_of(raw: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns."""
    return {row[1] for row in raw.execute(f"PRAGMA table_info({quoted(table)})")}


def add_column(raw: sqlite3.Connection, table: str) -> None:
    """Have the column for foreign attributes, unless it is there."""
    if FOREIGN not in columns_of(raw, table):
        raw.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(FOREIGN)} TEXT")
