"""Reading rows: by key, by pages of a partition of the status index, by scan; and counting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from statustrack.core.errors import StorageError, StorageUnavailableError
from statustrack.core.writes import Row
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import is_narrow_index
from statustrack.engines.dynamodb.expressions import projection
from statustrack.engines.dynamodb.items import Item, to_row
from statustrack.engines.dynamodb.table import INDEX
from statustrack.engines.protocol import Cursor, Page

#: What one BatchGetItem takes.
KEYS_PER_REQUEST = 100

#: A page of the service ends at 1 MB, which is about so many entries of the index, or items. DynamoDB Local prepares
#: all that is left for each page unless it is told how many: with 100,000 items that outlasts our patience.
_ENTRIES_PER_PAGE, _ITEMS_PER_PAGE = 5000, 2500

_UNITS = "TOTAL"
_NAMES = {"#value": "value", "#update_time": "update_time"}


def get(
    connection: Connection,
    table: str,
    keys: Sequence[str],
    consistent: bool = True,
    attributes: Sequence[str] | None = None,
) -> dict[str, Row]:
    """The rows of these keys."""
    unique = list(dict.fromkeys(keys))
    if not unique:
        return {}
    shown = {} if attributes is None else projection(tuple(attributes))
    if len(unique) == 1:
        reply = connection.ask(
            "get_item",
            table,
            Key={"key": {"S": unique[0]}},
            ConsistentRead=consistent,
            ReturnConsumedCapacity=_UNITS,
            **shown,
        )
        return {unique[0]: to_row(reply["Item"])} if "Item" in reply else {}
    chunks = [unique[start : start + KEYS_PER_REQUEST] for start in range(0, len(unique), KEYS_PER_REQUEST)]
    rows: dict[str, Row] = {}
    for part in connection.each(lambda chunk: _get_chunk(connection, table, chunk, consistent, shown), chunks):
        rows.update(part)
    return rows


def _get_chunk(
    connection: Connection, table: str, keys: list[str], consistent: bool, shown: dict[str, Any]
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    wanted: dict[str, Any] = {
        table: {"Keys": [{"key": {"S": key}} for key in keys], "ConsistentRead": consistent, **shown}
    }
    patience = connection.patience()
    while wanted:
        reply = connection.ask("batch_get_item", table, RequestItems=wanted, ReturnConsumedCapacity=_UNITS)
        # By the one table that was asked for: where it was named by its ARN, the reply may name it otherwise.
        for items in reply.get("Responses", {}).values():
            for item in items:
                row = to_row(item)
                rows[row["key"]] = row
        left = reply.get("UnprocessedKeys") or {}
        if sum(len(each["Keys"]) for each in left.values()) < sum(len(each["Keys"]) for each in wanted.values()):
            patience = connection.patience()  # what is large comes in parts: that is progress, not trouble
        elif left and not patience.again():
            raise StorageUnavailableError(
                f"table {table!r} of {connection.place} left keys unread, throttled to the end: try again, or give it "
                "more read capacity."
            )
        wanted = left
    return rows


def page(
    connection: Connection,
    table: str,
    partition: str,
    *,
    limit: int,
    after: Cursor | None = None,
    newest_first: bool = False,
    since: str | None = None,
    until: str | None = None,
    ready_ms: int | None = None,
    attributes: Sequence[str] | None = None,
) -> Page:
    """One page of a partition. Rows of one update_time come in DynamoDB's own order, not in that of their keys."""
    values: dict[str, Any] = {":value": {"S": partition}}
    condition, names = "#value = :value", {"#value": "value"}
    if since is not None or until is not None:
        names = dict(_NAMES)
        if since is not None:
            values[":since"] = {"S": since}
        if until is not None:
            values[":until"] = {"S": until}
        if since is None:
            condition += " AND #update_time <= :until"
        elif until is None:
            condition += " AND #update_time >= :since"
        elif since > until:
            return Page([], None)  # DynamoDB calls that an error
        else:
            condition += " AND #update_time BETWEEN :since AND :until"
    parameters: dict[str, Any] = {}
    # An older index does not carry ready_at, and DynamoDB refuses to filter by it: a page is a hint, so all come.
    filtered = ready_ms is not None and table not in connection.narrow_indexes
    if filtered:
        names["#ready_at"] = "ready_at"
        values[":ready"] = {"N": str(ready_ms)}
        values[":null"] = {"S": "NULL"}
        parameters["FilterExpression"] = (
            "attribute_not_exists(#ready_at) OR attribute_type(#ready_at, :null) OR #ready_at <= :ready"
        )
    shown = attributes is not None and table not in connection.narrow_indexes
    if shown and attributes is not None:
        projected = projection(("update_time", *attributes))
        parameters["ProjectionExpression"] = projected["ProjectionExpression"]
        names = {**names, **projected["ExpressionAttributeNames"]}
    if after is not None:
        parameters["ExclusiveStartKey"] = {
            "value": {"S": partition},
            "update_time": {"S": after.update_time},
            "key": {"S": after.key},
        }
    try:
        reply = connection.ask(
            "query",
            table,
            IndexName=INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            Limit=max(1, limit),
            ReturnConsumedCapacity=_UNITS,
            **parameters,
        )
    except StorageError as error:
        if not (filtered or shown) or not is_narrow_index(str(error)):
            raise
        connection.narrow_indexes.add(table)
        return page(
            connection,
            table,
            partition,
            limit=limit,
            after=after,
            newest_first=newest_first,
            since=since,
            until=until,
            ready_ms=ready_ms,
            attributes=attributes,
        )
    last = reply.get("LastEvaluatedKey")
    cursor = Cursor(last["update_time"]["S"], last["key"]["S"]) if last else None
    return Page([to_row(item) for item in reply["Items"]], cursor)


def count(connection: Connection, table: str, partition: str, most: int | None = None) -> int:
    """How many rows a partition has; counting stops beyond ``most``, at ``most + 1``."""
    counted = 0
    start: dict[str, Any] = {}
    while True:
        start["Limit"] = _ENTRIES_PER_PAGE if most is None else min(_ENTRIES_PER_PAGE, most + 1 - counted)
        reply = connection.ask(
            "query",
            table,
            IndexName=INDEX,
            KeyConditionExpression="#value = :value",
            ExpressionAttributeNames={"#value": "value"},
            ExpressionAttributeValues={":value": {"S": partition}},
            Select="COUNT",
            ReturnConsumedCapacity=_UNITS,
            **start,
        )
        counted += int(reply["Count"])
        if "LastEvaluatedKey" not in reply or (most is not None and counted > most):
            return counted
        start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}


def scan(
    connection: Connection,
    table: str,
    prefix: str = "",
    attributes: Sequence[str] | None = None,
    make: Callable[[Item], Row] = to_row,
) -> Iterator[Row]:
    """Every row whose key begins with the prefix. Consistent: what was written before it began is in it."""
    parameters: dict[str, Any] = {} if attributes is None else projection(tuple(attributes))
    if prefix:
        parameters["FilterExpression"] = "begins_with(#key, :prefix)"
        parameters["ExpressionAttributeValues"] = {":prefix": {"S": prefix}}
        parameters.setdefault("ExpressionAttributeNames", {"#key": "key"})
    while True:
        reply = connection.ask(
            "scan", table, ConsistentRead=True, Limit=_ITEMS_PER_PAGE, ReturnConsumedCapacity=_UNITS, **parameters
        )
        yield from map(make, reply["Items"])
        if "LastEvaluatedKey" not in reply:
            return
        parameters["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
