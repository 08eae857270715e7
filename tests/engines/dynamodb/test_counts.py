"""How many requests and write units the events of a small task take, and that many writes share requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from statustrack.core import lifecycle, record
from statustrack.core.config import TrackerConfig
from statustrack.core.writes import Write
from statustrack.engines.dynamodb.engine import DynamoEngine
from statustrack.engines.protocol import Applied, Refused

pytestmark = pytest.mark.dynamodb


def create(engine: DynamoEngine, step: TrackerConfig, key: str) -> Write:
    row = record.new_row(step, key, engine.now(), "{}", uuid.uuid4().hex, 10, step.value(key, 10))
    return lifecycle.create(row)


def claim(engine: DynamoEngine, step: TrackerConfig, key: str) -> Write:
    now = engine.now()
    return lifecycle.claim(step, key, token=uuid.uuid4().hex, worker="host:1:abc", now=now, slack_ms=2000)


def test_each_event_is_one_request_and_few_units(engine: DynamoEngine, table: str, step: TrackerConfig) -> None:
    key = "invoice____1"

    def taken(write: Write) -> tuple[int, float, Any]:
        meter = engine.meter
        before = (meter.requests, meter.write_units)
        (outcome,) = engine.apply(table, [write])
        assert meter.read_units == 0
        return meter.requests - before[0], meter.write_units - before[1], outcome

    assert taken(create(engine, step, key))[:2] == (1, 2.0)
    requests, units, held = taken(claim(engine, step, key))
    assert (requests, units) == (1, 3.0)
    now = engine.now()
    beat = lifecycle.heartbeat(step, key, token=held.row["lock"], now=now, until_ms=now // 1000 + 90_000)
    assert taken(beat)[:2] == (1, 1.0)
    requests, _, refused = taken(claim(engine, step, key))
    assert requests == 1 and isinstance(refused, Refused)
    assert taken(lifecycle.succeed(step, held.row, now=now))[:2] == (1, 3.0)


def test_many_writes_share_requests(engine: DynamoEngine, table: str, step: TrackerConfig) -> None:
    keys = [f"invoice____{n}" for n in range(60)]
    creates = [create(engine, step, key) for key in keys]
    before = dict(engine.meter.by_operation)

    def taken(writes: list[Write]) -> tuple[list[Any], dict[str, int]]:
        before = dict(engine.meter.by_operation)
        outcomes = engine.apply(table, writes)
        now = engine.meter.by_operation
        return outcomes, {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}

    outcomes, requests = taken(creates)
    assert {type(outcome) for outcome in outcomes} == {Applied}
    assert requests == {"BatchExecuteStatement": 4}  # 25, 25, 10, and once in a process the probe
    claims, requests = taken([claim(engine, step, key) for key in keys])
    assert requests == {"BatchExecuteStatement": 3}
    now = engine.now()
    beats = [
        lifecycle.heartbeat(step, o.row["key"], token=o.row["lock"], now=now, until_ms=now // 1000 + 90_000)
        for o in claims
    ]
    outcomes, requests = taken(beats)
    assert outcomes == [Applied({})] * 60
    assert requests == {"BatchExecuteStatement": 3}
    done, requests = taken([lifecycle.succeed(step, outcome.row, now=now) for outcome in claims])
    assert done == [Applied({})] * 60
    assert requests == {"BatchExecuteStatement": 3}
    rows = engine.get(table, keys)
    assert {row["status"] for row in rows.values()} == {13}
    refused, requests = taken([create(engine, step, key) for key in keys])
    assert refused == [Refused(rows[key]) for key in keys]
    assert requests["BatchExecuteStatement"] == 3 and requests["BatchGetItem"] <= 3
    assert "BatchExecuteStatement" not in before


def test_a_key_keeps_the_order_of_its_writes(engine: DynamoEngine, table: str, step: TrackerConfig) -> None:
    def count(key: str) -> Write:
        return Write("update", key, (), {}, (), {"data": "notes"}, {"attempt": 1})

    keys = ["a", "b"]
    writes = [create(engine, step, key) for key in keys]
    for number in range(5):
        writes += [Write("update", key, (), {"notes": f"{key}{number}"}) for key in keys]
        writes += [count(key) for key in keys]
    writes += [lifecycle.delete("a", forced=True), create(engine, step, "a")]
    outcomes = engine.apply(table, writes)
    assert {type(outcome) for outcome in outcomes} == {Applied}
    rows = engine.get(table, keys)
    assert (rows["b"]["attempt"], rows["b"]["notes"], rows["b"]["data"]) == (5, "b4", "b4")
    assert rows["a"]["attempt"] == 0
    assert [outcome.row["attempt"] for outcome in outcomes[3:-2:4]][-1] == 4


def test_a_shape_that_partiql_keeps_refusing_goes_as_single_writes(engine: DynamoEngine, table: str) -> None:
    keys = [f"k{n}" for n in range(6)]
    engine.apply(table, [Write("save", key, (), {"key": key}, kind="put") for key in keys])
    counting = [Write("update", key, (), {"status": 1}, increment={"retry": 1}, remove=("retry_",)) for key in keys]
    first = engine.apply(table, counting)  # retry is missing: each is resent as UpdateItem
    assert [outcome.row["retry"] for outcome in first] == [1] * 6
    batches = engine.meter.by_operation["BatchExecuteStatement"]
    assert [outcome.row["retry"] for outcome in engine.apply(table, counting)] == [2] * 6
    assert engine.meter.by_operation["BatchExecuteStatement"] == batches


def test_the_time_is_asked_for_once(make_engine: Callable[..., DynamoEngine]) -> None:
    engine = make_engine()
    assert engine.meter.requests == 0
    for _ in range(3):
        assert abs(engine.now() - engine.clock.wall()) < 1_100_000
    assert engine.meter.by_operation == {"ListTables": 1}
