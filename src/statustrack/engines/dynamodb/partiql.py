"""Writes as PartiQL statements, in that part of the language which Amazon documents: pure; one text for each shape."""

from __future__ import annotations

from typing import Any, NamedTuple

from statustrack.core.writes import Clause, Comparison, Write
from statustrack.engines.dynamodb.expressions import VALUELESS, Shape, shape_of
from statustrack.engines.dynamodb.items import Value, to_item, to_value

_CREATE = (Comparison("key", "absent"),)


class Statement(NamedTuple):
    """A statement's text with its parameters, and the shape of write that it says."""

    text: str
    parameters: list[Value]
    shape: Shape

    def request(self) -> dict[str, Any]:
        """As one of the statements of BatchExecuteStatement."""
        return {
            "Statement": self.text,
            "Parameters": self.parameters,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


_texts: dict[tuple[str, Shape], str | None] = {}


def statement(table: str, write: Write) -> Statement | None:
    """The statement of a write; None where PartiQL has no (documented) words for it.

    It has none for the size of a set, for adding to a set that may be missing, and for a put under any other condition
    than that the key is free. It has words for ``n + 1``, but only where n is there: else DynamoDB answers with a
    ValidationError for that statement, and the write is to be sent as UpdateItem.
    """
    if write.kind == "put":
        return _insert(table, write)
    shape = shape_of(write)
    try:
        text = _texts[table, shape]
    except KeyError:
        text = _texts[table, shape] = _text(table, write)
    if text is None:
        return None
    parameters = [to_value(value) for value in write.set.values()] if write.kind == "update" else []
    parameters.extend([to_value(by) for by in write.increment.values()])
    parameters.append({"S": write.key})
    for clause in write.guard:
        for _, operator, value in clause.any_of:
            if operator == "in":
                parameters.extend(map(to_value, value))
            elif operator not in VALUELESS:
                parameters.append(to_value(value))
    return Statement(text, parameters, shape)


def quoted(name: str) -> str:
    """A name in double quotes: table names have dots and dashes, and many attribute names are reserved words."""
    return '"' + name.replace('"', '""') + '"'


def _insert(table: str, write: Write) -> Statement | None:
    if len(write.guard) != 1 or write.guard[0].any_of != _CREATE:
        return None
    item = to_item(write.set)
    fields = ", ".join(["'{}': ?".format(name.replace("'", "''")) for name in item])
    return Statement(f"INSERT INTO {quoted(table)} VALUE {{{fields}}}", list(item.values()), ("insert", *item))


def _text(table: str, write: Write) -> str | None:
    conditions = ['"key" = ?']
    for clause in write.guard:
        condition = _any(clause)
        if condition is None:
            return None
        if condition:
            conditions.append(condition)
    where = " AND ".join(conditions)
    if write.kind == "delete":
        return f"DELETE FROM {quoted(table)} WHERE {where}"
    changes = _changes(write)
    if changes is None:
        return None
    returning = "" if write.quiet else " RETURNING ALL NEW *"
    return f"UPDATE {quoted(table)} {changes} WHERE {where}{returning}"


def _changes(write: Write) -> str | None:
    parts = [f"SET {quoted(name)} = ?" for name in write.set]
    parts += [f"SET {quoted(name)} = {quoted(name)} + ?" for name in write.increment]
    parts += [f"SET {quoted(target)} = {quoted(source)}" for target, source in write.copy.items()]
    parts += [f"REMOVE {quoted(name)}" for name in write.remove]
    changed = (*write.set, *write.increment, *write.copy, *write.remove)
    if write.add or not parts or len(set(changed)) < len(changed):
        return None
    return " ".join(parts)


def _any(clause: Clause) -> str | None:
    """The condition of one clause; empty where it always holds, None where it cannot be said."""
    texts = []
    for attribute, operator, want in clause.any_of:
        name = quoted(attribute)
        if attribute == "key" and operator == "present" and len(clause.any_of) == 1:
            return ""  # no statement but INSERT ever meets an absent row
        if attribute == "key" or operator == "count<" or (operator == "in" and not want):
            return None
        if operator == "absent":
            texts.append(f"{name} IS MISSING OR {name} IS NULL")
        elif operator == "present":
            texts.append(f"NOT ({name} IS MISSING OR {name} IS NULL)")
        elif operator == "in":
            texts.append(f"{name} IN [{', '.join(['?'] * len(want))}]")
        else:
            texts.append(f"{name} {operator} ?")
    if not texts:
        return None  # it never holds
    joined = " OR ".join(texts)
    return f"({joined})" if " OR " in joined else joined
