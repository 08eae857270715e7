"""The two tracked steps of the demo, as a user would write them: extract a document, answer questions about it."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

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


def extract_document(ctx: st.ExecutionContext[Extract], folder: Path) -> None:
    """Step 1: the task id is the document's name in its folder."""
    ctx.set_data({"extracted": extract(folder / ctx.task.task_id)})


def answer_questions(ctx: st.ExecutionContext[Answer], as_of: date) -> None:
    """Step 2: an LLM call would go here, with the same data in and the same JSON out."""
    answers = answer(ctx.data["extracted"], as_of)
    ctx.set_data({**ctx.data, "answers": answers})


def steps_of(use_case_id: str) -> tuple[type[Extract], type[Answer]]:
    """Both steps for another family of documents: the same codes, its own tasks in the same table."""
    if use_case_id == USE_CASE:
        return Extract, Answer

    class ExtractOther(Extract):
        config = dataclasses.replace(Extract.config, use_case_id=use_case_id)

    class AnswerOther(Answer):
        config = dataclasses.replace(Answer.config, use_case_id=use_case_id)

    ExtractOther.__name__, AnswerOther.__name__ = Extract.__name__, Answer.__name__
    return ExtractOther, AnswerOther
