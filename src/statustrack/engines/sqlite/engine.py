"""Tasks in one SQLite file: conditional writes, one transaction per call, reported after COMMIT."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError
from statustrack.core.writes import Row, Write, holds
from statustrack.engines.clock import Clock, SystemClock
from statustrack.engines.protocol import (
    Applied,
    Cursor,
    Extra,
    ExtraFailed,
    Meter,
    Outcome,
    Page,
    Refused,
    Rejected,
    TableOptions,
    TogetherOutcome,
    Unknown,
)
from statustrack.engines.sqlite import schema, together
from statustrack.engines.sqlite.connections import PATIENCE_SECONDS, Connection, Pool, connect, retry
from statustrack.engines.sqlite.failures import (
    FULL,
    IOERR,
    Place,
    code_of,
    is_busy,
    no_table,
    refused_content,
    storage_error,
)
from statustrack.engines.sqlite.lock import Patience
from statustrack.engines.sqlite.statements import Plan, Statements, decode_row, put_row, quoted, take

_KEYS_PER_GET = 500
_ROWS_PER_SCAN = 256


class SqliteEngine:
    """The engine for one file. Opening it touches nothing; only ``create_table`` makes a file or a table."""

    name = "sqlite"
    min_lease_seconds = 1.0
    page_is_full = True
    parallel_reads = False
    batch = 500

    def __init__(self, path: str, url: str, clock: Clock | None = None) -> None:
        given = os.fspath(path)
        # Resolved once: a later chdir must not lead to another file.
        folder = None if os.path.isabs(given) else os.getcwd()
        self.place = Place(given, Path(os.path.abspath(given)), folder)
        self.url = url
        self.clock: Clock = clock or SystemClock()
        self.meter = Meter()
        self.patience_seconds = PATIENCE_SECONDS
        self._pool = Pool(self.place)
        self._statements: dict[str, Statements] = {}
        weakref.finalize(self, self._pool.close)

    def __repr__(self) -> str:
        return f"SqliteEngine({str(self.place.path)!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot be pickled: it holds open files. Send its url ({self.url}) and open it there.")

    # --- time: one machine, one clock --------------------------------------------------------------------------------

    def now(self) -> int:
        return self.clock.wall()

    def margin_ms(self, lease_ms: int) -> int:
        return 0

    def slack_ms(self, lease_ms: int) -> int:
        return 0

    # --- tables ------------------------------------------------------------------------------------------------------

    def create_table(self, table: str, options: TableOptions | None = None, wait: bool = True) -> bool:
        schema.check_table_name(table)
        folder = self.place.path.parent
        if not folder.is_dir():
            raise StorageError(f"there is no folder {folder} for the database {self.place}. Make the folder first.")
        self.meter.count("create_table")
        patience = Patience(self.patience_seconds)
        self._lock(patience)
        try:
            if not self.place.path.exists():
                retry(self.place, self._create_file, patience=patience)
            with self._connection() as connection:
                return retry(self.place, lambda: self._create(connection.raw, table), table, patience)
        finally:
            self._pool.lock.release()

    def _create_file(self) -> None:
        raw = connect(self.place, "rwc")
        try:
            raw.execute("PRAGMA application_id")
        finally:
            raw.close()

    def _create(self, raw: sqlite3.Connection, table: str) -> bool:
        if not schema.is_ours(raw, self.place):
            schema.use_wal(raw, self.place)
        raw.execute("BEGIN IMMEDIATE")
        try:
            schema.is_ours(raw, self.place)
            if schema.has_table(raw, table, self.place):
                raw.execute("ROLLBACK")
                return False
            for statement in schema.create_statements(table):
                raw.execute(statement)
            raw.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            raw.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
            raw.execute("COMMIT")
            return True
        except BaseException:
            _roll_back(raw)
            raise

    def drop_table(self, table: str) -> None:
        self._statements_of(table)
        self.meter.count("drop_table")
        patience = Patience(self.patience_seconds)
        self._lock(patience)
        try:
            with self._connection(table) as connection:
                raw = connection.raw
                retry(self.place, lambda: raw.execute(f"DROP TABLE {quoted(table)}").close(), table, patience)
                connection.tables.discard(table)
        finally:
            self._pool.lock.release()

    def exists(self, table: str) -> bool:
        schema.check_table_name(table)
        if not self.place.path.exists():
            return False
        self.meter.count("exists")
        with self._connection() as connection:
            return retry(self.place, lambda: schema.has_table(connection.raw, table, self.place))

    def tables(self) -> list[str]:
        if not self.place.path.exists():
            return []
        self.meter.count("tables")
        with self._connection() as connection:
            return retry(self.place, lambda: schema.our_tables(connection.raw))

    # --- writes ------------------------------------------------------------------------------------------------------

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        statements = self._statements_of(table)
        if len(writes) <= self.batch:
            return self._transaction(statements, writes) if writes else []
        outcomes: list[Outcome] = []
        for start in range(0, len(writes), self.batch):
            outcomes += self._transaction(statements, writes[start : start + self.batch])
        return outcomes

    def _transaction(self, statements: Statements, writes: Sequence[Write]) -> list[Outcome]:
        self.meter.count("apply")
        patience = Patience(self.patience_seconds)
        try:
            self._lock(patience)
        except StorageUnavailableError as error:
            return [Unknown(error)] * len(writes)
        try:
            connection = self._take(statements.table)
            try:
                raw = connection.raw
                while True:
                    try:
                        if len(writes) == 1:
                            plan, values = statements.plan(writes[0])
                            if plan.is_one:  # SQLite's own transaction around one statement is one
                                return [_carry_out(raw, statements, writes[0], plan, values)]
                        raw.execute("BEGIN IMMEDIATE")
                        outcomes = [_carry_out(raw, statements, write, *statements.plan(write)) for write in writes]
                        raw.execute("COMMIT")
                        return outcomes
                    except sqlite3.Error as error:
                        _roll_back(raw)
                        if is_busy(error) and patience.pause():
                            continue
                        cause = storage_error(error, self.place, statements.table)
                        if not isinstance(cause, StorageUnavailableError):
                            raise cause from error
                        return [Unknown(cause)] * len(writes)
                    except BaseException:
                        _roll_back(raw)
                        raise
            finally:
                self._pool.give(connection)
        finally:
            self._pool.lock.release()

    def apply_together(
        self, table: str, write: Write, extra: Extra, timeout_seconds: float | None = None
    ) -> TogetherOutcome:
        statements = self._statements_of(table)
        if extra.transact and not extra.sql:
            raise ConfigError(
                "transact= is for DynamoDB, and the tasks live in SQLite here: give sql=[...] as well, which this engine "
                "commits together with the task (each engine takes its own)."
            )
        together.check_steps(extra.sql)
        self.meter.count("apply_together")
        patience = Patience(self.patience_seconds)
        try:
            self._lock(patience)
        except StorageUnavailableError as error:
            return Unknown(error)
        try:
            connection = self._take(table)
            try:
                return self._together(connection.raw, statements, write, extra, timeout_seconds, patience)
            finally:
                self._pool.give(connection)
        finally:
            self._pool.lock.release()

    def _together(
        self,
        raw: sqlite3.Connection,
        statements: Statements,
        write: Write,
        extra: Extra,
        timeout_seconds: float | None,
        patience: Patience,
    ) -> TogetherOutcome:
        try:
            retry(self.place, lambda: raw.execute("BEGIN IMMEDIATE"), statements.table, patience)
            outcome = _carry_out(raw, statements, write, *statements.plan(write), landed_before=False)
            if not isinstance(outcome, Applied):
                _roll_back(raw)
                if isinstance(outcome, Refused) and outcome.current is not None and write.mine(outcome.current):
                    return Applied(outcome.current)  # it has landed before, and the extra with it
                return outcome
            try:
                together.run(raw, statements.table, extra.sql, timeout_seconds)
                raw.execute("COMMIT")
            except ConfigError:
                raise
            except Exception as error:
                if code_of(error) in (FULL, IOERR):
                    raise
                _roll_back(raw)
                return ExtraFailed(error)
            return outcome
        except sqlite3.Error as error:
            cause = storage_error(error, self.place, statements.table)
            if not isinstance(cause, StorageUnavailableError):
                raise cause from error
            return Unknown(cause)
        except StorageUnavailableError as error:
            return Unknown(error)
        finally:
            _roll_back(raw)

    # --- reads -------------------------------------------------------------------------------------------------------

    def get(
        self, table: str, keys: Sequence[str], consistent: bool = True, attributes: Sequence[str] | None = None
    ) -> dict[str, Row]:
        statements = self._statements_of(table)
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), _KEYS_PER_GET):
            chunk = wanted[start : start + _KEYS_PER_GET]
            for row in self._rows("get", table, statements.get(len(chunk), attributes), chunk):
                found[row["key"]] = row
        return found

    def page(
        self,
        table: str,
        partition: str,
        *,
        limit: int,
        after: Cursor | None = None,
        newest_first: bool = False,
        since: str | None = None,
        until: str | None = None,
        ready_ms: int | None = None,
    ) -> Page:
        statements = self._statements_of(table)
        sql, values = statements.page(partition, limit, after, newest_first, since, until, ready_ms)
        rows = self._rows("page", table, sql, values)
        if len(rows) <= limit:
            return Page(rows, None)
        del rows[limit:]
        return Page(rows, Cursor(rows[-1]["update_time"], rows[-1]["key"]))

    def count(self, table: str, partition: str, most: int | None = None) -> int:
        sql, values = self._statements_of(table).count(partition, most)
        return int(self._rows("count", table, sql, values)[0]["count(*)"])

    def scan(self, table: str, prefix: str = "", attributes: Sequence[str] | None = None) -> Iterator[Row]:
        statements = self._statements_of(table)
        after: str | None = None
        while True:
            sql, values = statements.scan(after, prefix, _ROWS_PER_SCAN, attributes)
            rows = self._rows("scan", table, sql, values)
            yield from rows
            if len(rows) < _ROWS_PER_SCAN:
                return
            after = rows[-1]["key"]

    def _rows(self, operation: str, table: str, sql: str, values: Sequence[Any]) -> list[Row]:
        self.meter.count(operation)
        with self._connection(table) as connection:
            return retry(self.place, lambda: _fetch(connection.raw, sql, values), table)

    # --- the rest ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        self._pool.close()

    def _statements_of(self, table: str) -> Statements:
        statements = self._statements.get(table)
        if statements is None:
            schema.check_table_name(table)
            statements = self._statements[table] = Statements(table)
        return statements

    def _lock(self, patience: Patience) -> None:
        if self._pool.lock.queue.owner == threading.get_ident():
            raise ConfigError(
                "a task was written from inside sql=: that would wait for the transaction around it, for ever. Write "
                "tasks before or after."
            )
        if not self._pool.lock.acquire(patience):
            raise StorageUnavailableError(
                f"another thread was writing to {self.place} for {patience.seconds:.3g} s."
            )

    def _take(self, table: str) -> Connection:
        connection = self._pool.take()
        if table in connection.tables:
            return connection
        try:
            retry(self.place, lambda: schema.check_table(connection.raw, table, self.place), table)
        except BaseException:
            self._pool.give(connection)
            raise
        connection.tables.add(table)
        return connection

    @contextlib.contextmanager
    def _connection(self, table: str | None = None) -> Iterator[Connection]:
        connection = self._pool.take() if table is None else self._take(table)
        try:
            yield connection
        finally:
            self._pool.give(connection)


def _carry_out(
    raw: sqlite3.Connection, statements: Statements, write: Write, plan: Plan, values: list[Any], landed_before: bool = True
) -> Outcome:
    """One write inside a transaction. Raises sqlite3.Error for what concerns the storage and not this content."""
    try:
        if plan.insert is not None and plan.change is None:
            if (plan.only_absent or holds(write.guard, None)) and _insert(raw, plan, values):
                return Applied(put_row(write))
        elif plan.change is not None:
            cursor = raw.execute(plan.change, take(values, plan.change_takes))
            if plan.returns:
                found = cursor.fetchall()
                if found:
                    row = decode_row([each[0] for each in cursor.description], found[0])
                    if plan.insert is None:
                        return Applied(row)
                    _forget_others(raw, statements, write, row)
                    return Applied(put_row(write))
            elif cursor.rowcount > 0:
                return Applied({})
            if plan.insert is not None and holds(write.guard, None) and _insert(raw, plan, values):
                return Applied(put_row(write))
        rows = _fetch(raw, statements.select, (write.key,))
    except Exception as error:
        reason = refused_content(error)
        if reason is None:
            raise
        return Rejected(reason)
    if not rows:
        return Applied({}) if write.kind == "delete" else Refused(None)
    if landed_before and write.mine(rows[0]):
        return Applied({} if write.event == "heartbeat" else rows[0])
    return Refused(rows[0])


def _insert(raw: sqlite3.Connection, plan: Plan, values: list[Any]) -> bool:
    assert plan.insert is not None
    return raw.execute(plan.insert, values[: plan.insert_takes]).rowcount > 0


def _forget_others(raw: sqlite3.Connection, statements: Statements, write: Write, row: Row) -> None:
    """A put replaces the whole row: also the columns that the user has added."""
    others = [name for name in row if name not in write.set and name not in schema.ATTRIBUTES]
    if others:
        sets = ", ".join(f"{quoted(name)} = NULL" for name in others)
        raw.execute(f"UPDATE {statements.name} SET {sets} WHERE `key` = ?", (write.key,))


def _fetch(raw: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    cursor = raw.execute(sql, values)
    found = cursor.fetchall()
    names = [each[0] for each in cursor.description]
    return [decode_row(names, each) for each in found]


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            raw.execute("ROLLBACK")
