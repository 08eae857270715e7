"""Lost replies, errors of the service, throttles and conflicts: recognised, counted once, resent, or left open."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from statustrack.core import lifecycle, record
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import StorageError, StorageUnavailableError
from statustrack.core.writes import Row, Write
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import Applied, Extra, Refused, Rejected, Unknown
from tests.engines.dynamodb.faults import Fault, Proxy, failed_after, lost, per_statement, refuse

pytestmark = pytest.mark.dynamodb

BATCH = "BatchExecuteStatement"


class Steps:
    """The writes of one step, as the tracker would make them."""

    def __init__(self, engine: DynamoEngine, table: str, config: TrackerConfig) -> None:
        self.engine, self.table, self.config = engine, table, config

    def create(self, key: str) -> Write:
        value = self.config.value(key, self.config.pending_status)
        row = record.new_row(self.config, key, self.engine.now(), "{}", uuid.uuid4().hex, 10, value)
        return lifecycle.create(row)

    def claim(self, key: str) -> Write:
        now = self.engine.now()
        return lifecycle.claim(self.config, key, token=uuid.uuid4().hex, worker="w", now=now)

    def heartbeat(self, row: Row) -> Write:
        now = self.engine.now()
        until = now // 1000 + 100_000
        return lifecycle.heartbeat(self.config, row["key"], token=row["lock"], now=now, until_ms=until)

    def succeed(self, row: Row) -> Write:
        return lifecycle.succeed(self.config, row, now=self.engine.now(), changes={"data": '{"done":true}'})

    def apply(self, *writes: Write) -> list[Any]:
        return self.engine.apply(self.table, writes)

    def stored(self, key: str) -> Row | None:
        return self.engine.get(self.table, [key]).get(key)


@pytest.fixture
def near(engine: DynamoEngine, table: str, step: TrackerConfig) -> Steps:
    return Steps(engine, table, step)


@pytest.fixture
def steps(far: DynamoEngine, table: str, step: TrackerConfig) -> Steps:
    return Steps(far, table, step)


OPERATIONS = {"put": "PutItem", "update": "UpdateItem", "delete": "DeleteItem"}


@pytest.mark.parametrize("fault", [lost, failed_after], ids=["lost", "500"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_reply_is_recognised_and_counted_once(
    steps: Steps, proxy: Proxy, near: Steps, fault: Fault, times: int
) -> None:
    key = "invoice____1"

    def send(write: Write) -> Any:
        proxy.faults[OPERATIONS[write.kind]] = [fault] * times
        (outcome,) = steps.apply(write)
        assert proxy.faults[OPERATIONS[write.kind]] == []
        assert isinstance(outcome, Applied)
        return outcome.row

    assert send(steps.create(key)) == near.stored(key)
    held = send(steps.claim(key))
    assert held == near.stored(key)
    assert held["attempt"] == 1
    assert send(steps.heartbeat(held)) == {}
    done = send(steps.succeed(held))
    assert done == near.stored(key)
    assert len(record.attempts_of(done)) == 1
    assert send(lifecycle.delete(key, attempt=1)) == {}
    assert near.stored(key) is None


@pytest.mark.parametrize("fault", [lost, failed_after], ids=["lost", "500"])
def test_a_batch_whose_reply_is_lost_is_counted_once(steps: Steps, proxy: Proxy, near: Steps, fault: Fault) -> None:
    keys = [f"invoice____{number}" for number in range(7)]
    assert near.apply(*[near.create(key) for key in keys[:2]])  # the others exist already, to these two

    def send(*writes: Write) -> list[Any]:
        proxy.faults[BATCH] = [fault]
        outcomes = steps.apply(*writes)
        assert proxy.faults[BATCH] == []
        return outcomes

    steps.engine.batches.usable = True  # the probe would meet the fault first
    created = send(*[steps.create(key) for key in keys])
    assert [type(outcome) for outcome in created] == [Refused] * 2 + [Applied] * 5
    claimed = send(*[steps.claim(key) for key in keys])
    assert [outcome.row for outcome in claimed] == [near.stored(key) for key in keys]
    assert {outcome.row["attempt"] for outcome in claimed} == {1}
    assert send(*[steps.claim(key) for key in keys]) == [Refused(near.stored(key)) for key in keys]
    done = send(*[steps.succeed(outcome.row) for outcome in claimed])
    assert [len(record.attempts_of(outcome.row)) for outcome in done] == [1] * 7
    assert send(*[lifecycle.delete(key, attempt=1) for key in keys]) == [Applied({})] * 7


def test_an_outcome_that_stays_unknown_says_so_and_is_recognised_later(steps: Steps, proxy: Proxy, near: Steps) -> None:
    steps.engine.connection.patience_seconds = 0.2
    near.apply(near.create("a"), near.create("b"), near.create("c"))
    one, two, three = steps.claim("a"), steps.claim("b"), steps.claim("c")
    proxy.faults = {"UpdateItem": [lost] * 50, BATCH: [lost] * 50}
    steps.engine.batches.usable = True
    outcomes = steps.apply(one) + steps.apply(two, three)
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)
    assert {type(outcome.cause) for outcome in outcomes} == {StorageUnavailableError}
    assert near.stored("a")["attempt"] == near.stored("b")["attempt"] == 1  # type: ignore[index]
    proxy.faults = {}
    again = steps.apply(one) + steps.apply(two, three)
    assert [outcome.row["attempt"] for outcome in again] == [1, 1, 1]


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"])
def test_statements_that_are_throttled_are_resent(steps: Steps, proxy: Proxy, near: Steps, code: str) -> None:
    keys = [f"invoice____{number}" for number in range(6)]
    near.apply(*[near.create(key) for key in keys])
    steps.engine.batches.usable = True
    proxy.faults[BATCH] = [per_statement(code, lambda at: at % 2 == 0), per_statement(code, lambda at: at == 1)]
    outcomes = steps.apply(*[steps.claim(key) for key in keys])
    assert [outcome.row["attempt"] for outcome in outcomes] == [1] * 6
    assert [len(request["Statements"]) for name, request in proxy.seen if name == BATCH] == [6, 3, 1]
    assert proxy.count("UpdateItem") == 0


def test_a_statement_that_broke_may_have_landed(steps: Steps, proxy: Proxy, near: Steps) -> None:
    keys = ["a", "b", "c"]
    near.apply(*[near.create(key) for key in keys])
    steps.engine.batches.usable = True
    proxy.faults[BATCH] = [per_statement("InternalServerError", lambda at: at != 1, executed=True)]
    outcomes = steps.apply(*[steps.claim(key) for key in keys])
    assert [outcome.row["attempt"] for outcome in outcomes] == [1, 1, 1]


def test_throttled_to_the_end_is_unknown(steps: Steps, proxy: Proxy, near: Steps) -> None:
    steps.engine.connection.patience_seconds = 0.3
    near.apply(near.create("a"), near.create("b"))
    steps.engine.batches.usable = True
    proxy.faults = {
        BATCH: [per_statement("ThrottlingError", lambda at: at == 1)],
        "UpdateItem": [refuse("ProvisionedThroughputExceededException")] * 90,
    }
    proxy.faults[BATCH] += [per_statement("ThrottlingError", lambda at: True)] * 90
    first, second = steps.apply(steps.claim("a"), steps.claim("b"))
    assert isinstance(first, Applied)
    assert isinstance(second, Unknown)
    assert "ThrottlingError: injected" in str(second.cause)
    (single,) = steps.apply(steps.claim("b"))
    assert isinstance(single, Unknown)
    assert "ProvisionedThroughputExceededException" in str(single.cause)
    assert near.stored("b")["attempt"] == 0  # type: ignore[index]


def test_a_conflict_with_a_transaction_is_resent(steps: Steps, proxy: Proxy, near: Steps) -> None:
    near.apply(near.create("a"))
    proxy.faults["UpdateItem"] = [refuse("TransactionConflictException")] * 3
    (outcome,) = steps.apply(steps.claim("a"))
    assert outcome.row["attempt"] == 1
    assert proxy.count("UpdateItem") == 4


@pytest.mark.parametrize(
    "fault",
    [
        refuse("AccessDeniedException", message="not authorized to perform: dynamodb:PartiQLUpdate"),
        refuse("UnknownOperationException"),
        per_statement("AccessDenied", lambda at: True),
        lambda request, forward: (200, {"Responses": [{"TableName": "t"} for _ in request["Statements"]]}),  # a liar
    ],
    ids=["denied", "unknown", "denied-statement", "liar"],
)
def test_without_partiql_it_is_single_writes(steps: Steps, proxy: Proxy, near: Steps, fault: Fault) -> None:
    near.apply(*[near.create(key) for key in "abc"])
    proxy.faults[BATCH] = [fault] * 9
    outcomes = steps.apply(*[steps.claim(key) for key in "abc"])
    assert [outcome.row["attempt"] for outcome in outcomes] == [1, 1, 1]
    assert steps.apply(*[steps.claim(key) for key in "abc"]) == [Refused(near.stored(key)) for key in "abc"]
    assert (proxy.count(BATCH), proxy.count("UpdateItem")) == (1, 6)  # asked once, never again


def test_denied_after_the_probe(steps: Steps, proxy: Proxy, near: Steps) -> None:
    """A role that may update by PartiQL but not insert."""
    near.apply(near.create("a"))
    steps.apply(steps.claim("a"), steps.claim("b"))
    denied = refuse("AccessDeniedException", message="not authorized to perform: dynamodb:PartiQLInsert")
    proxy.faults[BATCH] = [denied] * 9
    outcomes = steps.apply(*[steps.create(key) for key in "abc"])
    assert [type(outcome) for outcome in outcomes] == [Refused, Applied, Applied]
    assert proxy.count("PutItem") == 3


def test_no_answer_to_the_probe_decides_nothing(steps: Steps, proxy: Proxy, near: Steps) -> None:
    near.apply(near.create("a"), near.create("b"))
    proxy.faults[BATCH] = [per_statement("ThrottlingError", lambda at: True)]
    assert {type(outcome) for outcome in steps.apply(steps.claim("a"), steps.claim("b"))} == {Applied}
    assert steps.engine.batches.usable is None
    steps.apply(steps.claim("a"), steps.claim("b"))
    assert steps.engine.batches.usable is True


def test_an_emulator_that_never_sends_the_old_item(steps: Steps, proxy: Proxy, near: Steps) -> None:
    def silent(request: dict[str, Any], forward: Any) -> Any:
        status, reply = forward(request)
        reply.pop("Item", None)
        return status, reply

    proxy.faults = {"UpdateItem": [silent] * 9, "PutItem": [silent] * 9}
    assert steps.apply(steps.claim("a")) == [Refused(None)]
    near.apply(near.create("a"), near.create("b"))
    near.apply(near.claim("a"))
    assert steps.apply(steps.claim("a")) == [Refused(near.stored("a"))]
    assert steps.apply(steps.create("a")) == [Refused(near.stored("a"))]


def test_a_service_that_sends_the_old_item_in_batches(steps: Steps, proxy: Proxy, near: Steps) -> None:
    """As the real one does, by its documentation: then no row is read a second time."""
    near.apply(near.create("a"), near.create("b"))
    near.apply(near.claim("a"))
    row = near.stored("a")
    assert row is not None
    item = near.engine.connection.call("get_item", TableName=near.table, Key={"key": {"S": "a"}})["Item"]

    def with_item(request: dict[str, Any], forward: Any) -> Any:
        status, reply = forward(request)
        reply["Responses"][0]["Error"]["Item"] = item
        return status, reply

    steps.engine.batches.usable = True
    proxy.faults[BATCH] = [with_item]
    outcomes = steps.apply(steps.claim("a"), steps.claim("b"), steps.claim("nobody"))
    assert outcomes[0] == Refused(row)
    assert isinstance(outcomes[1], Applied)
    assert outcomes[2] == Refused(None)
    assert proxy.count("BatchGetItem") == proxy.count("GetItem") == 0


def test_a_row_that_would_be_too_large_is_rejected(near: Steps) -> None:
    near.apply(near.create("a"), near.create("b"), near.create("c"))
    huge = {"data": json.dumps("x" * 410_000)}
    (alone,) = near.apply(Write("update", "a", (), huge))
    both = near.apply(Write("update", "a", (), huge), Write("update", "b", (), {"data": "{}"}))
    assert isinstance(alone, Rejected) and "size" in alone.reason
    assert isinstance(both[0], Rejected) and isinstance(both[1], Applied)
    assert near.stored("a")["data"] == "{}"  # type: ignore[index]
    created = near.apply(*[near.create(key) for key in "de"], Write("save", "f", (), {"key": "f", **huge}, kind="put"))
    assert [type(outcome) for outcome in created] == [Applied, Applied, Rejected]


def test_keys_left_unread_are_asked_for_again(steps: Steps, proxy: Proxy, near: Steps) -> None:
    keys = [f"k{number}" for number in range(10)]
    near.apply(*[near.create(key) for key in keys])

    def half(request: dict[str, Any], forward: Any) -> Any:
        ((name, wanted),) = request["RequestItems"].items()
        some = wanted["Keys"][: (len(wanted["Keys"]) + 1) // 2]
        status, reply = forward({**request, "RequestItems": {name: {**wanted, "Keys": some}}})
        left = wanted["Keys"][len(some) :]
        reply["UnprocessedKeys"] = {name: {**wanted, "Keys": left}} if left else {}
        return status, reply

    proxy.faults["BatchGetItem"] = [half] * 9
    assert steps.engine.get(steps.table, keys) == near.engine.get(near.table, keys)
    steps.engine.connection.patience_seconds = 0.2
    proxy.faults["BatchGetItem"] = [
        lambda request, forward: (200, {"Responses": {}, "UnprocessedKeys": request["RequestItems"]})
    ] * 99
    with pytest.raises(StorageUnavailableError, match="left keys unread"):
        steps.engine.get(steps.table, keys)


@pytest.mark.parametrize("fault", [lost, failed_after], ids=["lost", "500"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_transaction_whose_reply_is_lost_is_counted_once(
    steps: Steps, proxy: Proxy, near: Steps, fault: Fault, times: int
) -> None:
    near.apply(near.create("a"), near.create("total"))
    held = near.apply(near.claim("a"))[0].row
    proxy.faults["TransactWriteItems"] = [fault] * times
    outcome = steps.engine.apply_together(steps.table, steps.succeed(held), Extra((add_one(steps.table, "total"),)))
    assert outcome == Applied(near.stored("a") or {})
    assert outcome.row["status"] == 13
    assert near.stored("total")["retry"] == 1  # type: ignore[index]
    tokens = {r["ClientRequestToken"] for name, r in proxy.seen if name == "TransactWriteItems"}
    assert len(tokens) == 1


def add_one(table: str, key: str) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": {"key": {"S": key}},
            "UpdateExpression": "ADD retry :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }


def reasons(*codes: str) -> Fault:
    return refuse(
        "TransactionCanceledException",
        message=f"Transaction cancelled, specific reasons [{', '.join(codes)}]",
        CancellationReasons=[{"Code": code, "Message": "injected"} for code in codes],
    )


def test_conflicts_and_throttles_of_a_transaction_are_resent(steps: Steps, proxy: Proxy, near: Steps) -> None:
    near.apply(near.create("a"), near.create("total"))
    held = near.apply(near.claim("a"))[0].row
    proxy.faults["TransactWriteItems"] = [
        reasons("TransactionConflict", "None"),
        reasons("None", "ThrottlingError"),
        refuse("TransactionInProgressException"),
        refuse("ThrottlingException"),
    ]
    write, extra = steps.succeed(held), Extra((add_one(steps.table, "total"),))
    assert isinstance(steps.engine.apply_together(steps.table, write, extra), Applied)
    assert near.stored("total")["retry"] == 1  # type: ignore[index]
    proxy.faults["TransactWriteItems"] = [reasons("TransactionConflict", "None")] * 99
    outcome = steps.engine.apply_together(steps.table, write, extra, timeout_seconds=0.2)
    assert isinstance(outcome, Unknown)
    assert "TransactionConflict" in str(outcome.cause)


def test_what_cannot_be_cured_is_raised(steps: Steps, proxy: Proxy, near: Steps) -> None:
    send: Callable[[], Any]
    denied = refuse("AccessDeniedException", message="not authorized to perform: dynamodb:UpdateItem on arn:x")
    for send in (lambda: steps.apply(steps.claim("a")), lambda: steps.apply(steps.claim("a"), steps.claim("b"))):
        steps.engine.batches.usable = False
        proxy.faults["UpdateItem"] = [denied] * 2
        with pytest.raises(StorageError, match=r"no permission on table 'tasks_.*dynamodb:UpdateItem on arn:x"):
            send()
