"""Exactly once into another table: your own write commits in the same transaction as the success, or not at all.

Each engine takes its own kind, so one block runs on both.
"""

from typing import Any

import statustrack as st
from examples.steps import Extract

LEDGER = "CREATE TABLE IF NOT EXISTS ledger (id TEXT PRIMARY KEY, amount INTEGER NOT NULL)"


def book(ctx: st.ExecutionContext[Any], amount: int) -> None:
    entry = ctx.task.task_id
    ctx.also(
        sql=[LEDGER, ("INSERT INTO ledger VALUES (?, ?)", (entry, amount))],
        transact=[
            {
                "Put": {
                    "TableName": "ledger",
                    "Item": {"id": {"S": entry}, "amount": {"N": str(amount)}},
                    "ConditionExpression": "attribute_not_exists(id)",
                }
            }
        ],
    )


def main(task_id: str) -> None:
    with Extract.start(task_id) as ctx:
        book(ctx, 100)
        ctx.set_data({"booked": True})


if __name__ == "__main__":
    main("invoice-1")
