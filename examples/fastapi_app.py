"""A web service that takes jobs and shows how they are: 409 for a job that exists, 404 for one that does not."""

from typing import Any

from fastapi import FastAPI, HTTPException

import statustrack as st
from examples.steps import Extract

app = FastAPI()


@app.post("/documents/{document_id}", status_code=202)
async def enqueue(document_id: str, data: dict[str, Any]) -> dict[str, Any]:
    try:
        task = await Extract.acreate(document_id, data)
    except st.TaskAlreadyExistsError as there:
        raise HTTPException(409, f"{document_id} is there already: {there.task.status_name}") from None
    except (st.ConfigError, st.InvalidDataError) as wrong:
        raise HTTPException(422, str(wrong)) from None
    return {"id": task.task_id, "status": task.status_name}


@app.get("/documents/{document_id}")
async def show(document_id: str) -> dict[str, Any]:
    task = await Extract.aget_one_or_none(document_id, consistent_read=True)
    if task is None:
        raise HTTPException(404, f"there is no document {document_id}")
    return {"id": task.task_id, "status": task.status_name, "data": task.data, "error": task.error_summary}
