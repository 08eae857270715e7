"""The a-twins: the event loop is never blocked by storage; cancellation and a lost lease end a block as they should."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest

import statustrack as st
from tests.tracking.support import Faulty, step


def run(coroutine):
    return asyncio.run(coroutine)


def slow(seconds):
    """The storage takes its time."""
    return lambda _: time.sleep(seconds)


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@asynccontextmanager
async def ticking():
    """Counts the turns of the loop meanwhile, and the longest that one had to wait."""
    state = {"ticks": 0, "longest": 0.0}

    async def tick():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            state["ticks"] += 1
            state["longest"] = max(state["longest"], time.perf_counter() - before)

    task = asyncio.ensure_future(tick())
    try:
        yield state
    finally:
        task.cancel()


def test_every_verb_has_a_twin_that_does_the_same(made):
    async def main():
        await made.acreate("a", {"n": 1})
        report = await made.acreate_many(["b", ("c", {"n": 3})])
        assert report.created == 2
        with pytest.raises(st.TaskAlreadyExistsError):
            await made.acreate("a")
        assert (await made.acreate("a", exist_ok=True)).data == {"n": 1}
        assert (await made.aget("a")).data == {"n": 1}
        assert await made.aget_one_or_none("absent") is None
        assert sorted([task.task_id async for task in made.aquery_by_status("pending")]) == ["a", "b", "c"]
        assert len(await made.aquery_for_unfinished().all()) == 3
        assert len(await made.aquery_by_status("pending").many(2)) == 2
        assert await made.aquery_by_status("failed").one_or_none() is None
        assert (await made.aquery_by_status("pending", limit=1).one()).is_pending()
        async with made.start("a") as ctx:
            ctx.set_data({"n": 2})
        assert ctx.outcome == "succeeded"
        assert await made.acount_by_status("succeeded") == {"succeeded": 1}
        assert await made.acount_tasks_by_use_case_id() == 3
        task = await made.aget("b")
        task.data = {"n": 9}
        await task.asave()
        await task.arefresh()
        assert task.data == {"n": 9}
        await task.adelete()
        assert await made.adelete_tasks_by_use_case_id() == 2
        assert await made.adelete_all() == 0

    run(main())


def test_the_twins_have_the_signatures_of_their_verbs():
    import inspect

    for name in dir(st.BaseTask):
        if name.startswith("a") and hasattr(st.BaseTask, name[1:]) and callable(getattr(st.BaseTask, name)):
            assert inspect.getdoc(getattr(st.BaseTask, name)), name


def test_the_event_loop_turns_while_the_storage_is_slow(sqlite, local):
    faulty = Faulty(sqlite, create=[slow(0.3)], claim=[slow(0.3)], succeed=[slow(0.3)])

    async def main():
        async with ticking() as state:
            await local.acreate("t")
            async with local.start("t"):
                pass
        return state

    with st.use_engine(faulty):
        state = run(main())
    assert state["ticks"] > 50 and state["longest"] < 0.25
    assert local.get("t").is_succeeded()


def test_an_error_in_the_block_is_recorded_and_goes_on(local):
    local.create("t")

    async def main():
        async with local.start("t"):
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        run(main())
    assert local.get("t").is_failed()


def test_a_refusal_is_raised_by_the_await(local):
    async def main():
        async with local.start("absent"):
            pytest.fail("entered")

    with pytest.raises(st.TaskIsNotInitializedError):
        run(main())


def test_a_thousand_contexts_at_once(sqlite, table_name):
    task = step(table_name)
    task.create_table(wait=True)
    task.create_many(f"t-{n:04}" for n in range(1000))
    held, most = 0, 0

    async def work(n, gate):
        nonlocal held, most
        async with task.start(f"t-{n:04}") as ctx:
            held += 1
            most = max(most, held)
            if held == 1000:
                gate.set()
            await gate.wait()
            ctx.set_data({"n": n})
        held -= 1

    async def main():
        gate = asyncio.Event()
        await asyncio.gather(*(work(n, gate) for n in range(1000)))

    before = threading.active_count()
    run(main())
    assert most == 1000
    assert threading.active_count() - before <= 34
    assert task.count_by_status("succeeded") == {"succeeded": 1000}
    assert task.get("t-0777").data == {"n": 777}


def test_claim_many_works_with_async_contexts(local):
    local.create_many(["a", "b"])

    async def main():
        for ctx in local.claim_many():
            async with ctx:
                await asyncio.sleep(0)
                ctx.set_data({"done": True})

    run(main())
    assert local.count_by_status("succeeded") == {"succeeded": 2}


def test_a_listing_reads_its_pages_off_the_loop(local):
    local.create_many(f"t-{n:04}" for n in range(250))
    thread_names = set()
    original = local._from_index.__func__

    class Watched(local):
        @classmethod
        def _from_index(cls, row, engine, table):
            thread_names.add(threading.current_thread().name)
            return original(cls, row, engine, table)

    async def main():
        assert len([task async for task in Watched.aquery_by_status("pending")]) == 250

    run(main())
    assert all(name.startswith("statustrack") for name in thread_names)
