"""The a-twins: the event loop is never blocked by storage; cancellation and a lost lease end a block as they should."""

import asyncio
import inspect
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


#: What has no twin: it touches no storage by itself, or is a form of the original that newer verbs stand for.
WITHOUT_TWIN = {
    *("make", "make_key", "make_value", "to_dict", "is_locked", "handler", "start", "batch_write"),
    "status_and_update_time_index",
    *(f"is_{name}" for name in ("pending", "in_progress", "failed", "succeeded", "ignored")),
}


#: Of a context: what they are given is kept until the next write.
KEPT_FOR_LATER = {"check", "set_data", "also", "begin_update", "to_update_actions"}


def arguments(function):
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}


@pytest.mark.parametrize("cls", [st.BaseTask, st.ExecutionContext])
def test_every_verb_that_touches_storage_has_a_twin_with_its_arguments(cls):
    verbs = {name for name in dir(cls) if not name.startswith("_") and inspect.isroutine(getattr(cls, name))}
    twins = {name for name in verbs if name.startswith("a") and name[1:] in verbs}
    assert verbs - twins - WITHOUT_TWIN - KEPT_FOR_LATER == {name[1:] for name in twins}
    for name in twins:
        assert inspect.getdoc(getattr(cls, name)), name
        assert arguments(getattr(cls, name)).items() <= arguments(getattr(cls, name[1:])).items(), name


def test_the_verbs_of_operators_and_the_batches_of_claims_are_awaited_too(made):
    async def main():
        assert await made.aexists()
        await made.acreate_many(f"t-{n}" for n in range(4))
        async for ctx in made.aclaim_many(limit=2, batch=1):
            async with ctx:
                await ctx.aprogress(0.5, "half")
                ctx.set_data({"n": 1})
                await ctx.aupdate()
                assert (await made.aget(ctx.task.task_id)).data == {"n": 1}
        assert await made.acount_by_status(["pending", "succeeded"]) == {"pending": 2, "succeeded": 2}
        assert (await made.aexplain("t-3")).claim == "claim"
        assert (await made.aignore("t-3", why="no")).is_ignored()
        assert (await made.aredrive(["t-3"])).redriven == 1
        with pytest.raises(st.TaskLeaseLostError):
            async with made.start("t-3") as held:
                assert (await made.arelease("t-3", force=True)).is_failed()
                await held.aupdate()
        assert not await made.aforget_step("nobody", (1, 2, 3, 4, 5))
        await made.aadopt()

    run(main())


def test_a_loop_of_claims_that_is_left_gives_the_rest_back(local):
    local.create_many(f"t-{n}" for n in range(5))

    async def main():
        async for ctx in local.aclaim_many(batch=5):
            async with ctx:
                break
        await asyncio.sleep(0)  # the loop closes the generator

    run(main())
    assert local.count_by_status() == {"pending": 4, "in_progress": 0, "failed": 0, "succeeded": 1, "ignored": 0}
    assert [task.attempts for task in local.query_by_status("pending", auto_refresh=True)] == [[]] * 4  # uncounted


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
