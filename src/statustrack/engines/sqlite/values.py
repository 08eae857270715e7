"""Rows as SQLite gives and takes them: NULL is absent, a set of texts is a JSON array."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from statustrack.core.record import ATTRIBUTES, TEXT_SET
from statustrack.core.writes import Row, Write, apply

SETS = frozenset(name for name, kind in ATTRIBUTES.items() if kind == TEXT_SET)


def encode_set(members: Iterable[str]) -> str:
    """A set of texts as it is stored: a JSON array in the order of code points."""
    return json.dumps(sorted(members), ensure_ascii=False, separators=(",", ":"))


def decode_set(text: Any) -> frozenset[str]:
    """The members of a stored set; what somebody else has put there instead counts as one member."""
    try:
        members = json.loads(text)
    except (TypeError, ValueError):
        return frozenset((str(text),))
    if not isinstance(members, list):
        return frozenset((str(text),))
    return frozenset(each if isinstance(each, str) else json.dumps(each) for each in members)


#: The SQL functions of sets, in Python: SQLite's own for JSON end a text at its first NUL.
UNION, SIZE = "statustrack_union", "statustrack_size"
#: The SQL function that shows us the old values of a row while it is changed, and gives back its first argument.
SEE = "statustrack_see"


def union(stored: Any, more: str) -> str:
    """Two stored sets as one; NULL is empty."""
    return encode_set(decode_set(more) if stored is None else decode_set(stored) | decode_set(more))


def size(stored: Any) -> int:
    """How many members a stored set has; NULL is empty."""
    return 0 if stored is None else len(decode_set(stored))


def decode_rows(names: Sequence[str], found: Iterable[Sequence[Any]]) -> list[Row]:
    """Rows of the table; NULL means absent."""
    return [decode_row(names, each) for each in found]


def decode_row(names: Sequence[str], values: Sequence[Any]) -> Row:
    """One row, or a part of it."""
    row: Row = {name: value for name, value in zip(names, values) if value is not None}  # noqa: B905 - as many
    for name in SETS:
        if name in row:
            row[name] = decode_set(row[name])
    return row


def updated_row(write: Write, sees: Sequence[str], values: Sequence[Any]) -> Row:
    """The row after an update has landed: what the write makes of the values that it has seen."""
    before = decode_row(sees, values)
    before["key"] = write.key
    after = apply(write, before)
    assert after is not None
    return after


def put_row(write: Write) -> Row:
    """The row after a put has landed."""
    return {name: value for name, value in write.set.items() if value is not None}


def only(row: Row, attributes: Sequence[str] | None) -> Row:
    """The key and these attributes of a row."""
    if attributes is None:
        return row
    return {name: row[name] for name in dict.fromkeys(("key", *attributes)) if name in row}
