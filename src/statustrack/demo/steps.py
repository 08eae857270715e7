"""The two tracked steps of the demo and their handlers, as a user would write them: extract a document, answer
questions about it."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import statustrack as st
from statustrack.demo.extract import extract
from statustrack.demo.inbox import USE_CASE
from statustrack.demo.questions import answer


class ExtractStatus(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class AnswerStatus(st.BaseStatusEnum):
    pending = 40  # extracted, and so ready for its questions
    in_progress = 70
    failed = 80
    succeeded = 90
    ignored = 100


class Document(st.BaseTask):
    class Meta:
        table_name = "statustrack_demo"


class Extract(Document):
    # A short lease, so that the take-over of a killed worker's task is seen soon; it is renewed while the work goes on.
    config = st.TrackerConfig.make(
        USE_CASE, status=ExtractStatus, max_retry=3, lock_expire_seconds=3, retry_delay_seconds=0.5
    )


class Answer(Document):
    config = st.TrackerConfig.make(
        USE_CASE, status=AnswerStatus, max_retry=3, lock_expire_seconds=3, retry_delay_seconds=0.5
    )


@Extract.handler
def extract_document(ctx: st.ExecutionContext[Any]) -> dict[str, Any]:
    """Step 1: what the handler needs to know is in the task."""
    return {"extracted": extract(Path(ctx.data["path"]))}


@Answer.handler
def answer_questions(ctx: st.ExecutionContext[Any]) -> dict[str, Any]:
    """Step 2: an LLM call would go here, with the same data in and the same JSON out."""
    return {"answers": answer(ctx.data["extracted"], date.fromisoformat(ctx.data["as_of"]))}


# --- other documents: the same steps, their own tasks in the same table ----------------------------------------------

_OF = " of "


def steps_of(use_case_id: str) -> tuple[type[Extract], type[Answer]]:
    """Both steps for a family of documents."""
    if use_case_id == USE_CASE:
        return Extract, Answer
    return __getattr__(f"Extract{_OF}{use_case_id}"), __getattr__(f"Answer{_OF}{use_case_id}")


def __getattr__(name: str) -> Any:
    """Makes such a step when it is first asked for: a worker process is told its name, and looks it up here."""
    kind, of, use_case_id = name.partition(_OF)
    if not of or kind not in ("Extract", "Answer"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    base = Extract if kind == "Extract" else Answer
    config = dataclasses.replace(base.config, use_case_id=use_case_id)
    made: Any = type(kind, (base,), {"config": config, "__module__": __name__, "__qualname__": name})
    made.handler(extract_document if base is Extract else answer_questions)
    globals()[name] = made
    return made
