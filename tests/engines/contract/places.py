"""What goes on beside an engine, through its own client library: other people's attributes, tables and rows."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import boto3

from statustrack.core.errors import ConfigError
from statustrack.engines.protocol import Extra


class Place(Protocol):
    """One storage as others see it; ``put`` and ``read`` are about one attribute of one task, of any name and type."""

    url: str
    own: str  #: the name of the user's own table

    def put(self, table: str, key: str, attribute: str, value: Any) -> None:
        """Set an attribute behind the engine's back; None stores the storage's own NULL."""
        ...

    def read(self, table: str, key: str, attribute: str) -> Any:
        """An attribute as it is stored; None when there is none."""
        ...

    def make_foreign_table(self, table: str) -> None:
        """A table that is not one of the library's."""
        ...

    def drop_foreign_table(self, table: str) -> None:
        """Remove it again."""
        ...

    def insert(self, *names: str) -> Extra:
        """The user's own rows of these names; fails for a name that is there."""
        ...

    def names(self) -> list[str]:
        """The names in the user's own table, sorted."""
        ...

    def touching(self, table: str, key: str) -> Extra:
        """A user's write to the task's own row: not allowed."""
        ...

    def of_another_kind(self) -> Extra:
        """What belongs to another engine."""
        ...

    def empty(self, table: str) -> bool:
        """Take everything out of a table; False: there is nothing to use again."""
        ...

    def clear(self) -> None:
        """Remove the user's own rows."""
        ...


class SqlitePlace:
    """A SQLite file."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = url.removeprefix("sqlite:///")
        self.own = f"names_{uuid.uuid4().hex[:8]}"

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def put(self, table: str, key: str, attribute: str, value: Any) -> None:
        with self._open() as connection:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info(`{table}`)")}
            if attribute not in columns:
                connection.execute(f"ALTER TABLE `{table}` ADD COLUMN `{attribute}`")
            connection.execute(f"UPDATE `{table}` SET `{attribute}` = ? WHERE `key` = ?", (value, key))

    def read(self, table: str, key: str, attribute: str) -> Any:
        with self._open() as connection:
            row = connection.execute(f"SELECT `{attribute}` FROM `{table}` WHERE `key` = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def make_foreign_table(self, table: str) -> None:
        with self._open() as connection:
            connection.execute(f"CREATE TABLE `{table}` (`id` INTEGER PRIMARY KEY, `name` TEXT)")

    def drop_foreign_table(self, table: str) -> None:
        with self._open() as connection:
            connection.execute(f"DROP TABLE `{table}`")

    def _make_own(self) -> None:
        with self._open() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self.own} (name TEXT PRIMARY KEY)")

    def insert(self, *names: str) -> Extra:
        self._make_own()
        return Extra(sql=tuple((f"INSERT INTO {self.own} VALUES (?)", (name,)) for name in names))

    def names(self) -> list[str]:
        self._make_own()
        with self._open() as connection:
            return [name for (name,) in connection.execute(f"SELECT name FROM {self.own} ORDER BY name")]

    def touching(self, table: str, key: str) -> Extra:
        return Extra(sql=((f"UPDATE `{table}` SET `data` = 'mine' WHERE `key` = ?", (key,)),))

    def of_another_kind(self) -> Extra:
        return Extra(transact=({"Put": {"TableName": "names", "Item": {"name": {"S": "a"}}}},))

    def empty(self, table: str) -> bool:
        return False

    def clear(self) -> None:
        pass  # the file is of one test alone


class DynamoPlace:
    """One endpoint of DynamoDB."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.client: Any = boto3.client(
            "dynamodb",
            region_name=parts.netloc,
            endpoint_url=parse_qs(parts.query)["endpoint"][0],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.own = f"names_{uuid.uuid4().hex[:8]}"
        self._made: set[str] = set()

    def put(self, table: str, key: str, attribute: str, value: Any) -> None:
        typed = {"NULL": True} if value is None else {"S": value} if isinstance(value, str) else {"N": str(value)}
        self.client.update_item(
            TableName=table,
            Key={"key": {"S": key}},
            UpdateExpression="SET #a = :a",
            ExpressionAttributeNames={"#a": attribute},
            ExpressionAttributeValues={":a": typed},
        )

    def read(self, table: str, key: str, attribute: str) -> Any:
        item = self.client.get_item(TableName=table, Key={"key": {"S": key}}, ConsistentRead=True).get("Item", {})
        ((kind, value),) = item.get(attribute, {"NULL": True}).items()
        return None if kind == "NULL" else int(value) if kind == "N" else value

    def make_foreign_table(self, table: str, key: str = "id") -> None:
        self.client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        )
        self.client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
        self._made.add(table)

    def drop_foreign_table(self, table: str) -> None:
        self.client.delete_table(TableName=table)
        self._made.discard(table)

    def _make_own(self) -> None:
        if self.own not in self._made:
            self.make_foreign_table(self.own, "name")

    def insert(self, *names: str) -> Extra:
        self._make_own()
        return Extra(transact=tuple(self._insert(name) for name in names))

    def _insert(self, name: str) -> dict[str, Any]:
        condition = {"ConditionExpression": "attribute_not_exists(#n)", "ExpressionAttributeNames": {"#n": "name"}}
        return {"Put": {"TableName": self.own, "Item": {"name": {"S": name}}, **condition}}

    def names(self) -> list[str]:
        self._make_own()
        found = self.client.scan(TableName=self.own, ConsistentRead=True)["Items"]
        return sorted(item["name"]["S"] for item in found)

    def touching(self, table: str, key: str) -> Extra:
        return Extra(transact=({"Delete": {"TableName": table, "Key": {"key": {"S": key}}}},))

    def of_another_kind(self) -> Extra:
        return Extra(sql=("SELECT 1",))

    def empty(self, table: str) -> bool:
        keys = {"ProjectionExpression": "#k", "ExpressionAttributeNames": {"#k": "key"}}
        try:
            reply = self.client.scan(TableName=table, ConsistentRead=True, **keys)
            items = reply["Items"]
            if len(items) > 25 or "LastEvaluatedKey" in reply:  # a new table is quicker
                self.client.delete_table(TableName=table)
                return False
        except self.client.exceptions.ResourceNotFoundException:
            return False
        if items:
            requests = [{"DeleteRequest": {"Key": item}} for item in items]
            left = self.client.batch_write_item(RequestItems={table: requests})["UnprocessedItems"]
            assert not left, left
        return True

    def clear(self) -> None:
        for item in self.client.scan(TableName=self.own)["Items"] if self.own in self._made else ():
            self.client.delete_item(TableName=self.own, Key=item)


def place_of(url: str) -> Place:
    """The place that an engine's URL names."""
    if url.startswith("sqlite:"):
        return SqlitePlace(url)
    if url.startswith("dynamodb:"):
        return _dynamo(url)
    raise ConfigError(f"this suite does not know what lies beside {url!r}: add a Place for it")


@functools.cache
def _dynamo(url: str) -> DynamoPlace:  # a client takes a tenth of a second to make
    return DynamoPlace(url)
