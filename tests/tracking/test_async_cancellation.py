"""Cancellation and a lost lease in an async block: the task is released, or the loss surfaces; writes are not torn."""

import asyncio

import pytest

import statustrack as st
from statustrack.tracking import execution
from tests.tracking.support import Faulty
from tests.tracking.test_async import run, slow, until


def test_cancelling_the_block_releases_the_task_and_the_storage_is_not_torn(sqlite, local):
    local.create("t")
    faulty = Faulty(sqlite, release=[slow(0.2)])

    async def work(entered):
        async with local.start("t"):
            entered.set()
            await asyncio.sleep(60)

    async def main():
        entered = asyncio.Event()
        task = asyncio.ensure_future(work(entered))
        await entered.wait()
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()  # again, while the release is under way
        with pytest.raises(asyncio.CancelledError):
            await task

    with st.use_engine(faulty):
        run(main())
    task = local.get("t")
    assert task.is_pending() and task.retry == 0
    assert [entry.outcome for entry in task.attempts] == ["released"]


def test_cancelling_while_the_success_is_being_written_lets_it_be_written(sqlite, local):
    local.create("t")
    faulty = Faulty(sqlite, succeed=[slow(0.2)])

    async def work():
        async with local.start("t"):
            pass

    async def main():
        task = asyncio.ensure_future(work())
        await until(lambda: faulty.sent("succeed"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with st.use_engine(faulty):
        run(main())
    assert local.get("t").is_succeeded()


def test_cancelling_during_the_claim_gives_the_task_back(sqlite, local):
    local.create("t")
    faulty = Faulty(sqlite, claim=[slow(0.2)])

    async def work():
        async with local.start("t"):
            pytest.fail("entered")

    async def main():
        task = asyncio.ensure_future(work())
        await until(lambda: faulty.sent("claim"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: sqlite.get(local.Meta.table_name, [local.make_key("t")])[local.make_key("t")]["attempt"])
        await until(lambda: local.get("t").is_pending())

    with st.use_engine(faulty):
        run(main())
    assert local.get("t").retry == 0 and not local.get("t").is_locked()


def test_a_timeout_around_the_block_releases_the_task(local):
    local.create("t")

    async def work():
        async with local.start("t"):
            await asyncio.sleep(60)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work(), 0.1)

    run(main())
    assert local.get("t").is_pending()


def test_a_lost_lease_cancels_the_block_and_surfaces_as_a_lease_lost_error(local, clock, faulty_local):
    local.create("t")

    async def main():
        cleaned = []
        with pytest.raises(st.TaskLeaseLostError) as lost:
            async with local.start("t") as ctx:
                faulty_local.plan = {"heartbeat": "drop"}
                clock.advance(301)
                try:
                    await asyncio.sleep(60)
                finally:
                    cleaned.append(ctx.lease_lost)
        assert cleaned == [True]
        assert isinstance(lost.value.__cause__, asyncio.CancelledError)
        await asyncio.sleep(0)  # the surroundings are not cancelled
        return ctx

    ctx = run(main())
    assert ctx.outcome in ("released", "lost")
    assert not local.get("t").is_locked()


def test_a_lease_taken_by_another_cancels_the_block_too(local, clock):
    local.create("t")

    async def main():
        with pytest.raises(st.TaskLeaseLostError, match="taken over by another"):
            async with local.start("t"):
                row = await local.aget("t")
                row.lock, row.worker = "f" * 32, "another"
                await row.asave(force=True)
                clock.advance(100)
                await asyncio.sleep(60)

    run(main())
    assert local.get("t").lock == "f" * 32


def test_a_cancellation_of_the_users_own_is_not_mistaken_for_a_loss(local):
    local.create("t")

    async def main():
        async with local.start("t"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(main())
    assert local.get("t").is_pending()


def test_a_lease_that_was_lost_before_the_block_began_cancels_it_too(local, monkeypatch):
    """The loop was busy elsewhere between the claim and the block."""
    local.create("t")
    monkeypatch.setattr(execution, "keep", lambda hold: hold.lose("the loop was busy"))

    async def main():
        async with local.start("t"):
            await asyncio.wait_for(asyncio.sleep(60), 5)

    with pytest.raises(st.TaskLeaseLostError, match="the loop was busy"):
        run(main())
    assert not local.get("t").is_locked()
