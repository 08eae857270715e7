"""Finds key-value pairs and line items in the text of a page whose columns are kept apart by two spaces or more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .labels import HEADINGS, TITLES, field_of, plain
from .values import Style, find_currency, parse_amount, parse_date

MAX_PAIRS = 100
MAX_ITEMS = 200
_MAX_KEY = 60
_MAX_VALUE = 200

_PAIR = re.compile(r"([^\W\d_][^:]{0,48}?)\s?:\s+(\S.*)")
_NAMES = ("seller", "buyer", "ship_to")
_DATES = ("issue_date", "due_date")
_AMOUNTS = ("subtotal", "tax", "total", "carried")


@dataclass(frozen=True)
class Cell:
    start: int
    end: int
    text: str


def cells_of(line: str) -> list[Cell]:
    return [Cell(match.start(), match.end(), match[0]) for match in re.finditer(r"\S+(?: \S+)*", line)]


def find_fields(lines: list[str], style: Style) -> tuple[dict[str, str], list[dict[str, str | None]]]:
    """The pairs (label as printed -> value as printed) and the rows of the tables of items, in reading order."""
    rows = [row for row in (cells_of(line) for line in lines) if row]
    items, rest = _take_items(rows, style)
    pairs: dict[str, str] = {}
    for index, row in rest:
        for position, cell in enumerate(row):
            found = _pair(rows, index, position, cell, style)
            if found is not None:
                _add(pairs, *found)
    return pairs, items


def _add(pairs: dict[str, str], label: str, value: str) -> None:
    key, value = label.rstrip(": ")[:_MAX_KEY], value[:_MAX_VALUE]
    name, number = key, 1
    while pairs.get(name, value) != value and number < 5:  # the same label with another value: kept, numbered
        number += 1
        name = f"{key} ({number})"
    if len(pairs) < MAX_PAIRS:
        pairs.setdefault(name, value)


# -- pairs -----------------------------------------------------------------------------------------------------------


def _pair(rows: list[list[Cell]], index: int, position: int, cell: Cell, style: Style) -> tuple[str, str] | None:
    text = cell.text
    match = _PAIR.fullmatch(text)
    if match:  # Label: value
        return match[1], match[2]
    right, after = [*(following.text for following in rows[index][position + 1 : position + 3]), "", ""][:2]
    if after and not _announces(after) and _is_value(after, style):
        right = ""  # it is the label of what follows
    field = field_of(text)
    labelled = field is not None or _is_label(text)
    if labelled and right and not _announces(right) and _accepts(field, right, style):  # Label:    value
        return text, right
    if not labelled and right and _is_title(text) and _is_value(right, style):  # Label    value
        return text, right
    if labelled and text.casefold() not in TITLES:
        below = _below(rows, index, cell)
        return (text, below) if below and not _announces(below) and _accepts(field, below, style) else None
    return _split(text, style)


def _split(text: str, style: Style) -> tuple[str, str] | None:
    """`Invoice no. 4711` and `Total due EUR 12.50`: a label that we know and its value, with one space between."""
    words = text.split(" ")
    for count in range(min(len(words) - 1, 4), 0, -1):
        label, value = " ".join(words[:count]), " ".join(words[count:])
        field = field_of(label)
        if field is not None and field not in _NAMES and _accepts(field, value, style):
            return label, value
    return None


def _below(rows: list[list[Cell]], index: int, label: Cell) -> str | None:
    """The cell under a label, within three rows: a column may have its lines at other heights than its neighbours."""
    for row in rows[index + 1 : index + 4]:
        under = [cell for cell in row if cell.start < label.end and cell.end > label.start]
        if under:
            return min(under, key=lambda cell: abs(cell.start - label.start)).text
    return None


def _is_label(text: str) -> bool:
    return text.endswith(":") and len(text) <= 40 and len(text.split()) <= 5


def _announces(text: str) -> bool:
    return field_of(text) is not None or _is_label(text) or _PAIR.fullmatch(text) is not None


def _is_title(text: str) -> bool:
    # With a capital: justified prose has wide gaps, too, and would be full of pairs.
    return len(text) <= 40 and text[0].isupper() and re.search(r"\d", text) is None


def _is_value(text: str, style: Style) -> bool:
    return parse_amount(text, style) is not None or parse_date(text, style) is not None or _is_id(text)


def _is_id(text: str) -> bool:
    return re.fullmatch(r"(?=.*\d)[#\w./-]{1,40}", text) is not None


def _accepts(field: str | None, value: str, style: Style) -> bool:
    """Whether a value can be what its label announces; position alone is a weak hint."""
    if field in _DATES:
        return len(value) <= 30 and parse_date(value, style) is not None
    if field in _AMOUNTS:
        return parse_amount(value, style) is not None
    if field in ("invoice_number", "order_number"):
        return _is_id(value)
    if field == "currency":
        return find_currency(value) is not None
    if field == "terms":
        return len(value) <= 60
    if field in _NAMES:
        return re.search(r"[^\W\d_]{2}", value) is not None and not _is_value(value, style)
    return re.search(r"\w", value) is not None


# -- line items ------------------------------------------------------------------------------------------------------


def _take_items(
    rows: list[list[Cell]], style: Style
) -> tuple[list[dict[str, str | None]], list[tuple[int, list[Cell]]]]:
    """The items of every table, and the rows (with their index) that belong to none."""
    items: list[dict[str, str | None]] = []
    rest: list[tuple[int, list[Cell]]] = []
    heading: dict[str, Cell] | None = None
    for index, row in enumerate(rows):
        found = _heading(row)
        if found is not None:
            heading = found
            continue
        if heading is not None:
            if _ends_table(row):
                heading = None
            else:
                item = _item(row, heading, style)
                if item is not None:
                    if len(items) < MAX_ITEMS:
                        items.append(item)
                    continue
                if len(row) == 1 and abs(row[0].start - heading["description"].start) <= 3:
                    continue  # a second line of the description
                heading = None
        rest.append((index, row))
    return items, rest


def _heading(row: list[Cell]) -> dict[str, Cell] | None:
    meanings = {HEADINGS.get(plain(cell.text), cell.text): cell for cell in row}
    known = {"description", "amount"} <= meanings.keys() and len(meanings) >= 3
    return meanings if known and not any(re.search(r"\d", cell.text) for cell in row) else None


def _ends_table(row: list[Cell]) -> bool:
    first = row[0].text
    match = _PAIR.fullmatch(first)
    return field_of(match[1] if match else first) in _AMOUNTS


def _item(row: list[Cell], heading: dict[str, Cell], style: Style) -> dict[str, str | None] | None:
    cells: dict[str, str] = {}
    if len(row) == len(heading):
        cells = {meaning: cell.text for meaning, cell in zip(heading, row, strict=True)}
    else:  # some cells are empty: each one goes to the nearest heading
        for cell in row:
            cells[min(heading, key=lambda meaning: _distance(heading[meaning], cell))] = cell.text
    amount = parse_amount(cells.get("amount", ""), style)
    description = cells.get("description", "")
    if amount is None or not description:
        return None
    numbers = {name: parse_amount(_leading_number(cells.get(name, "")), style) for name in ("quantity", "unit_price")}
    item: dict[str, Any] = {"description": description[:_MAX_VALUE]}
    item.update({name: str(number.value) if number else None for name, number in numbers.items()})
    item["amount"] = str(amount.value)
    return item


def _leading_number(text: str) -> str:
    """`5 hrs` and `12 pcs` are quantities too."""
    match = re.match(r"([\d.,]+) ?[A-Za-z]{1,6}\.?$", text)
    return match[1] if match and find_currency(text) is None else text


def _distance(heading: Cell, cell: Cell) -> int:
    return min(abs(heading.start - cell.start), abs(heading.end - cell.end))
