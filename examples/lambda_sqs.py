"""An AWS Lambda function on an SQS queue: at-least-once delivery in, once-only work out.

Messages that are done are acknowledged; those that another invocation holds, or that must wait, go back to the queue.
"""

import json
from typing import Any

import statustrack as st
from examples.steps import Extract


def work(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "text": f"the text of {data['path']}"}  # your own code


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    again: list[str] = []
    for record in event["Records"]:
        message = json.loads(record["body"])
        left = context.get_remaining_time_in_millis() / 1000  # a frozen function must not keep the task for longer
        try:
            with Extract.start(message["id"], create=True, data=message, lock_expire_seconds=max(2.0, left)) as ctx:
                ctx.set_data(work(ctx.data))
        except st.TaskIsNotReadyToStartError as refused:
            if refused.reason not in ("succeeded", "ignored"):  # locked or not_ready: later; else it is dealt with
                again.append(record["messageId"])
        except Exception:
            again.append(record["messageId"])  # recorded as failed; SQS delivers it again
    return {"batchItemFailures": [{"itemIdentifier": each} for each in again]}
