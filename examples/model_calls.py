"""A swarm of model calls in one event loop: each once, and a 429 puts the task off for as long as it asks."""

import asyncio

import statustrack as st
from examples.steps import Extract


class TooManyRequests(Exception):
    retry_after = 2.0


async def call_model(prompt: str) -> str:
    await asyncio.sleep(0.01)  # the client of your model
    if prompt == "busy":
        raise TooManyRequests
    return f"an answer to {prompt}"


async def one(task_id: str, gate: asyncio.Semaphore) -> None:
    async with gate:
        try:
            async with Extract.start(task_id) as ctx:
                try:
                    answer = await call_model(ctx.data["prompt"])
                except TooManyRequests as busy:
                    raise st.Snooze(busy.retry_after) from busy  # no failure: claimable again when it is over
                ctx.set_data({**ctx.data, "answer": answer})
        except st.TaskIsNotReadyToStartError:
            pass  # another process has it


async def main(at_once: int = 100) -> None:
    gate = asyncio.Semaphore(at_once)
    await asyncio.gather(*[one(task.task_id, gate) async for task in Extract.aquery_for_unfinished()])


if __name__ == "__main__":
    asyncio.run(main())
