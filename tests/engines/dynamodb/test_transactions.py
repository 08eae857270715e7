"""A success and the user's own writes in one transaction: both, or neither, and who is to blame."""

from __future__ import annotations

from typing import Any

import pytest

from statustrack.core import lifecycle, record
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError, StorageError, TableNotFoundError
from statustrack.core.writes import Row, Write
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import Applied, Extra, ExtraFailed, Refused, Rejected
from tests.engines.dynamodb.faults import Proxy, refuse

pytestmark = pytest.mark.dynamodb

KEY = "invoice____1"


@pytest.fixture
def held(engine: DynamoEngine, table: str, step: TrackerConfig) -> Row:
    row = record.new_row(step, KEY, engine.now(), "{}", "id", 10, step.value(KEY, 10))
    engine.apply(table, [lifecycle.create(row)])
    (outcome,) = engine.apply(table, [lifecycle.claim(step, KEY, token="t" * 32, worker="w", now=engine.now())])
    assert isinstance(outcome, Applied)
    return outcome.row


def put(table: str, key: str = "mine", **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": {"key": {"S": key}, "data": {"S": "1"}}, **more}}


def test_both(engine: DynamoEngine, table: str, step: TrackerConfig, held: Row) -> None:
    write = lifecycle.succeed(step, held, now=engine.now())
    extra = Extra((put(table),), sql=("INSERT INTO t VALUES (1)",))
    outcome = engine.apply_together(table, write, extra)
    assert isinstance(outcome, Applied)
    rows = engine.get(table, [KEY, "mine"])
    assert outcome.row == rows[KEY]
    assert rows[KEY]["status"] == 13
    assert rows["mine"] == {"key": "mine", "data": "1"}
    assert engine.apply_together(table, write, extra) == outcome  # sent again: recognised


def test_nothing_extra_is_a_plain_write(engine: DynamoEngine, table: str, step: TrackerConfig, held: Row) -> None:
    outcome = engine.apply_together(table, lifecycle.succeed(step, held, now=engine.now()), Extra())
    assert isinstance(outcome, Applied)
    assert "TransactWriteItems" not in engine.meter.by_operation


def test_a_lost_lease_changes_nothing(engine: DynamoEngine, table: str, step: TrackerConfig, held: Row) -> None:
    write = lifecycle.succeed(step, {**held, "lock": "another" * 5}, now=engine.now())
    assert engine.apply_together(table, write, Extra((put(table),))) == Refused(held)
    assert engine.get(table, [KEY, "mine"]) == {KEY: held}
    gone = lifecycle.succeed(step, {**held, "key": "nobody"}, now=engine.now())
    assert engine.apply_together(table, gone, Extra((put(table),))) == Refused(None)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (lambda table: put(table, ConditionExpression="attribute_exists(x)"), "Put in table .*ConditionalCheckFailed"),
        (lambda table: put(table, ConditionExpression="attribute_exists("), "ValidationException"),
        (lambda table: put("no_such_table"), "no_such_table.*ResourceNotFoundException"),
        (
            lambda table: {
                "Update": {
                    "TableName": table,
                    "Key": {"key": {"S": "mine"}},
                    "UpdateExpression": "SET attempt = attempt + :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
            "Update in table .*Validation",
        ),
    ],
    ids=["condition", "syntax", "table", "arithmetic"],
)
def test_the_users_part_fails(
    engine: DynamoEngine, table: str, step: TrackerConfig, held: Row, item: Any, words: str
) -> None:
    write = lifecycle.succeed(step, held, now=engine.now())
    outcome = engine.apply_together(table, write, Extra((item(table),)))
    assert isinstance(outcome, ExtraFailed)
    with pytest.raises(StorageError, match=words):
        raise outcome.error
    assert "Nothing was changed" in str(outcome.error)
    assert engine.get(table, [KEY, "mine"]) == {KEY: held}


def test_denied(far: DynamoEngine, proxy: Proxy, table: str, step: TrackerConfig, held: Row) -> None:
    proxy.faults["TransactWriteItems"] = [refuse("AccessDeniedException", message="not authorized on table/theirs")]
    outcome = far.apply_together(table, lifecycle.succeed(step, held, now=far.now()), Extra((put("theirs"),)))
    assert isinstance(outcome, ExtraFailed)
    assert "not authorized on table/theirs" in str(outcome.error)


def test_our_row_would_be_too_large(engine: DynamoEngine, table: str, step: TrackerConfig, held: Row) -> None:
    write = lifecycle.succeed(step, held, now=engine.now(), changes={"data": "x" * 410_000})
    assert isinstance(engine.apply_together(table, write, Extra((put(table),))), Rejected)
    assert engine.get(table, [KEY]) == {KEY: held}
    theirs = {"Put": {"TableName": table, "Item": {"key": {"S": "mine"}, "data": {"S": "x" * 410_000}}}}
    outcome = engine.apply_together(table, lifecycle.succeed(step, held, now=engine.now()), Extra((theirs,)))
    assert isinstance(outcome, ExtraFailed)


def test_our_table_is_missing(engine: DynamoEngine, table_name: str, step: TrackerConfig) -> None:
    with pytest.raises(TableNotFoundError):
        engine.apply_together(table_name, Write("u", "a", (), {"status": 1}), Extra((put("theirs"),)))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (Extra(sql=("DELETE FROM t",)), "takes transact="),
        (Extra((put("other"),) * 100), "give at most 99"),
        (Extra(tuple(put("other", data={"S": "x" * 300_000}) for _ in range(15))), "one transaction of DynamoDB takes"),
        (Extra((put("T", KEY),)), r"transact\[0\] writes the task's own row"),
        (Extra((put("arn:aws:dynamodb:us-east-1:1:table/T", KEY),)), r"transact\[0\] writes the task's own row"),
        (Extra((put("T"), {"Delete": {"TableName": "T", "Key": {"key": {"S": KEY}}}})), r"transact\[1\] writes"),
        (Extra(({"Get": {}},)), "one of Put, Update, Delete, ConditionCheck"),
        (Extra(({"Put": {}, "Delete": {}},)), "one of Put, Update, Delete, ConditionCheck"),
        (Extra(("DELETE",)), "one of Put, Update, Delete, ConditionCheck"),  # type: ignore[arg-type]
        (Extra(({"Put": "x"},)), "must be a dict"),
        (Extra(({"Put": {"TableName": "T", "Item": {"key": "mine"}}},)), "low-level form of boto3's client"),
        (Extra(({"Put": {"TableName": "T", "Itm": {}}},)), "low-level form of boto3's client"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(engine: DynamoEngine, extra: Extra, words: str) -> None:
    requests = engine.meter.requests
    with pytest.raises(ConfigError, match=words):
        engine.apply_together("T", Write("u", KEY, (), {"status": 1}), extra)
    with pytest.raises(ConfigError, match=words):
        engine.check_together("T", KEY, extra)
    assert engine.meter.requests == requests


def test_what_can_be_sent(engine: DynamoEngine) -> None:
    engine.check_together("T", KEY, Extra((put("T"), put("other", KEY)) * 40))
