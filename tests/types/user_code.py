"""What a user's type checker is told, said with assert_type: mypy --strict and pyright read it in `make types`.

It is never run. A name or a type that is lost fails `make types`; so does one that has become Any.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from typing_extensions import assert_type

import statustrack as st
import statustrack.api as pm


class Status(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class Invoice(st.BaseTask):
    config = st.TrackerConfig.make("invoice", status=Status)

    @property
    def amount(self) -> int:
        return int(self.data["amount"])


def reads() -> None:
    assert_type(Invoice.create("a", {"amount": 1}), Invoice)
    assert_type(Invoice.make_and_save("a"), Invoice)
    assert_type(Invoice.make("a"), Invoice)
    assert_type(Invoice.get("a"), Invoice)
    assert_type(Invoice.get_one_or_none("a"), Invoice | None)
    task = Invoice.get("a")
    assert_type(task.amount, int)
    assert_type(task.status, int)
    assert_type(task.data, dict[str, Any])
    assert_type(task.update_time, datetime)
    assert_type(task.ready_at, datetime | None)


def runs() -> None:
    with Invoice.start("a", create=True) as ctx:
        assert_type(ctx, st.ExecutionContext[Invoice])
        assert_type(ctx.task, Invoice)
        assert_type(ctx.task.amount, int)
        assert_type(ctx.fence, int)
    for each in Invoice.claim_many(limit=3):
        with each as claimed:
            assert_type(claimed.task, Invoice)


def finds() -> None:
    assert_type(Invoice.query_by_status(Status.failed).all(), list[Invoice])
    assert_type(Invoice.query_for_unfinished().one_or_none(), Invoice | None)
    found: Iterator[Invoice] = iter(Invoice.query_by_status(["failed", Status.ignored]))
    assert_type(next(found), Invoice)
    assert_type(Invoice.count_by_status(), dict[str, int])
    assert_type(Invoice.create_many(["a", "b"]), st.CreateReport)


async def awaits() -> None:
    assert_type(await Invoice.acreate("a"), Invoice)
    assert_type(await Invoice.aget_one_or_none("a"), Invoice | None)
    async with Invoice.start("a") as ctx:
        assert_type(ctx.task, Invoice)
    async for claimed in Invoice.aclaim_many():
        async with claimed:
            assert_type(claimed.task, Invoice)
    async for task in Invoice.aquery_by_status("failed"):
        assert_type(task, Invoice)
    assert_type(await Invoice.aquery_for_unfinished().many(3), list[Invoice])


@Invoice.handler
def handle(ctx: st.ExecutionContext[Invoice]) -> dict[str, Any]:
    return {"amount": ctx.task.amount}


def refusals() -> None:
    try:
        Invoice.get("a")
    except st.TaskIsNotReadyToStartError as refused:
        assert_type(refused.retry_at, datetime | None)


def names() -> None:
    assert_type(pm.patterns.status_tracker.TrackerConfig.make("a", 1, 2, 3, 4, 5), st.TrackerConfig)
    print(st.Wroker)  # type: ignore[attr-defined]  # pyright: ignore
