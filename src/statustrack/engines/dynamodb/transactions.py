"""One write of ours and the user's own writes in one TransactWriteItems: all or nothing."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from botocore.validate import ParamValidator

from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError, TableNotFoundError
from statustrack.core.limits import ITEM_BYTES
from statustrack.core.writes import Write, apply
from statustrack.engines.dynamodb import reads
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import (
    CANCELED,
    DENIED,
    MISSING,
    TROUBLE,
    VALIDATION,
    code_of,
    is_again,
    is_too_large,
    message_of,
)
from statustrack.engines.dynamodb.expressions import TRANSACT, request
from statustrack.engines.dynamodb.items import to_row
from statustrack.engines.dynamodb.single import outcome_of_refusal, write_one
from statustrack.engines.protocol import Applied, Extra, ExtraFailed, Rejected, TogetherOutcome, Unknown

#: One transaction takes 100 items, of which one is ours, and 4 MB.
MOST_ITEMS = 99
MOST_BYTES = 4 * 1024 * 1024

_VERBS = ("Put", "Update", "Delete", "ConditionCheck")
_CONDITION = "ConditionalCheckFailed"


def write_together(
    connection: Connection, table: str, write: Write, extra: Extra, timeout_seconds: float | None = None
) -> TogetherOutcome:
    """Carry out our write and the user's.

    :raises ConfigError: the extra is not for this engine, touches our own row, or is more than one transaction takes.
    :raises StorageError: what another try does not cure.
    """
    check(connection, table, write.key, extra)
    if not extra.transact:
        return write_one(connection, table, write)
    items = [{TRANSACT[write.kind]: request(table, write, transact=True)}, *extra.transact]
    # One token for all resends of this call: DynamoDB carries it out once. Not a hash of the payload: for ten minutes
    # it would answer an equal transaction with success and do nothing. A resend by our caller is told by ``mine``.
    parameters = {"TransactItems": items, "ClientRequestToken": str(uuid.uuid4()), "ReturnConsumedCapacity": "TOTAL"}
    patience = connection.patience(timeout_seconds)
    while True:
        try:
            connection.call("transact_write_items", **parameters)
        except TROUBLE as error:
            code = code_of(error)
            if code == CANCELED:
                outcome = _canceled(connection, table, write, extra, error)
                if outcome is not None:
                    return outcome
                said = message_of(error)
                cause: StorageError = StorageUnavailableError(
                    f"table {table!r} of {connection.place} cancelled the transaction, after retries ({said})."
                )
            else:
                failed = _failed(connection, table, write, extra, error)
                if failed is not None:
                    return failed
                cause = connection.explain(error, table)
                if not isinstance(cause, StorageUnavailableError):
                    raise cause from error
                if not connection.is_curable(error, cause):
                    return Unknown(cause)
            if not patience.again():
                return Unknown(cause)
        else:
            return _after(connection, table, write)


def check(connection: Connection, table: str, key: str, extra: Extra) -> None:
    """Refuse what one transaction cannot take, before anything is sent."""
    if not extra.transact:
        if extra.sql:
            raise ConfigError(
                f"the tasks of {table!r} are in DynamoDB, which takes transact=[...] (items of TransactWriteItems), "
                "not sql=. Give both, and one handler runs on both engines."
            )
        return
    if len(extra.transact) > MOST_ITEMS:
        raise ConfigError(
            f"{len(extra.transact)} items in transact: DynamoDB takes 100 in one transaction, of which the task is "
            f"one; give at most {MOST_ITEMS}."
        )
    for number, item in enumerate(extra.transact):
        _check_item(table, key, f"transact[{number}]", item)
    size = len(json.dumps(extra.transact, default=_json))
    if size > MOST_BYTES:
        raise ConfigError(f"transact takes about {size:,} bytes: one transaction of DynamoDB takes {MOST_BYTES:,}.")
    shape = connection.client().meta.service_model.operation_model("TransactWriteItems").input_shape
    report = ParamValidator().validate({"TransactItems": list(extra.transact)}, shape)
    if report.has_errors():
        raise ConfigError(
            "transact is not in the low-level form of boto3's client, {'S': 'text'} for a text: "
            + report.generate_report()
        )


def _check_item(table: str, key: str, where: str, item: Any) -> None:
    if not isinstance(item, dict) or len(item) != 1 or next(iter(item)) not in _VERBS:
        raise ConfigError(f"{where} is {item!r:.200}: it must be a dict with one of {', '.join(_VERBS)}.")
    ((verb, body),) = item.items()
    if not isinstance(body, dict):
        raise ConfigError(f"{where}[{verb!r}] is {body!r:.200}: it must be a dict.")
    named = str(body.get("TableName", "")).rpartition("/")[2]  # a table may be named by its ARN
    keys = body.get("Item" if verb == "Put" else "Key")
    if named == table and isinstance(keys, dict) and keys.get("key") == {"S": key}:
        raise ConfigError(f"{where} writes the task's own row {key!r} of {table!r}: that is what set_data is for.")


def _canceled(connection: Connection, table: str, write: Write, extra: Extra, error: Any) -> TogetherOutcome | None:
    """What the reasons say, ours first: after a lost reply the user's conditions may fail because all has landed.
    None: try again."""
    reasons = error.response.get("CancellationReasons") or []
    if not reasons:
        return None
    ours = reasons[0].get("Code")
    if ours == _CONDITION:
        old = reasons[0].get("Item")
        row = to_row(old) if old else reads.get(connection, table, [write.key]).get(write.key)
        return outcome_of_refusal(write, row)
    if ours and "Validation" in ours:
        return Rejected(str(reasons[0].get("Message") or ours))
    for number, reason in enumerate(reasons[1:]):
        code = reason.get("Code") or "None"
        if code != "None" and not is_again(code):
            return ExtraFailed(
                StorageError(
                    f"transact[{number}] ({_label(extra.transact[number])}) failed: {code}: {reason.get('Message')}. "
                    "Nothing was changed."
                )
            )
    return None


def _failed(connection: Connection, table: str, write: Write, extra: Extra, error: Any) -> TogetherOutcome | None:
    """A refusal of the whole call for which the user's part is to blame; ours is what the library always sends."""
    code = code_of(error)
    if code == MISSING:
        try:
            reads.get(connection, table, [write.key])
        except TableNotFoundError as missing:
            raise missing from error
    elif code == VALIDATION:
        if is_too_large(message_of(error)) and _outgrows(connection, table, write):
            return Rejected(message_of(error))
    elif code not in DENIED:
        return None
    labels = ", ".join(dict.fromkeys([_label(item) for item in extra.transact]))
    said = f"{code}: {message_of(error)}"
    return ExtraFailed(StorageError(f"transact ({labels}) was refused: {said}. Nothing was changed."))


def _outgrows(connection: Connection, table: str, write: Write) -> bool:
    """Whether it is our row that would be too large: what refuses the whole call does not say whose."""
    row = apply(write, reads.get(connection, table, [write.key]).get(write.key)) or {}
    return sum(len(f"{name}{value}".encode(errors="replace")) for name, value in row.items()) > ITEM_BYTES


def _after(connection: Connection, table: str, write: Write) -> TogetherOutcome:
    """TransactWriteItems returns no image. The row is read; it may have moved on by then."""
    try:
        return Applied(reads.get(connection, table, [write.key]).get(write.key) or {})
    except StorageError:
        return Applied({})  # it is written, whatever became of the look at it


def _label(item: dict[str, Any]) -> str:
    ((verb, body),) = item.items()
    return f"{verb} in table {body.get('TableName')!r}"


def _json(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    return str(value)
