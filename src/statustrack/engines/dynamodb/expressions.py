"""Writes as requests of UpdateItem, PutItem and DeleteItem: pure; the text is made once for each shape of write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from statustrack.core.writes import Clause, Comparison, Guard, Row, Write
from statustrack.engines.dynamodb.items import Value, to_item, to_value

#: The boto3 method, and the operation inside TransactWriteItems, that carries out each kind of write.
METHODS = {"update": "update_item", "put": "put_item", "delete": "delete_item"}
TRANSACT = {"update": "Update", "put": "Put", "delete": "Delete"}

#: Comparisons without a value.
VALUELESS = ("absent", "present")
_SHAPED = ("in", "count<")

_HOLDERS = tuple(f":{number}" for number in range(400))

_MENTION = re.compile(r"[#:]\w+")

Shape = tuple[Any, ...]


class Form(NamedTuple):
    """What all writes of one shape have in common; the values follow in the order of ``values_of``."""

    texts: dict[str, Any]  #: ConditionExpression, UpdateExpression, ExpressionAttributeNames
    constants: dict[str, Value]  #: values that belong to the shape
    unused: tuple[str, ...]  #: place holders of changes that a later change makes void: DynamoDB refuses what is unused


_forms: dict[Shape, Form] = {}


def request(table: str, write: Write, transact: bool = False) -> dict[str, Any]:
    """The parameters of the call that carries out one write.

    :param transact: as one item of TransactWriteItems, which returns no images of success.
    """
    shape = shape_of(write)
    form = _forms.get(shape)
    if form is None:
        form = _forms[shape] = _form(write)
    parameters: dict[str, Any] = {
        "TableName": table,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **form.texts,
    }
    values = dict(zip(_HOLDERS, values_of(write), strict=False))
    values.update(form.constants)
    for holder in form.unused:
        del values[holder]
    if values:
        parameters["ExpressionAttributeValues"] = values
    if write.kind == "put":
        parameters["Item"] = to_item(write.set)
    else:
        parameters["Key"] = {"key": {"S": write.key}}
    if not transact:
        parameters["ReturnConsumedCapacity"] = "TOTAL"
        if write.kind == "update" and not write.quiet:
            parameters["ReturnValues"] = "ALL_NEW"
    return parameters


def shape_of(write: Write) -> Shape:
    """Everything of a write but its values: writes of one shape share their text."""
    guard = tuple(
        [
            tuple([(name, op, _bulk(op, value)) if op in _SHAPED else (name, op) for name, op, value in clause.any_of])
            for clause in write.guard
        ]
    )
    if write.kind != "update":
        return (write.kind, guard)
    return (
        write.quiet,
        guard,
        tuple(write.set),
        write.remove,
        tuple(write.copy.items()),
        tuple(write.increment),
        tuple(write.add),
    )


def _bulk(operator: str, value: Any) -> int:
    """What of a value the text depends on: how many alternatives; whether an absent set is small enough."""
    return len(value) if operator == "in" else value > 0


def values_of(write: Write) -> list[Value]:
    """The values that the text of a write refers to, in its order: those of the guard, then those of the changes."""
    values: list[Value] = []
    for clause in write.guard:
        for _, op, value in clause.any_of:
            if op == "in":
                values.extend(map(to_value, value))
            elif op not in VALUELESS:
                values.append(to_value(value))
    if write.kind == "update":
        values.extend(map(to_value, write.set.values()))
        values.extend(map(to_value, write.increment.values()))
        values.extend([{"SS": [member]} for member in write.add.values()])
    return values


def settled(write: Write, row: Row) -> Write | None:
    """The write with everything spelt out that DynamoDB's arithmetic refuses for this row; None: there is nothing.

    ``SET a = b`` is an error where b is missing, and so is adding to an attribute of type NULL. The settled write says
    what comes of it, and is guarded by these attributes still being absent.
    """
    changes, remove, copy = dict(write.set), list(write.remove), dict(write.copy)
    increment, add = dict(write.increment), dict(write.add)
    absent: list[str] = []
    for target, source in write.copy.items():
        if source not in row:
            absent.append(source)
            del copy[target]
            if target not in {**write.set, **write.increment, **write.add}:  # these come later, and hold
                remove.append(target)
    for name, by in write.increment.items():
        if name not in row:
            absent.append(name)
            del increment[name]
            changes[name] = by
    for name, member in write.add.items():
        if name not in row:
            absent.append(name)
            del add[name]
            changes[name] = frozenset({member})
    if not absent:
        return None
    still = tuple(Clause(f"{name} is absent", (Comparison(name, "absent"),)) for name in dict.fromkeys(absent))
    guard = write.guard + still
    return Write(
        write.event, write.key, guard, changes, tuple(remove), copy, increment, add, write.mine, write.kind, write.quiet
    )


class _Text:
    """The expressions of one shape, being written: hands out place holders and notes names."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.constants: dict[str, Value] = {}
        self.holders: list[str] = []

    def name(self, attribute: str) -> str:
        """Every name goes by an alias: many are reserved words (status, value, key), and more may become so."""
        self.names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def value(self) -> str:
        self.holders.append(_HOLDERS[len(self.holders)])
        return self.holders[-1]

    def constant(self, name: str, value: Value) -> str:
        self.constants[name] = value
        return name

    def guard(self, guard: Guard) -> list[str]:
        return [self._any(clause.any_of) for clause in guard]

    def _any(self, comparisons: tuple[Comparison, ...]) -> str:
        texts = [self._comparison(*each) for each in comparisons] or [self._never("key")]
        return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})"

    def _comparison(self, attribute: str, operator: str, want: Any) -> str:
        name = self.name(attribute)
        if attribute == "key":  # the hash key: there is no other way for it to be than there or not there
            if operator not in ("absent", "present"):
                raise ValueError(f"a guard cannot compare the key with {operator!r}: it names the row")
            return f"attribute_{'not_' if operator == 'absent' else ''}exists({name})"
        if operator == "absent":
            return f"(attribute_not_exists({name}) OR attribute_type({name}, {self._null()}))"
        if operator == "present":
            return f"(attribute_exists({name}) AND NOT attribute_type({name}, {self._null()}))"
        if operator == "in":
            if not want:
                return self._never(attribute)
            return f"{name} IN ({', '.join([self.value() for _ in want])})"
        if operator == "count<":
            if want <= 0:
                return f"size({name}) < {self.value()}"  # not even an absent set has fewer
            null = self._null()
            return f"(attribute_not_exists({name}) OR attribute_type({name}, {null}) OR size({name}) < {self.value()})"
        return f"{name} {operator} {self.value()}"

    def _never(self, attribute: str) -> str:
        name = self.name(attribute)
        return f"(attribute_exists({name}) AND attribute_not_exists({name}))"

    def _null(self) -> str:
        return self.constant(":null", {"S": "NULL"})


