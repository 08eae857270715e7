"""Transactions: conditional writes carried out on one connection, alone or together with the user's SQL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from statustrack.core.errors import ConfigError, StorageUnavailableError
from statustrack.core.record import ATTRIBUTES
from statustrack.core.writes import Row, Write, holds
from statustrack.engines.protocol import (
    Applied,
    Extra,
    ExtraFailed,
    Outcome,
    Refused,
    Rejected,
    TogetherOutcome,
    Unknown,
)
from statustrack.engines.sqlite import together
from statustrack.engines.sqlite.connections import Pool, Raw
from statustrack.engines.sqlite.failures import FULL, IOERR, code_of, is_busy, refused_content, storage_error
from statustrack.engines.sqlite.lock import Patience
from statustrack.engines.sqlite.statements import Plan, Statements, quoted, take
from statustrack.engines.sqlite.values import decode_rows, put_row, updated_row

#: The write-ahead log goes back into the file when it has so many pages (SQLite's default); after a large batch, which
#: fills that many by itself, later: the next batches change the same pages of the indexes again.
PAGES, PAGES_OF_MANY = 1000, 8000
MANY = 200


def in_one_transaction(
    pool: Pool, raw: Raw, statements: Statements, writes: Sequence[Write], patience: Patience | None
) -> list[Outcome]:
    """Each write's outcome, after COMMIT. Raises ``StorageError`` for what another try does not cure."""
    while True:
        try:
            if len(writes) == 1:
                write = writes[0]
                plan, values = statements.plan(write)
                if plan.is_one:  # SQLite's own transaction around one statement is one, and cheaper
                    return [_carry_out(raw, statements, write, plan, values)]
            if len(writes) < MANY:
                return _in_one(raw, statements, writes)
            return _in_a_large_one(raw, statements, writes)
        except sqlite3.Error as error:
            roll_back(raw)
            patience = patience or Patience(pool.patience_seconds)
            if is_busy(error) and patience.pause():
                continue
            cause = storage_error(error, pool.place, statements.table)
            if not isinstance(cause, StorageUnavailableError):
                raise cause from error
            cause.__cause__ = error
            return [Unknown(cause)] * len(writes)
        except BaseException:
            roll_back(raw)
            raise


def _in_a_large_one(raw: Raw, statements: Statements, writes: Sequence[Write]) -> list[Outcome]:
    raw.execute(f"PRAGMA wal_autocheckpoint = {PAGES_OF_MANY}")
    try:
        return _in_one(raw, statements, writes)
    finally:
        raw.execute(f"PRAGMA wal_autocheckpoint = {PAGES}")


def _in_one(raw: Raw, statements: Statements, writes: Sequence[Write]) -> list[Outcome]:
    raw.execute("BEGIN IMMEDIATE")
    outcomes: list[Outcome] = []
    for write in writes:
        outcome = _carry_out(raw, statements, write, *statements.plan(write))
        if outcome.__class__ is Rejected and not raw.in_transaction:
            # A trigger of the user has rolled back everything. Each one for itself, then: one batch has one such write
            # at least, so this ends.
            return [outcome] if len(writes) == 1 else [_in_one(raw, statements, (each,))[0] for each in writes]
        outcomes.append(outcome)
    raw.execute("COMMIT")
    return outcomes


def with_extra(
    pool: Pool,
    raw: Raw,
    statements: Statements,
    write: Write,
    extra: Extra,
    timeout_seconds: float | None,
    patience: Patience,
) -> TogetherOutcome:
    """One write and the user's SQL: all or nothing."""
    pid = os.getpid()
    try:
        pool.retry(lambda: raw.execute("BEGIN IMMEDIATE"), statements.table, patience)
        before = raw.total_changes
        outcome = _carry_out(raw, statements, write, *statements.plan(write))
        if not isinstance(outcome, Applied) or raw.total_changes == before:
            return outcome  # refused; or it has landed before, and the extra with it
        try:
            together.run(raw, statements.table, extra.sql, timeout_seconds)
            raw.execute("COMMIT")
        except ConfigError:
            raise
        except Exception as error:
            if code_of(error) in (FULL, IOERR):
                raise
            return ExtraFailed(error)
        return outcome
    except sqlite3.Error as error:
        cause = storage_error(error, pool.place, statements.table)
        if not isinstance(cause, StorageUnavailableError):
            raise cause from error
        cause.__cause__ = error
        return Unknown(cause)
    except StorageUnavailableError as error:
        return Unknown(error)
    finally:
        if pid == os.getpid():  # a child that was forked inside must not touch its parent's transaction
            roll_back(raw)


def _carry_out(raw: Raw, statements: Statements, write: Write, plan: Plan, values: list[Any]) -> Outcome:
    """One write. Raises sqlite3.Error for what concerns the storage and not this content."""
    try:
        if plan.change is not None and raw.execute(plan.change, take(values, plan.change_takes)).rowcount > 0:
            if write.kind == "put":
                _forget_others(raw, statements, write)
                return Applied({} if write.quiet else put_row(write))
            if write.quiet or write.kind == "delete":
                return Applied({})
            return Applied(updated_row(write, plan.sees, raw.seen.pop()))
        if (
            plan.insert is not None
            and (plan.only_absent or holds(write.guard, None))
            and raw.execute(plan.insert, values[: plan.insert_takes]).rowcount > 0
        ):
            return Applied(put_row(write))
        rows = fetch(raw, statements.select, (write.key,))
    except Exception as error:
        reason = refused_content(error)
        if reason is None:
            raise
        return Rejected(reason)
    if not rows:
        return Applied({}) if write.kind == "delete" else Refused(None)
    if write.mine(rows[0]):
        return Applied({} if write.event == "heartbeat" else rows[0])
    return Refused(rows[0])


def _forget_others(raw: sqlite3.Connection, statements: Statements, write: Write) -> None:
    """A put replaces the whole row: also the columns that the user has added."""
    (row,) = fetch(raw, statements.select, (write.key,))
    others = [name for name in row if name not in write.set and name not in ATTRIBUTES]
    if others:
        sets = ", ".join(f"{quoted(name)} = NULL" for name in others)
        raw.execute(f"UPDATE {statements.name} SET {sets} WHERE `key` = ?", (write.key,))


def fetch(raw: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    """All rows of a SELECT."""
    cursor = raw.execute(sql, values)
    found = cursor.fetchall()
    return decode_rows([each[0] for each in cursor.description], found)


def roll_back(raw: sqlite3.Connection) -> None:
    """End the transaction that an error has left open, if any."""
    if raw.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            raw.execute("ROLLBACK")
