"""Many writes in few requests: 25 PartiQL statements at a time, single writes where PartiQL is refused or lies."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from statustrack.core.errors import StorageUnavailableError
from statustrack.core.writes import Row, Write
from statustrack.engines.dynamodb import partiql, reads
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.errors import (
    TROUBLE,
    VALIDATION,
    code_of,
    explain,
    is_again,
    is_refused_verb,
    is_too_large,
    missing_table,
)
from statustrack.engines.dynamodb.expressions import Shape
from statustrack.engines.dynamodb.items import to_row
from statustrack.engines.dynamodb.partiql import Statement
from statustrack.engines.dynamodb.single import outcome_of_refusal, write_one
from statustrack.engines.protocol import Applied, Outcome, Rejected, Unknown

#: What one BatchExecuteStatement takes.
STATEMENTS_PER_REQUEST = 25
#: A shape of statement that was refused as often as this, and never accepted, is no longer tried.
_REFUSALS = 3

_REFUSED = ("ConditionalCheckFailed", "DuplicateItem")

#: What a request answers for one write: its outcome, or None where it is to be sent by itself.
_Answers = dict[int, Outcome | None]


class Batches:
    """Knows what of PartiQL this service offers to this process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: None: not known yet.
        self.usable: bool | None = None
        self._refusals: dict[Shape, int] = {}
        self._returns_old = False

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        """One outcome for each write, in their order. A key is once in a round: its next write waits its turn."""
        outcomes: dict[int, Outcome] = {}
        for indexes in _rounds(writes):
            outcomes.update(self._round(table, writes, indexes))
        return [outcomes[index] for index in range(len(writes))]

    def _round(self, table: str, writes: Sequence[Write], indexes: list[int]) -> dict[int, Outcome]:
        statements: dict[int, Statement] = {}
        if len(indexes) > 1 and self._is_usable(table):
            for index in indexes:
                statement = partiql.statement(table, writes[index])
                if statement is not None and self._refusals.get(statement.shape, 0) < _REFUSALS:
                    statements[index] = statement
        if len(statements) == 1:
            statements.clear()  # alone it goes cheaper as it is
        answers: _Answers = {}
        batched = list(statements)
        chunks = [batched[at : at + STATEMENTS_PER_REQUEST] for at in range(0, len(batched), STATEMENTS_PER_REQUEST)]
        for part in self._connection.each(lambda chunk: self._request(table, writes, statements, chunk), chunks):
            answers.update(part)
        left = [index for index in indexes if answers.get(index) is None]
        singles = self._connection.each(lambda index: write_one(self._connection, table, writes[index]), left)
        answers.update(zip(left, singles, strict=True))
        return {index: outcome for index, outcome in answers.items() if outcome is not None}

    def _request(
        self, table: str, writes: Sequence[Write], statements: dict[int, Statement], indexes: list[int]
    ) -> _Answers:
        """Send the statements of one request until each has its answer, or patience is over."""
        connection = self._connection
        answers: _Answers = {}
        unclear: dict[int, bool] = {}  # which rows are to be read, and whether the write is known to be applied
        patience = connection.patience()
        pending = indexes
        while pending:
            try:
                reply = connection.call(
                    "batch_execute_statement",
                    Statements=[statements[index].request() for index in pending],
                    ReturnConsumedCapacity="TOTAL",
                )
            except TROUBLE as error:
                code = code_of(error)
                if is_refused_verb(code):
                    self.usable = False
                if is_refused_verb(code) or code == VALIDATION:  # the call as a whole: nothing of it was done
                    answers.update(dict.fromkeys(pending))
                    break
                cause = connection.explain(error, table)
                if not isinstance(cause, StorageUnavailableError):
                    raise cause from error
                if not connection.is_curable(error, cause) or not patience.again():
                    answers.update(dict.fromkeys(pending, Unknown(cause)))
                    break
                continue
            again: list[int] = []
            trouble: dict[str, Any] = {}
            responses = reply.get("Responses", ())
            for position, index in enumerate(pending):
                response = responses[position] if position < len(responses) else {"Error": {"Code": "NoResponse"}}
                answer = self._answer(table, writes[index], statements[index], response)
                if isinstance(answer, bool):
                    unclear[index] = answer
                elif answer == "again":
                    again.append(index)
                    trouble = response["Error"]
                else:
                    answers[index] = None if answer == "single" else answer  # type: ignore[assignment]
            if again and not patience.again():
                cause = StorageUnavailableError(
                    f"table {table!r} of {connection.place} did not carry out the write, after retries "
                    f"({trouble.get('Code')}: {trouble.get('Message')})."
                )
                answers.update(dict.fromkeys(again, Unknown(cause)))
                break
            pending = again
        answers.update(self._look(table, writes, unclear))
        return answers

    def _answer(self, table: str, write: Write, statement: Statement, response: dict[str, Any]) -> Outcome | bool | str:
        """What one statement's response says: an outcome; "again" or "single"; or that the row is to be read, and
        whether the write was applied."""
        error = response.get("Error")
        if error is None:
            self._refusals[statement.shape] = -(10**9)
            if write.kind == "put":
                return Applied(dict(write.set))
            if write.kind == "delete" or write.quiet:
                return Applied({})
            return Applied(to_row(response["Item"])) if response.get("Item") else True
        code, message = error.get("Code", ""), error.get("Message", "")
        if code in _REFUSED:
            if error.get("Item"):
                self._returns_old = True
                return outcome_of_refusal(write, to_row(error["Item"]))
            return outcome_of_refusal(write, None) if self._returns_old and code == _REFUSED[0] else False
        if is_again(code):
            return "again"
        if code == "ResourceNotFound":
            raise missing_table(table, self._connection.place)
        if is_refused_verb(code):
            self.usable = False
        elif code == "ItemCollectionSizeLimitExceeded" or is_too_large(message):
            return Rejected(message or code)
        else:
            self._refusals[statement.shape] = self._refusals.get(statement.shape, 0) + 1
        return "single"

    def _look(self, table: str, writes: Sequence[Write], unclear: dict[int, bool]) -> _Answers:
        """Read the rows that the replies should have brought, and decide by them."""
        if not unclear:
            return {}
        try:
            rows = reads.get(self._connection, table, [writes[index].key for index in unclear])
        except StorageUnavailableError as cause:
            return dict.fromkeys(unclear, Unknown(cause))
        answers: _Answers = {}
        for index, applied in unclear.items():
            row: Row | None = rows.get(writes[index].key)
            answers[index] = Applied(row or {}) if applied else outcome_of_refusal(writes[index], row)
        return answers

    def _is_usable(self, table: str) -> bool:
        if self.usable is None:  # two threads may ask at once: that costs one request more, once
            self.usable = self._probe(table)
        return bool(self.usable)

    def _probe(self, table: str) -> bool | None:
        """Whether a statement whose condition is false is refused. There are emulators that answer with success, and
        write nothing. None: no answer, or none that tells."""
        text = f'UPDATE {partiql.quoted(table)} SET "lock" = ? WHERE "key" = ? AND "lock" = ?'
        token = {"S": uuid.uuid4().hex}
        statement = {"Statement": text, "Parameters": [token, {"S": "__statustrack__probe"}, token]}
        try:
            reply = self._connection.call(
                "batch_execute_statement", Statements=[statement], ReturnConsumedCapacity="TOTAL"
            )
        except TROUBLE as error:
            cause = explain(error, self._connection.place, table)
            return None if isinstance(cause, StorageUnavailableError) and not is_refused_verb(code_of(error)) else False
        code = (reply.get("Responses") or [{}])[0].get("Error", {}).get("Code", "")
        if is_again(code) or code == "ResourceNotFound":
            return None
        return bool(code == _REFUSED[0])


def _rounds(writes: Sequence[Write]) -> list[list[int]]:
    """Indexes of writes such that each key is once in a round, and its writes keep their order over the rounds."""
    rounds: list[list[int]] = []
    seen: dict[str, int] = {}
    for index, write in enumerate(writes):
        depth = seen.get(write.key, 0)
        seen[write.key] = depth + 1
        if depth == len(rounds):
            rounds.append([])
        rounds[depth].append(index)
    return rounds
