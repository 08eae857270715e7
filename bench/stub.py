"""A DynamoDB that answers at once and believes everything: what a client costs when the service costs nothing.

``python -m bench.stub`` prints its endpoint and serves until its standard input ends. It keeps what is put and updated
(conditions are not looked at), since a client reads its own writes back; it is no test double of anything else.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

INDEX = "status_and_update_time-index"
_SET = re.compile(r"(#\w+) = (:\w+|#\w+|if_not_exists\(#\w+, :\w+\) \+ :\w+)")
_ACTIVE: dict[str, Any] = {
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("key", "value", "update_time")],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": INDEX,
            "IndexStatus": "ACTIVE",
            "KeySchema": [
                {"AttributeName": "value", "KeyType": "HASH"},
                {"AttributeName": "update_time", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "CreationDateTime": 0,
    "ItemCount": 0,
    "TableSizeBytes": 0,
}

Item = dict[str, Any]
_items: dict[str, Item] = {}


def _key(request: Item) -> str:
    return json.dumps([request["TableName"], request["Key"]["key"] if "Key" in request else request["Item"]["key"]])


def _put(request: Item) -> Item:
    _items[_key(request)] = dict(request["Item"])
    return {}


def _get(request: Item) -> Item:
    found = _items.get(_key(request))
    return {} if found is None else {"Item": found}


def _update(request: Item) -> Item:
    item = _items.setdefault(_key(request), dict(request["Key"]))
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    sets, _, removes = request["UpdateExpression"].partition(" REMOVE ")
    for target, source in _SET.findall(sets):
        if source.startswith("if_not"):
            item[names[target]] = {"N": str(int(item.get(names[target], {"N": "0"})["N"]) + 1)}
        else:
            item[names[target]] = values[source] if source.startswith(":") else item.get(names[source], {"S": ""})
    for name in removes.split(", ") if removes else ():
        item.pop(names[name], None)
    return {"Attributes": item} if request.get("ReturnValues") == "ALL_NEW" else {}


def _table(request: Item) -> Item:
    return {"Table": {"TableName": request["TableName"], **_ACTIVE}}


ANSWERS: dict[str, Callable[[Item], Item]] = {
    "PutItem": _put,
    "GetItem": _get,
    "UpdateItem": _update,
    "DescribeTable": _table,
    "CreateTable": lambda request: {"TableDescription": _table(request)["Table"]},
}


def answer(target: str, body: bytes) -> bytes:
    """The body of the reply to one request."""
    request = json.loads(body)
    reply = ANSWERS[target](request)
    if "ReturnConsumedCapacity" in request:
        reply["ConsumedCapacity"] = {"TableName": request["TableName"], "CapacityUnits": 3.0}
    return json.dumps(reply).encode()


class Connection(asyncio.Protocol):
    """One kept-alive connection of a client: requests come one after the other."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", b"0"))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        target = re.search(rb"(?im)^x-amz-target: \w+\.(\w+)", head)
        assert target is not None
        body = answer(target[1].decode(), rest[:length])
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 1\r\n"
            + f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
