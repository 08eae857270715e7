"""Making, recognising and removing tables; what is said about tables that are not ours, or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from statustrack.core.errors import ConfigError, TableMismatchError, TableNotFoundError
from statustrack.core.record import INDEX_ATTRIBUTES
from statustrack.core.writes import Write
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.dynamodb.table import INDEX, definition, mismatch
from statustrack.engines.protocol import Applied, TableOptions
from tests.engines.dynamodb.faults import Proxy, lost

pytestmark = pytest.mark.dynamodb


@pytest.fixture
def describe(engine: DynamoEngine) -> Callable[[str], dict[str, Any]]:
    return lambda table: dict(engine.connection.call("describe_table", TableName=table)["Table"])


@pytest.fixture
def foreign(engine: DynamoEngine, table_name: str) -> Iterator[Callable[..., str]]:
    """Makes a table that is not ours: the definition of ours, changed."""

    def make(**changes: Any) -> str:
        parameters = {**definition(table_name, TableOptions()), **changes}
        engine.connection.call("create_table", **{name: value for name, value in parameters.items() if value})
        return table_name

    yield make
    engine.connection.call("delete_table", TableName=table_name)


def attributes(**types: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


def keys(**roles: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": role} for name, role in roles.items()]


def index(name: str = INDEX, projection: Any = None, **roles: str) -> list[dict[str, Any]]:
    schema = keys(**(roles or {"value": "HASH", "update_time": "RANGE"}))
    return [{"IndexName": name, "KeySchema": schema, "Projection": projection or {"ProjectionType": "KEYS_ONLY"}}]


def test_a_table_is_made_once(engine: DynamoEngine, table_name: str, describe: Any) -> None:
    assert not engine.exists(table_name)
    assert engine.create_table(table_name, TableOptions())
    assert not engine.create_table(table_name, TableOptions())
    assert not engine.create_table(table_name, TableOptions(), wait=False)
    assert engine.exists(table_name)
    assert table_name in engine.tables()
    described = describe(table_name)
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    projection = described["GlobalSecondaryIndexes"][0]["Projection"]
    assert projection["ProjectionType"] == "INCLUDE"
    assert sorted(projection["NonKeyAttributes"]) == sorted(INDEX_ATTRIBUTES)
    assert len(INDEX_ATTRIBUTES) <= 20
    engine.drop_table(table_name)
    assert not engine.exists(table_name)
    assert table_name not in engine.tables()
    with pytest.raises(TableNotFoundError):
        engine.drop_table(table_name)


def test_provisioned(engine: DynamoEngine, table_name: str, describe: Any) -> None:
    with pytest.raises(ConfigError, match="needs read_capacity_units and write_capacity_units"):
        engine.create_table(table_name, TableOptions("PROVISIONED", 5))
    with pytest.raises(ConfigError, match="billing mode 'FREE' is not one of"):
        engine.create_table(table_name, TableOptions("FREE"))
    assert not engine.exists(table_name)
    engine.create_table(table_name, TableOptions("PROVISIONED", 7, 3))
    described = describe(table_name)
    for part in (described, described["GlobalSecondaryIndexes"][0]):
        assert part["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
        assert part["ProvisionedThroughput"]["WriteCapacityUnits"] == 3
    engine.drop_table(table_name)


def test_tags() -> None:  # DynamoDB Local has none
    assert definition("tasks", TableOptions(tags={"team": "billing"}))["Tags"] == [{"Key": "team", "Value": "billing"}]


@pytest.mark.parametrize("name", ["", "ab", "a b c", "tâche", "x" * 256])
def test_a_name_that_no_table_can_have(engine: DynamoEngine, name: str) -> None:
    with pytest.raises(ConfigError, match="3 to 255 characters"):
        definition(name, TableOptions())


def test_a_creation_whose_reply_is_lost_is_ours(far: DynamoEngine, proxy: Proxy, table_name: str) -> None:
    proxy.faults["CreateTable"] = [lost]
    assert far.create_table(table_name, TableOptions())
    far.drop_table(table_name)


def test_an_older_index_is_good_enough(engine: DynamoEngine, foreign: Any) -> None:
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["create_time"]}
    table = foreign(GlobalSecondaryIndexes=index(projection=projection))
    assert not engine.create_table(table, TableOptions())
    assert table in engine.tables()
    row = {"key": "a", "value": "v", "update_time": "x", "create_time": "c", "ready_at": 5}
    assert engine.apply(table, [Write("save", "a", (), row, kind="put")]) == [Applied(row)]
    seen = {"key": "a", "value": "v", "update_time": "x", "create_time": "c"}
    for _ in range(2):  # ready_at is not in it, and DynamoDB refuses to filter by it
        assert engine.page(table, "v", limit=5, ready_ms=1).rows == [seen]
    assert engine.meter.by_operation["Query"] == 3
    engine.connection.narrow_indexes.clear()
    for _ in range(2):
        assert engine.page(table, "v", limit=5, attributes=("ready_at",)).rows == [seen]
    assert engine.meter.by_operation["Query"] == 6


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {
                "KeySchema": keys(pk="HASH"),
                "AttributeDefinitions": attributes(pk="S", value="S", update_time="S"),
            },
            "its key is hash `pk` (S)",
        ),
        (
            {
                "KeySchema": keys(key="HASH", sk="RANGE"),
                "AttributeDefinitions": attributes(key="S", sk="S", value="S", update_time="S"),
            },
            "its key is hash `key` (S), range `sk` (S)",
        ),
        (
            {"AttributeDefinitions": attributes(key="N", value="S", update_time="S")},
            "its key is hash `key` (N)",
        ),
    ],
    ids=["hash", "range", "type"],
)
def test_a_table_with_another_key(engine: DynamoEngine, foreign: Any, changes: Any, found: str) -> None:
    table = foreign(**changes)
    writes = [Write("u", key, (), {"status": 1}) for key in "ab"]
    for use in (
        lambda: engine.create_table(table, TableOptions()),
        lambda: engine.apply(table, writes[:1]),
        lambda: engine.apply(table, writes),
        lambda: engine.apply(table, [Write("p", "a", (), {"key": "a"}, kind="put")]),
        lambda: engine.get(table, ["a"]),
        lambda: engine.get(table, ["a", "b"]),
    ):
        with pytest.raises(TableMismatchError) as caught:
            use()
        for part in (repr(table), found, "Needed: the hash key `key` (S)", INDEX):
            assert part in str(caught.value)
    assert table not in engine.tables()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"GlobalSecondaryIndexes": None, "AttributeDefinitions": attributes(key="S")},
            "it has no index",
        ),
        (
            {
                "GlobalSecondaryIndexes": index("by_value", value="HASH"),
                "AttributeDefinitions": attributes(key="S", value="S"),
            },
            f"it has no index {INDEX!r}, only ['by_value']",
        ),
        (
            {
                "GlobalSecondaryIndexes": index(value="HASH"),
                "AttributeDefinitions": attributes(key="S", value="S"),
            },
            f"its index {INDEX!r} has hash `value` (S)",
        ),
    ],
    ids=["none", "other", "keys"],
)
def test_a_table_without_our_index(engine: DynamoEngine, foreign: Any, changes: Any, found: str) -> None:
    table = foreign(**changes)
    with pytest.raises(TableMismatchError) as caught:
        engine.create_table(table, TableOptions())
    assert found in str(caught.value)
    if "only" in found or "no index" in found:
        for use in (lambda: engine.page(table, "v", limit=1), lambda: engine.count(table, "v")):
            with pytest.raises(TableMismatchError) as caught:
                use()
            assert found in str(caught.value)


def test_a_missing_table(engine: DynamoEngine, table_name: str) -> None:
    write = Write("u", "a", (), {"status": 1})
    other = Write("u", "b", (), {"status": 1})
    for use in (
        lambda: engine.apply(table_name, [write]),
        lambda: engine.apply(table_name, [write, other]),
        lambda: engine.get(table_name, ["a"]),
        lambda: engine.get(table_name, ["a", "b"]),
        lambda: engine.page(table_name, "v", limit=1),
        lambda: engine.count(table_name, "v"),
        lambda: list(engine.scan(table_name)),
    ):
        with pytest.raises(TableNotFoundError) as caught:
            use()
        for part in (repr(table_name), "us-east-1", "http://127.0.0.1", "Task.create_table()", "statustrack init"):
            assert part in str(caught.value)


def test_a_description_of_nothing_is_none_of_ours() -> None:
    assert mismatch({}) == "its key is unknown"
