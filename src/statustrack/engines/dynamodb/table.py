"""The table: how it is made, how one of ours is told from others, and which of ours are here."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from statustrack.core.errors import ConfigError, StorageError, TableMismatchError, TableNotFoundError
from statustrack.core.record import INDEX_ATTRIBUTES
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import TROUBLE, code_of, missing_table
from statustrack.engines.protocol import TableOptions

#: The index over status and time; pynamodb_mate gives it the same name.
INDEX = "status_and_update_time-index"
#: Where a task says when it may be deleted (epoch seconds).
EXPIRES = "expire_at"

logger = logging.getLogger("statustrack")

_NAME = re.compile("[A-Za-z0-9_.-]{3,255}")
_IN_USE = "ResourceInUseException"
_NEEDED = (
    f"the hash key `key` (S), no range key, and the index {INDEX!r} with hash `value` (S) and range `update_time` (S)"
)
_WAIT_SECONDS = 600


def definition(table: str, options: TableOptions) -> dict[str, Any]:
    """The parameters of CreateTable.

    :raises ConfigError: the name cannot be, or the billing mode is unknown, or provisioned without saying how much.
    """
    if not _NAME.fullmatch(table):
        raise ConfigError(
            f"{table!r} is no name for a DynamoDB table: it must have 3 to 255 characters, and only letters, digits, "
            "'_', '-' and '.'."
        )
    throughput: dict[str, Any] = {}
    if options.billing_mode == "PROVISIONED":
        if not options.read_capacity_units or not options.write_capacity_units:
            raise ConfigError(
                f"billing mode 'PROVISIONED' of table {table!r} needs read_capacity_units and write_capacity_units "
                f"of at least 1, not {options.read_capacity_units!r} and {options.write_capacity_units!r}; or use "
                "'PAY_PER_REQUEST'."
            )
        throughput["ProvisionedThroughput"] = {
            "ReadCapacityUnits": options.read_capacity_units,
            "WriteCapacityUnits": options.write_capacity_units,
        }
    elif options.billing_mode != "PAY_PER_REQUEST":
        raise ConfigError(f"billing mode {options.billing_mode!r} is not one of 'PAY_PER_REQUEST' and 'PROVISIONED'.")
    parameters: dict[str, Any] = {
        "TableName": table,
        "BillingMode": options.billing_mode,
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in ("key", "value", "update_time")
        ],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "value", "KeyType": "HASH"},
                    {"AttributeName": "update_time", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(INDEX_ATTRIBUTES)},
                **throughput,
            }
        ],
        **throughput,
    }
    if options.tags:
        parameters["Tags"] = [{"Key": name, "Value": value} for name, value in options.tags.items()]
    return parameters


def mismatch(description: dict[str, Any]) -> str | None:
    """What is wrong with a table of that description; None: it is one of ours (an older index has fewer attributes)."""
    keys = _schema(description, description.get("KeySchema", ()))
    if keys != [("key", "HASH", "S")]:
        return f"its key is {_spelt(keys)}"
    indexes = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())}
    if INDEX not in indexes:
        return f"it has no index {INDEX!r}, only {sorted(indexes)}" if indexes else "it has no index"
    keys = _schema(description, indexes[INDEX]["KeySchema"])
    if keys != [("value", "HASH", "S"), ("update_time", "RANGE", "S")]:
        return f"its index {INDEX!r} has {_spelt(keys)}"
    return None


def _schema(description: dict[str, Any], schema: Any) -> list[tuple[str, str, str]]:
    types = {each["AttributeName"]: each["AttributeType"] for each in description.get("AttributeDefinitions", ())}
    return [(each["AttributeName"], each["KeyType"], types.get(each["AttributeName"], "?")) for each in schema]


def _spelt(keys: list[tuple[str, str, str]]) -> str:
    return ", ".join([f"{role.lower()} `{name}` ({kind})" for name, role, kind in keys]) or "unknown"


def create(connection: Connection, table: str, options: TableOptions, wait: bool) -> bool:
    """Make the table unless it is there; True when it was made."""
    parameters = definition(table, options)
    made = False
    description = describe(connection, table)
    if description is None:
        try:
            connection.call("create_table", **parameters)
            made = True
        except TROUBLE as error:
            if code_of(error) != _IN_USE:
                raise connection.explain(error, table) from error
            # Another process was faster; or we were: boto3 has tried again because the reply to its first try was lost.
            made = bool(getattr(error, "response", {}).get("ResponseMetadata", {}).get("RetryAttempts"))
    else:
        check(connection, table, description)
    if wait or options.expires:
        check(connection, table, _until_active(connection, table))
    if options.expires:
        try:
            switch_on_ttl(connection, table)
        except StorageError:
            if not options.ignore_ttl_errors:
                raise
            logger.exception("TTL of table %s could not be switched on: what has expired stays", table)
    return made


def switch_on_ttl(connection: Connection, table: str) -> None:
    """Have DynamoDB delete what is past its ``expire_at``.

    :raises StorageError: no permission; or TTL is on for another attribute.
    """
    ttl = connection.ask("describe_time_to_live", table).get("TimeToLiveDescription", {})
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if ttl.get("AttributeName") != EXPIRES:
            raise StorageError(
                f"TTL of table {table!r} of {connection.place} is on for the attribute {ttl.get('AttributeName')!r}: "
                f"a table has one such attribute, and retention needs it to be {EXPIRES!r}. Switch it off first."
            )
        return
    connection.ask("update_time_to_live", table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})


def drop(connection: Connection, table: str) -> None:
    """Remove the table, and wait until it is gone."""
    until = time.monotonic() + _WAIT_SECONDS
    if describe(connection, table) is None:
        raise missing_table(table, connection.place)
    while True:
        try:
            connection.ask("delete_table", table)
        except TableNotFoundError:
            break
        except StorageError as error:
            if error.__cause__ is None or code_of(error.__cause__) != _IN_USE:  # it is being made, or deleted already
                raise
        if describe(connection, table) is None:
            break
        _pause(connection, table, until, "deleted")


def describe(connection: Connection, table: str) -> dict[str, Any] | None:
    """DynamoDB's description of a table; None when there is none."""
    try:
        description: dict[str, Any] = connection.ask("describe_table", table)["Table"]
    except TableNotFoundError:
        return None
    return description


