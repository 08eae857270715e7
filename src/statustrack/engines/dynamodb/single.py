"""One write, one request: sent until its outcome is known or patience is over."""

from __future__ import annotations

from typing import Any

from statustrack.core.errors import StorageUnavailableError
from statustrack.core.writes import Row, Write, holds
from statustrack.engines.dynamodb import reads
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import (
    CONDITION,
    TROUBLE,
    VALIDATION,
    code_of,
    is_other_shape,
    message_of,
)
from statustrack.engines.dynamodb.expressions import METHODS, request, settled
from statustrack.engines.dynamodb.items import Item, to_row
from statustrack.engines.protocol import Applied, Outcome, Refused, Rejected, Unknown

#: How often a row may change between our looking at it and our writing, before the outcome is left open.
_ROUNDS = 4


def write_one(connection: Connection, table: str, write: Write) -> Outcome:
    """Carry out one write.

    :raises StorageError: what another try does not cure.
    """
    outcome = _send(connection, table, write)
    if not isinstance(outcome, _Arithmetic):
        return outcome
    for _ in range(_ROUNDS):
        row = _read(connection, table, write.key)
        if isinstance(row, Unknown):
            return row
        again = settled(write, row or {})
        if again is None:
            return Rejected(outcome.message)
        second = _send(connection, table, again)
        if isinstance(second, Refused) and holds(write.guard, second.current):
            second = _send(connection, table, write)  # an attribute has come meanwhile: now it can be said as it is
        if not isinstance(second, _Arithmetic):
            return second
    message = f"row {write.key!r} of table {table!r} keeps changing under the {write.event}: it was given up."
    return Unknown(StorageUnavailableError(message))


def outcome_of_refusal(write: Write, row: Row | None) -> Outcome:
    """What a refusal means, now that it is known what the row is."""
    if row is None:
        return Applied({}) if write.kind == "delete" else Refused(None)
    if write.mine(row):
        return Applied({} if write.event == "heartbeat" else row)
    return Refused(row)


class _Arithmetic:
    """DynamoDB refused the changes as such: a source is missing, or a number is none; nothing was changed."""

    def __init__(self, message: str) -> None:
        self.message = message


def _send(connection: Connection, table: str, write: Write) -> Outcome | _Arithmetic:
    method, parameters = METHODS[write.kind], request(table, write)
    patience = connection.patience()
    while True:
        try:
            reply = connection.call(method, **parameters)
        except TROUBLE as error:
            code = code_of(error)
            if code == CONDITION:
                return _refused(connection, table, write, getattr(error, "response", {}).get("Item"))
            if code == VALIDATION and not is_other_shape(message_of(error)):
                if write.copy or write.increment or write.add:
                    return _Arithmetic(message_of(error))
                return Rejected(message_of(error))
            cause = connection.explain(error, table)
            if not isinstance(cause, StorageUnavailableError):
                raise cause from error
            if not connection.is_curable(error, cause) or not patience.again():
                return Unknown(cause)
        else:
            return _applied(write, reply)


def _applied(write: Write, reply: dict[str, Any]) -> Applied:
    if write.kind == "put":
        return Applied(dict(write.set))
    attributes = reply.get("Attributes")
    return Applied(to_row(attributes) if attributes else {})


def _refused(connection: Connection, table: str, write: Write, old: Item | None) -> Outcome:
    """A reply without the old item: there is none, unless this is an emulator that never sends it."""
    if old is not None:
        connection.returns_old = True
        return outcome_of_refusal(write, to_row(old))
    if connection.returns_old:
        return outcome_of_refusal(write, None)
    row = _read(connection, table, write.key)
    return row if isinstance(row, Unknown) else outcome_of_refusal(write, row)


def _read(connection: Connection, table: str, key: str) -> Row | Unknown | None:
    try:
        return reads.get(connection, table, [key]).get(key)
    except StorageUnavailableError as cause:
        return Unknown(cause)
