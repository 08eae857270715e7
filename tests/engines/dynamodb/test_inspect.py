"""What is found wrong with a table of DynamoDB, what is not offered, and what one may not look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.dynamodb.table import INDEX, definition
from statustrack.engines.protocol import Finding, TableOptions
from tests.engines.dynamodb.faults import Proxy


def found(engine: DynamoEngine, table: str) -> dict[str, Finding]:
    return {finding.topic: finding for finding in engine.inspect(table)}


def test_ttl_is_told_from_ttl_by_another_attribute(engine: DynamoEngine, table: str) -> None:
    off = found(engine, table)["retention"]
    assert off.state == "note"
    assert f"--table-name {table} " in off.fix
    assert "AttributeName=expire_at" in off.fix

    def switch(attribute: str, enabled: bool) -> None:
        specification = {"Enabled": enabled, "AttributeName": attribute}
        engine.connection.call("update_time_to_live", TableName=table, TimeToLiveSpecification=specification)

    switch("deleted_at", True)
    other = found(engine, table)["retention"]
    assert (other.state, "'deleted_at'" in other.says) == ("warning", True)
    switch("deleted_at", False)
    switch("expire_at", True)
    assert found(engine, table)["retention"].state == "good"


def test_what_the_emulator_lacks_is_not_offered_here(engine: DynamoEngine, table: str) -> None:
    backup = found(engine, table)["backup"]
    assert (backup.state, backup.fix) == ("absent", "")
    assert backup.says.startswith("not offered here: ")


def reply(**content: Any) -> Any:
    return lambda *_: (200, content)


@pytest.mark.parametrize(("status", "state"), [("ENABLED", "good"), ("DISABLED", "warning")])
def test_point_in_time_recovery(far: DynamoEngine, proxy: Proxy, table: str, status: str, state: str) -> None:
    said = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
    proxy.faults["DescribeContinuousBackups"] = [reply(ContinuousBackupsDescription=said)]
    backup = found(far, table)["backup"]
    assert backup.state == state
    assert bool(backup.fix) == (state == "warning")


def test_what_one_may_not_look_at_is_unknown_and_no_fault(far: DynamoEngine, proxy: Proxy, table: str) -> None:
    denied = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized to perform it"}
    for operation in ("DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups"):
        proxy.faults[operation] = [lambda *_: (400, denied)]
    seen = found(far, table)
    assert {topic: finding.state for topic, finding in seen.items()} == dict.fromkeys(
        ("keys", "index", "billing", "retention", "backup"), "unknown"
    )
    assert seen["backup"].fix == "allow dynamodb:DescribeContinuousBackups"


def test_provisioned_capacity_is_named(engine: DynamoEngine, table_name: str) -> None:
    engine.create_table(table_name, TableOptions("PROVISIONED", 7, 3))
    billing = found(engine, table_name)["billing"]
    assert (billing.state, "7 read and 3 write units" in billing.says) == ("note", True)
    engine.drop_table(table_name)


def narrow(index: dict[str, Any]) -> None:
    index["Projection"] = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["create_time"]}


def keys_only(index: dict[str, Any]) -> None:
    index["Projection"] = {"ProjectionType": "KEYS_ONLY"}


def everything(index: dict[str, Any]) -> None:
    index["Projection"] = {"ProjectionType": "ALL"}


@pytest.mark.parametrize(
    ("change", "says"), [(narrow, "without retry,"), (keys_only, "without create_time,"), (everything, "costs twice")]
)
def test_another_index_works_and_is_worth_a_word(
    engine: DynamoEngine, table_name: str, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    parameters = definition(table_name, TableOptions())
    change(parameters["GlobalSecondaryIndexes"][0])
    engine.connection.call("create_table", **parameters)
    index = found(engine, table_name)["index"]
    assert index.state == "note"
    assert says in index.says
    assert f"statustrack copy URL URL --table {table_name} --to-table NEW --create" in index.fix
    engine.drop_table(table_name)


def test_a_table_without_the_index_is_at_fault(engine: DynamoEngine, table_name: str) -> None:
    parameters = definition(table_name, TableOptions())
    parameters.pop("GlobalSecondaryIndexes")
    parameters["AttributeDefinitions"] = parameters["AttributeDefinitions"][:1]
    engine.connection.call("create_table", **parameters)
    seen = found(engine, table_name)
    assert (seen["keys"].state, seen["index"].state) == ("bad", "bad")
    assert INDEX in seen["index"].says
    engine.drop_table(table_name)


def test_an_index_that_is_still_made_is_a_warning(far: DynamoEngine, proxy: Proxy, table: str) -> None:
    def making(request: dict[str, Any], forward: Any) -> tuple[int, dict[str, Any]]:
        status, answer = forward(request)
        answer["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = "CREATING"
        return status, answer

    proxy.faults["DescribeTable"] = [making]
    index = found(far, table)["index"]
    assert (index.state, "is creating" in index.says) == ("warning", True)