def exists(connection: Connection, table: str) -> bool:
    """Whether the table is there, and not on its way out."""
    description = describe(connection, table)
    return description is not None and description.get("TableStatus") != "DELETING"


def ours(connection: Connection) -> list[str]:
    """The names of the tables that have our shape, sorted."""
    names: list[str] = []
    start: dict[str, Any] = {}
    while True:
        reply = connection.ask("list_tables", **start)
        names += reply.get("TableNames", ())
        if not reply.get("LastEvaluatedTableName"):
            break
        start = {"ExclusiveStartTableName": reply["LastEvaluatedTableName"]}
    descriptions = connection.each(lambda name: describe(connection, name), names)
    return sorted(
        name
        for name, description in zip(names, descriptions, strict=True)
        if description is not None and description.get("TableStatus") != "DELETING" and mismatch(description) is None
    )


def check(connection: Connection, table: str, description: dict[str, Any]) -> None:
    """Raise ``TableMismatchError`` for a table that is not made as ours are."""
    wrong = mismatch(description)
    if wrong is not None:
        raise TableMismatchError(
            f"table {table!r} of {connection.place} is not one of this library's tables: {wrong}. Needed: {_NEEDED}. "
            "Use another table name, or have `Task.create_table()` make the table."
        )


def explain_mismatch(connection: Connection, table: str, error: TableMismatchError) -> TableMismatchError:
    """The same error with what was found, where we may look."""
    try:
        description = describe(connection, table)
        if description is not None:
            check(connection, table, description)
    except TableMismatchError as found:
        return found
    except StorageError:
        pass  # no permission to describe it: what DynamoDB said has to do
    return TableMismatchError(f"{error} Needed: {_NEEDED}.")


def _until_active(connection: Connection, table: str) -> dict[str, Any]:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        description = describe(connection, table)
        if description is not None:
            states = {index.get("IndexStatus", "ACTIVE") for index in description.get("GlobalSecondaryIndexes", ())}
            if {description.get("TableStatus", "ACTIVE"), *states} == {"ACTIVE"}:
                return description
        _pause(connection, table, until, "active")


def _pause(connection: Connection, table: str, until: float, state: str) -> None:
    if time.monotonic() > until:
        raise StorageError(f"table {table!r} of {connection.place} is not {state} after {_WAIT_SECONDS} s.")
    time.sleep(0.2 if connection.endpoint else 1.0)
