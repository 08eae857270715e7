"""1,000 failed tasks with all attributes, listed from among many finished ones on DynamoDB: ours, pynamodb_mate, boto3.

``python -m bench.dynamodb_listing ENDPOINT TASKS ROUNDS`` prints JSON. boto3 by itself sends the same requests as ours
does (directory, index, items by their keys), as many at once, and makes nothing of the answers: the bound. Afterwards
the full table and an empty one are worked on in turn: finished tasks slow nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
from botocore.config import Config

from bench.dynamodb_peers import ours, pynamodb_mate
from bench.measure import median

FAILED = 1000
INDEX = "status_and_update_time-index"
TIME = "%Y-%m-%dT%H:%M:%S.%f+0000"


def client_of(endpoint: str) -> Any:
    """boto3 as it is used for speed: many connections, requests not checked on this side."""
    config = Config(max_pool_connections=50, parameter_validation=False)
    return boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config)


def fill(client: Any, step: Any, tasks: int) -> None:
    """Copies of two tasks that the peer itself wrote: 1,000 of one that failed, the rest of one that succeeded."""
    table = step.Meta.table_name
    samples = []
    for name, broken in (("finished", False), ("failed", True)):
        step.make_and_save(task_id=name, data={"path": "in/invoice.pdf", "pages": 3})
        with suppress(ValueError), step.start(name):
            if broken:
                raise ValueError("page 3 of in/invoice.pdf has no text")
        key = {"key": {"S": f"bench____{name}"}}
        samples.append(client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"])
        client.delete_item(TableName=table, Key=key)
    began = datetime.now(timezone.utc) - timedelta(days=1)

    def put(first: int) -> None:
        requests = []
        for number in range(first, min(first + 25, tasks)):
            item = dict(samples[number < FAILED])
            item["key"] = {"S": f"bench____{number:07}"}
            item["update_time"] = {"S": (began + timedelta(milliseconds=number)).strftime(TIME)}
            requests.append({"PutRequest": {"Item": item}})
        left = {table: requests}
        while left:
            left = client.batch_write_item(RequestItems=left)["UnprocessedItems"]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(put, range(0, tasks, 25)))


def by_boto3(client: Any, table: str, pool: ThreadPoolExecutor, at_once: bool) -> int:
    """The requests of our listing, sent by hand; the number of items."""
    page = {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "#v = :v",
        "ExpressionAttributeNames": {"#v": "value"},
        "ExpressionAttributeValues": {":v": {"S": "bench____030____001"}},
        "Limit": 1000,
    }
    reply = pool.submit(client.query, **page)
    client.get_item(TableName=table, Key={"key": {"S": "__statustrack______directory"}}, ConsistentRead=True)
    found = 0

    def items(keys: list[dict[str, Any]]) -> int:
        asked = {table: {"Keys": keys, "ConsistentRead": True}}
        return len(client.batch_get_item(RequestItems=asked)["Responses"][table])

    while True:
        answer = reply.result()
        keys = [{"key": item["key"]} for item in answer["Items"]]
        chunks = [keys[at : at + 100] for at in range(0, len(keys), 100)]
        found += sum(pool.map(items, chunks) if at_once else map(items, chunks))
        if "LastEvaluatedKey" not in answer:
            return found
        reply = pool.submit(client.query, **page, ExclusiveStartKey=answer["LastEvaluatedKey"])


def timed(function: Callable[[], Any]) -> float:
    """How long a call takes, in ms."""
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1000


def work_on(step: Any, name: str, count: int = 60) -> None:
    """Create, start and succeed some tasks, and look for what waits."""
    for number in range(count):
        step.create(f"{name}-{number}")
        with step.start(f"{name}-{number}"):
            pass
    assert step.query_by_status(["pending", "in_progress"], limit=10).all() == []


def main(endpoint: str, tasks: int, rounds: int) -> dict[str, Any]:
    """Fill a table for each of the two, then list in turn."""
    client = client_of(endpoint)
    mine, _, _ = ours(endpoint)
    theirs, _, _ = pynamodb_mate(endpoint)
    for step in (mine, theirs):
        step.create_table(wait=True)
        fill(client, step, tasks)
    meter = mine._engine_and_table()[0].meter
    pool = ThreadPoolExecutor(8)
    told: dict[str, int] = {}

    def listed() -> None:
        before = dict(meter.by_operation)
        found = mine.query_by_status("failed", auto_refresh=True).all()
        assert len(found) == FAILED and all(task.errors["history"] and task.data for task in found)
        told.update({name: count - before.get(name, 0) for name, count in meter.by_operation.items()})

    def by_theirs() -> None:
        found = list(theirs.query_by_status(30, limit=FAILED, auto_refresh=True))
        assert len(found) == FAILED and all(task.errors["history"] and task.data for task in found)

    def bare(at_once: bool) -> None:
        assert by_boto3(client, mine.Meta.table_name, pool, at_once) == FAILED

    quick = {"statustrack": listed, "boto3": lambda: bare(False), "boto3, 8 at once": lambda: bare(True)}
    took: dict[str, list[float]] = {name: [] for name in (*quick, "pynamodb_mate")}
    for function in quick.values():
        function()
    for number in range(rounds):
        for name, function in quick.items():
            took[name] += [timed(function) for _ in range(3)]
        if number < 5:
            took["pynamodb_mate"].append(timed(by_theirs))

    empty, _, _ = ours(endpoint)
    empty.create_table(wait=True)
    work_on(empty, "warm")
    work_on(mine, "warm")
    slower = []
    for number in range(7):
        pair = [(mine, "full"), (empty, "empty")]
        times = {}
        for step, name in pair if number % 2 else reversed(pair):
            began = time.perf_counter()
            work_on(step, f"{name}-{number}")
            times[name] = time.perf_counter() - began
        slower.append(times["full"] / times["empty"])
    return {
        "tasks": tasks,
        "ms": {name: median(values) for name, values in took.items()},
        "of_boto3": median([mine / bare for mine, bare in zip(took["statustrack"], took["boto3"], strict=True)]),
        "of_pynamodb_mate": median(took["pynamodb_mate"]) / median(took["statustrack"]),
        "requests": {name: count for name, count in sorted(told.items()) if count},
        "finished_slow_by": median(slower) - 1,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