def _form(write: Write) -> Form:
    text = _Text()
    conditions = text.guard(write.guard)
    texts: dict[str, Any] = {}
    if write.kind == "update":
        if "attribute_exists(#key)" not in conditions:  # else an update of an absent row would make a ghost of it
            conditions.insert(0, f"attribute_exists({text.name('key')})")
        if update := _changes(text, write):
            texts["UpdateExpression"] = update
    if conditions:
        texts["ConditionExpression"] = " AND ".join(conditions)
    used = set(_MENTION.findall(" ".join(texts.values())))
    if names := {alias: name for alias, name in text.names.items() if alias in used}:
        texts["ExpressionAttributeNames"] = names
    unused = [holder for holder in (*text.holders, *text.constants) if holder not in used]
    return Form(texts, text.constants, tuple(unused))


def _changes(text: _Text, write: Write) -> str:
    """Of two changes of one attribute the later holds, in the order of ``core.writes.apply``."""
    sets: dict[str, str] = {}
    adds: dict[str, str] = {}
    for target, source in write.copy.items():
        sets[target] = f"{text.name(target)} = {text.name(source)}"
    for name in write.set:
        sets[name] = f"{text.name(name)} = {text.value()}"
    for name in write.increment:
        zero = text.constant(":zero", {"N": "0"})
        alias = text.name(name)
        sets[name] = f"{alias} = if_not_exists({alias}, {zero}) + {text.value()}"
    for name in write.add:
        sets.pop(name, None)
        adds[name] = f"{text.name(name)} {text.value()}"
    for name in write.remove:
        sets.pop(name, None)
        adds.pop(name, None)
    parts = []
    if sets:
        parts.append("SET " + ", ".join(sets.values()))
    if write.remove:
        parts.append("REMOVE " + ", ".join([text.name(name) for name in dict.fromkeys(write.remove)]))
    if adds:
        parts.append("ADD " + ", ".join(adds.values()))
    return " ".join(parts)


def projection(attributes: Mapping[str, Any] | tuple[str, ...] | list[str]) -> dict[str, Any]:
    """The parameters that have a read return only these attributes, and the key."""
    names = {f"#{name}": name for name in ("key", *attributes)}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
