"""The text of requests and statements: made once for each shape of write, with names that may be reserved words."""

from __future__ import annotations

from typing import Any

import pytest

from statustrack.core import lifecycle, record
from statustrack.core.config import TrackerConfig
from statustrack.core.failure import from_reason
from statustrack.core.writes import Clause, Comparison, Write
from statustrack.engines.dynamodb.expressions import request, settled
from statustrack.engines.dynamodb.items import to_item, to_number, to_row, to_value
from statustrack.engines.dynamodb.partiql import statement

STEP = TrackerConfig.make("invoice", 10, 11, 12, 13, 14, lock_expire_seconds=60)
KEY = "invoice____1"
NOW = 1_795_000_000_000_000


def claim(token: str = "t") -> Write:
    return lifecycle.claim(STEP, KEY, token=token, worker="w", now=NOW)


def test_an_update_needs_its_row() -> None:
    assert request("t", Write("u", "k", (), {"status": 1})) == {
        "TableName": "t",
        "Key": {"key": {"S": "k"}},
        "ConditionExpression": "attribute_exists(#key)",
        "UpdateExpression": "SET #status = :0",
        "ExpressionAttributeNames": {"#key": "key", "#status": "status"},
        "ExpressionAttributeValues": {":0": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
    }


def test_a_heartbeat_asks_for_no_image_and_touches_no_index_key() -> None:
    write = lifecycle.heartbeat(STEP, KEY, token="t", now=NOW, until_ms=5)
    parameters = request("t", write)
    assert "ReturnValues" not in parameters
    assert parameters["UpdateExpression"] == "SET #lease_until = :3, #lock_time = :4"
    text = statement("t", write)
    assert text is not None and "RETURNING" not in text.text


def test_writes_of_one_shape_share_their_text() -> None:
    one, two = request("t", claim("a")), request("t", claim("b"))
    for name in ("UpdateExpression", "ConditionExpression", "ExpressionAttributeNames"):
        assert one[name] is two[name]
    assert one["ExpressionAttributeValues"] != two["ExpressionAttributeValues"]
    first, second = statement("t", claim("a")), statement("t", claim("b"))
    assert first is not None and second is not None
    assert first.text is second.text
    other = statement("other", claim("a"))
    assert other is not None and other.text.startswith('UPDATE "other" SET')


def test_a_request_may_be_changed_without_harm() -> None:
    before = request("t", claim())
    request("t", claim())["ExpressionAttributeValues"].clear()
    request("t", claim())["Key"].clear()
    assert request("t", claim()) == before


def test_the_claim_in_partiql() -> None:
    made = statement("my.table-1", claim())
    assert made is not None
    assert made.text == (
        'UPDATE "my.table-1" SET "value" = ? SET "status" = ? SET "lock" = ? SET "lease_until" = ? SET "lock_time" = ? '
        'SET "update_time" = ? SET "start_time" = ? SET "worker" = ? SET "attempt" = "attempt" + ? '
        'SET "claimed_from" = "value" REMOVE "ready_at" REMOVE "expire_at" REMOVE "progress" '
        'WHERE "key" = ? AND "status" IN [?, ?] '
        'AND ("ready_at" IS MISSING OR "ready_at" IS NULL OR "ready_at" <= ?) '
        'AND ("lock" IS MISSING OR "lock" IS NULL OR "lock" = ? OR "lease_until" <= ? OR "lease_until" > ? '
        'OR "lease_until" IS MISSING OR "lease_until" IS NULL) '
        'AND ("lock" IS MISSING OR "lock" IS NULL OR "lock" = ? OR "lease_until" <= ? OR "lease_until" > ? '
        'OR "lock_time" IS MISSING OR "lock_time" IS NULL OR "lock_time" < ?) '
        'AND ("expire_at" IS MISSING OR "expire_at" IS NULL OR "expire_at" > ?) RETURNING ALL NEW *'
    )
    assert made.text.count("?") == len(made.parameters)


def every_write() -> list[Write]:
    row = record.new_row(STEP, KEY, NOW, "{}", "id", 10, STEP.value(KEY, 10))
    held = {**row, "lock": "t", "status": 11, "lease_until": 5, "claimed_from": row["value"], "attempt": 1}
    failure = from_reason("x", "y")
    until = NOW // 1000 + 9
    return [
        lifecycle.create(row),
        claim(),
        lifecycle.take_over(STEP, held, token="t", worker="w", now=NOW),
        lifecycle.take_over(STEP, {**held, "retry": 9}, token="t", worker="w", now=NOW),
        lifecycle.rescue(STEP, held, now=NOW),
        lifecycle.evict(STEP, held, now=NOW, who="w", why="y"),
        lifecycle.heartbeat(STEP, KEY, token="t", now=NOW, until_ms=until),
        lifecycle.update(STEP, KEY, token="t", now=NOW, until_ms=until, changes={"data": "{}"}),
        lifecycle.succeed(STEP, held, now=NOW, changes={"data": "{}"}, expire_at=1),
        lifecycle.fail(STEP, held, now=NOW, failure=failure, delay_ms=10),
        lifecycle.give_up(STEP, held, now=NOW, failure=failure),
        lifecycle.release(STEP, held, now=NOW),
        lifecycle.snooze(STEP, held, now=NOW, delay_ms=5),
        lifecycle.give_back(STEP, held, now=NOW),
        lifecycle.end_too_large(STEP, held, now=NOW, reason="r"),
        lifecycle.redrive(STEP, row, now=NOW, started=NOW, redrive_id="r", who="w", why="y"),
        lifecycle.ignore(STEP, row, now=NOW, who="w", why="y"),
        lifecycle.delete(KEY, attempt=0),
        lifecycle.delete(KEY, forced=True),
    ]


@pytest.mark.parametrize("write", every_write(), ids=lambda write: write.event)
def test_every_event_of_the_lifecycle_can_go_in_a_batch(write: Write) -> None:
    made = statement("t", write)
    assert made is not None
    assert made.text.count("?") == len(made.parameters)
    assert len(made.text) < 8192  # DynamoDB's limit on a statement
    assert len(request("t", write).get("ConditionExpression", "").encode()) < 4096


@pytest.mark.parametrize(
    "write",
    [
        lifecycle.late_result("k", "x"),
        lifecycle.save({"key": "k"}, attempt=0),
        Write("put", "k", (), {"key": "k"}, kind="put"),
        Write("nothing", "k", (Clause("x", (Comparison("status", "=", 1),)),)),
        Write("in nothing", "k", (Clause("x", (Comparison("status", "in", ()),)),), {"status": 1}),
    ],
    ids=lambda write: write.event,
)
def test_what_partiql_has_no_words_for(write: Write) -> None:
    assert statement("t", write) is None


def test_an_insert_names_what_it_stores() -> None:
    row = {"key": "k", "status": 1, "late_results": frozenset({"b", "a"}), "data": None, "notes": frozenset()}
    made = statement("t", Write("create", "k", (Clause("x", (Comparison("key", "absent"),)),), row, kind="put"))
    assert made is not None
    assert made.text == "INSERT INTO \"t\" VALUE {'key': ?, 'status': ?, 'late_results': ?}"
    assert made.parameters == [{"S": "k"}, {"N": "1"}, {"SS": ["a", "b"]}]


def test_settled_says_what_comes_of_absent_attributes() -> None:
    copy = {"data": "notes", "worker": "lock"}
    write = Write("u", "k", (), {"status": 1}, (), copy, {"attempt": 1}, {"late_results": "x"})
    assert settled(write, {"notes": "n", "lock": "l", "attempt": 1, "late_results": frozenset({"y"})}) is None
    spelt = settled(write, {"lock": "l"})
    assert spelt is not None
    assert spelt.set == {"status": 1, "attempt": 1, "late_results": frozenset({"x"})}
    assert (spelt.remove, spelt.copy, spelt.increment, spelt.add) == (("data",), {"worker": "lock"}, {}, {})
    assert [clause.any_of for clause in spelt.guard] == [
        (Comparison(name, "absent"),) for name in ("notes", "attempt", "late_results")
    ]


@pytest.mark.parametrize("value", [None, True, frozenset(), [], {}, b"x"])
def test_a_value_that_no_row_has_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be an attribute of a row"):
        to_value(value)


def test_the_key_can_only_be_there_or_not() -> None:
    with pytest.raises(ValueError, match="it names the row"):
        request("t", Write("u", "k", (Clause("x", (Comparison("key", "=", "k"),)),)))


def test_items_and_rows() -> None:
    row = {"key": "k", "status": -3, "lease_until": 1_795_000_000_123, "late_results": frozenset({"x"}), "data": ""}
    assert to_row(to_item(row)) == row
    odd: Any = {"lock": {"NULL": True}, "data": {"M": {}}, "theirs": {"S": "x"}, "retry": {"BOOL": True}}
    assert to_row({"key": {"S": "k"}, **odd}) == {"key": "k"}
    assert [to_number(text) for text in ("7", "1E+2", "7.0", "-0.5")] == [7, 100, 7, -0.5]
    assert isinstance(to_number("7.0"), int)
