"""Tasks in one SQLite file: conditional writes, one transaction per call, reported after COMMIT."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from statustrack.core import lifecycle
from statustrack.core.errors import ConfigError, StorageError, StorageUnavailableError
from statustrack.core.foreign import is_typed
from statustrack.core.writes import Row, Write
from statustrack.engines.clock import Clock, SystemClock
from statustrack.engines.protocol import (
    Cursor,
    Extra,
    Finding,
    Meter,
    Outcome,
    Page,
    TableOptions,
    TogetherOutcome,
    Unknown,
)
from statustrack.engines.sqlite import copies, inspect, schema, together
from statustrack.engines.sqlite.connections import Pool, connect
from statustrack.engines.sqlite.failures import Place
from statustrack.engines.sqlite.statements import Statements, quoted
from statustrack.engines.sqlite.values import only
from statustrack.engines.sqlite.writing import fetch, in_one_transaction, roll_back, with_extra

_KEYS_PER_GET = 500
_ROWS_PER_SCAN = 256


class SqliteEngine:
    """The engine for one file. Opening it touches nothing; only ``create_table`` makes a file or a table."""

    name = "sqlite"
    min_lease_seconds = 1.0
    page_is_full = True
    deletes_expired = False
    parallel_reads = False
    batch = 2000  # random keys touch nearly as many pages of an index in 500 rows as in 2,000

    def __init__(self, path: str, url: str, clock: Clock | None = None) -> None:
        given = os.fspath(path)
        # Resolved once: a later chdir must not lead to another file.
        folder = None if os.path.isabs(given) else os.getcwd()
        self.place = Place(given, Path(os.path.abspath(given)), folder)
        self.url = url
        self.clock: Clock = clock or SystemClock()
        self.meter = Meter()
        self._pool = Pool(self.place)
        self._statements: dict[str, Statements] = {}
        weakref.finalize(self, self._pool.close)

    def __repr__(self) -> str:
        return f"SqliteEngine({str(self.place.path)!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot be pickled: it holds open files. Send its url ({self.url}), open it there.")

    # --- time: one machine, one clock --------------------------------------------------------------------------------

    def now(self) -> int:
        return self.clock.wall()

    def margin_ms(self, lease_ms: int) -> int:
        return 0

    def slack_ms(self, lease_ms: int) -> int:
        return 0

    def uncertainty_ms(self) -> int:
        return 0

    # --- tables ------------------------------------------------------------------------------------------------------

    def create_table(self, table: str, options: TableOptions | None = None, wait: bool = True) -> bool:
        schema.check_table_name(table)
        folder = self.place.path.parent
        if not folder.is_dir():
            raise StorageError(f"there is no folder {folder} for the database {self.place}. Make the folder first.")
        self.meter.count("create_table")
        patience = self._pool.begin_turn()
        try:
            if not self.place.path.exists():
                self._pool.retry(self._create_file, patience=patience)
            with self._pool.lend() as raw:
                return self._pool.retry(lambda: self._create(raw, table), table, patience)
        finally:
            self._pool.lock.release()

    def _create_file(self) -> None:
        raw = connect(str(self.place.path), "rwc")
        try:
            raw.execute("PRAGMA application_id")  # the file is made by the first look into it
        finally:
            raw.close()

    def _create(self, raw: sqlite3.Connection, table: str) -> bool:
        if not schema.is_ours(raw, self.place):
            schema.use_wal(raw, self.place)
        raw.execute("BEGIN IMMEDIATE")
        try:
            schema.is_ours(raw, self.place)  # again: somebody may have made it something else since
            made = not schema.has_table(raw, table, self.place)
            if made:
                for statement in schema.create_statements(table):
                    raw.execute(statement)
            raw.execute("COMMIT")
            return made
        except BaseException:
            roll_back(raw)
            raise

    def drop_table(self, table: str) -> None:
        self._of(table)
        self.meter.count("drop_table")
        patience = self._pool.begin_turn()
        try:
            with self._pool.lend(table) as raw:
                self._pool.retry(lambda: raw.execute(f"DROP TABLE {quoted(table)}").close(), table, patience)
        finally:
            self._pool.lock.release()

    def exists(self, table: str) -> bool:
        schema.check_table_name(table)
        if not self.place.path.exists():
            return False
        self.meter.count("exists")
        with self._pool.lend() as raw:
            return self._pool.retry(lambda: schema.has_table(raw, table, self.place))

    def tables(self) -> list[str]:
        if not self.place.path.exists():
            return []
        self.meter.count("tables")
        with self._pool.lend() as raw:
            return self._pool.retry(lambda: schema.our_tables(raw))

    def inspect(self, table: str) -> list[Finding]:
        schema.check_table_name(table)
        self.meter.count("inspect")
        with self._pool.lend() as raw:
            return self._pool.retry(lambda: inspect.findings(raw, self.place, table), table)

    # --- writes ------------------------------------------------------------------------------------------------------

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        statements = self._statements.get(table) or self._of(table)
        if len(writes) > self.batch:
            chunks = (writes[start : start + self.batch] for start in range(0, len(writes), self.batch))
            return [outcome for chunk in chunks for outcome in self.apply(table, chunk)]
        if not writes:
            return []
        pool = self._pool
        self.meter.count("apply")
        try:
            connection, patience = pool.begin_write(table, len(writes) > 1)
        except StorageUnavailableError as error:
            return [Unknown(error)] * len(writes)
        try:
            return in_one_transaction(pool, connection.raw, statements, writes, patience)
        finally:
            pool.end_write(connection)

    def insert(self, table: str, rows: Sequence[Row]) -> list[Outcome]:
        if not any(is_typed(value) for row in rows for value in row.values()):
            return self.apply(table, [lifecycle.insert(row) for row in rows])
        self._of(table)
        patience = self._pool.begin_turn()
        try:
            with self._pool.lend(table) as raw:
                columns = copies.columns_of(raw, table)
                made = [copies.inward(row, columns) for row in rows]
                if any(copies.FOREIGN in row for row in made):
                    self._pool.retry(lambda: copies.add_column(raw, table), table, patience)
        finally:
            self._pool.lock.release()
        return self.apply(table, [lifecycle.insert(row) for row in made])

    def check_together(self, table: str, key: str, extra: Extra) -> None:
        if extra.transact and not extra.sql:
            raise ConfigError(
                "transact=[...] is for DynamoDB, and these tasks live in SQLite: give sql=[...] too, which this engine "
                "commits together with the task. Each engine takes its own."
            )
        together.check_steps(extra.sql)

    def apply_together(
        self, table: str, write: Write, extra: Extra, timeout_seconds: float | None = None
    ) -> TogetherOutcome:
        statements = self._of(table)
        self.check_together(table, write.key, extra)
        pool = self._pool
        self.meter.count("apply_together")
        try:
            patience = pool.begin_turn()
        except StorageUnavailableError as error:
            return Unknown(error)
        try:
            with pool.lend(table) as raw:
                return with_extra(pool, raw, statements, write, extra, timeout_seconds, patience)
        except StorageUnavailableError as error:
            return Unknown(error)
        finally:
            pool.lock.release()

    # --- reads -------------------------------------------------------------------------------------------------------

    def get(
        self, table: str, keys: Sequence[str], consistent: bool = True, attributes: Sequence[str] | None = None
    ) -> dict[str, Row]:
        statements = self._of(table)
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), _KEYS_PER_GET):
            chunk = wanted[start : start + _KEYS_PER_GET]
            for row in self._rows("get", table, statements.get(len(chunk), attributes), chunk):
                found[row["key"]] = only(row, attributes)
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
        attributes: Sequence[str] | None = None,
    ) -> Page:
        sql, values = self._of(table).page(partition, limit, after, newest_first, since, until, ready_ms, attributes)
        rows = self._rows("page", table, sql, values)
        if len(rows) <= limit:
            return Page(rows, None)
        del rows[limit:]
        return Page(rows, Cursor(rows[-1]["update_time"], rows[-1]["key"]))

    def count(self, table: str, partition: str, most: int | None = None) -> int:
        sql, values = self._of(table).count(partition, most)
        return int(self._rows("count", table, sql, values)[0]["n"])

    def scan(self, table: str, prefix: str = "", attributes: Sequence[str] | None = None) -> Iterator[Row]:
        statements = self._of(table)
        after: str | None = None
        while True:
            sql, values = statements.scan(after, prefix, _ROWS_PER_SCAN, attributes)
            rows = self._rows("scan", table, sql, values)
            for row in rows:
                yield only(row, attributes)
            if len(rows) < _ROWS_PER_SCAN:
                return
            after = rows[-1]["key"]

    def export(self, table: str) -> Iterator[Row]:
        return map(copies.outward, self.scan(table))

    def _rows(self, operation: str, table: str, sql: str, values: Sequence[Any]) -> list[Row]:
        self.meter.count(operation)
        with self._pool.lend(table) as raw:
            return self._pool.retry(lambda: fetch(raw, sql, values), table)

    # --- the rest ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        self._pool.close()

    def _of(self, table: str) -> Statements:
        statements = self._statements.get(table)
        if statements is None:
            schema.check_table_name(table)
            statements = self._statements[table] = Statements(table)
        return statements
