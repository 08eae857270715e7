"""One pipeline, two services: what extraction has finished waits for the summary, in the same row.

``python -m examples.two_services extract`` on some machines, ``... summarise`` on others.
"""

import sys
from typing import Any

import statustrack as st
from examples.steps import Extract, Summarise


def extract(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "text": f"the text of {data['path']}"}


def summarise(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "summary": data["text"][:8]}


def serve(step: type[st.BaseTask], work: Any, limit: int | None = None) -> int:
    done = 0
    for ctx in step.claim_many(limit):  # in batches; what is claimed and not begun is given back
        with ctx:
            ctx.set_data(work(ctx.data))
            done += 1
    return done


if __name__ == "__main__":
    step, work = {"extract": (Extract, extract), "summarise": (Summarise, summarise)}[sys.argv[1]]
    print(serve(step, work), "done")
