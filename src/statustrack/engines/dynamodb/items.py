"""Items as DynamoDB spells them, to rows and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from statustrack.core.foreign import is_typed, with_bytes
from statustrack.core.record import ATTRIBUTES
from statustrack.core.writes import Row

#: One attribute value, ``{"S": "text"}``; an item is a mapping of names to such.
Value = dict[str, Any]
Item = dict[str, Value]


def to_value(value: Any) -> Value:
    """The typed value of a row's attribute."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"N": repr(value)}
    if isinstance(value, (frozenset, set)) and value:
        return {"SS": sorted(value)}
    if is_typed(value):
        return dict(value)
    raise TypeError(f"{value!r} is not text, a number or a non-empty set of texts: it cannot be an attribute of a row")


def to_item(row: Mapping[str, Any]) -> Item:
    """The item of a row. What is None or an empty set is left out: DynamoDB has no empty sets."""
    return {name: to_value(value) for name, value in row.items() if value is not None and value != frozenset()}


def to_row(item: Item) -> Row:
    """The row of an item: the attributes that the library knows.

    An attribute of type NULL is absent in the row, as is one of a type that no row has (a list, a map, binary).
    """
    row: Row = {}
    for name, typed in item.items():
        if name in ATTRIBUTES:
            for kind, value in typed.items():
                if kind == "S":
                    row[name] = value
                elif kind == "N":
                    row[name] = to_number(value)
                elif kind == "SS":
                    row[name] = frozenset(value)
    return row


def to_whole_row(item: Item) -> Row:
    """The row of an item with the attributes that the library does not know (or not of that type) as typed values.

    Replies give binary values as base64 text (see ``replies``): here they are bytes again.
    """
    row = to_row(item)
    for name, typed in item.items():
        if name not in row and not (name in ATTRIBUTES and "NULL" in typed):
            row[name] = with_bytes(typed)
    return row


def to_number(text: str) -> int | float:
    """An int wherever the number is whole (DynamoDB may spell it ``1E+2``)."""
    try:
        return int(text)
    except ValueError:
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else float(number)
