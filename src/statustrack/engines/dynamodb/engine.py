"""The DynamoDB engine: the verbs of the engine protocol, each carried out by the module that knows how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from statustrack.core import lifecycle
from statustrack.core.errors import ConfigError, TableMismatchError
from statustrack.core.writes import Row, Write
from statustrack.engines.clock import Clock, SystemClock
from statustrack.engines.dynamodb import inspect, reads, transactions
from statustrack.engines.dynamodb import table as tables
from statustrack.engines.dynamodb.batches import STATEMENTS_PER_REQUEST, Batches
from statustrack.engines.dynamodb.clock import ServiceTime
from statustrack.engines.dynamodb.connection import Connection
from statustrack.engines.dynamodb.items import to_whole_row
from statustrack.engines.dynamodb.single import write_one
from statustrack.engines.protocol import Cursor, Extra, Finding, Meter, Outcome, Page, TableOptions, TogetherOutcome

T = TypeVar("T")


class DynamoEngine:
    """Tables in one region (or behind one endpoint) of DynamoDB, as one AWS profile sees them.

    Making one touches no network: credentials, region and endpoint are looked up at the first call, by boto3's rules.

    :param region: None takes boto3's (AWS_DEFAULT_REGION, the profile).
    :param endpoint: a URL, for DynamoDB Local and the like; None takes boto3's (AWS_ENDPOINT_URL_DYNAMODB, the region).
    :param clock: for tests; service time is then this clock's wall time, unless ``learn_offset`` says otherwise.
    :param learn_offset: whether service time follows the ``Date`` headers of replies.
    """

    name = "dynamodb"
    min_lease_seconds = 2.0
    page_is_full = False
    deletes_expired = True
    parallel_reads = True
    batch = STATEMENTS_PER_REQUEST

    def __init__(
        self,
        region: str | None,
        endpoint: str | None = None,
        profile: str | None = None,
        url: str | None = None,
        clock: Clock | None = None,
        learn_offset: bool | None = None,
    ) -> None:
        self.url = url or _url(region, endpoint, profile)
        self.clock: Clock = SystemClock() if clock is None else clock
        self.time = ServiceTime(self.clock, learn=clock is None if learn_offset is None else learn_offset)
        self.connection = Connection(region, endpoint, profile, self.time)
        self.batches = Batches(self.connection)

    def __repr__(self) -> str:
        return f"DynamoEngine({self.url!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot be pickled: it holds connections. Send its url, and open it there.")

    @property
    def meter(self) -> Meter:
        """What this process has asked for; a forked child begins at nothing."""
        return self.connection.meter

    @meter.setter
    def meter(self, meter: Meter) -> None:
        self.connection.meter = meter

    # time

    def now(self) -> int:
        """Service time in microseconds since the epoch; the very first call may ask the service."""
        return self.time.now(self._hear)

    def margin_ms(self, lease_ms: int) -> int:
        """How much before its end a lease is over for its own holder."""
        return self.time.margin_ms(lease_ms)

    def slack_ms(self, lease_ms: int) -> int:
        """How much after its end a lease is over for everybody else."""
        return self.time.slack_ms(lease_ms)

    def uncertainty_ms(self) -> int:
        """By how much ``now`` of two users of this place may differ."""
        return -(-2 * self.time.uncertainty() // 1000)

    # tables

    def create_table(self, table: str, options: TableOptions | None = None, wait: bool = True) -> bool:
        """Make the table unless it is there; True when it was made. ``wait``: until it and its index can be used."""
        return tables.create(self.connection, table, options or TableOptions(), wait)

    def drop_table(self, table: str) -> None:
        """Remove the table with everything in it; returns when it is gone."""
        tables.drop(self.connection, table)

    def exists(self, table: str) -> bool:
        """Whether the table is there; makes nothing."""
        return tables.exists(self.connection, table)

    def tables(self) -> list[str]:
        """The names of the tables here that have our shape, sorted."""
        return tables.ours(self.connection)

    def inspect(self, table: str) -> list[Finding]:
        """What there is to say of the table: keys, index, billing, TTL, point-in-time recovery, protection, size."""
        return inspect.findings(self.connection, table)

    # writes

    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out independent conditional writes: one by UpdateItem, PutItem or DeleteItem; many in batches."""
        if not writes:
            return []
        if len(writes) == 1:
            return self._explained(table, lambda: [write_one(self.connection, table, writes[0])])
        return self._explained(table, lambda: self.batches.apply(table, writes))

    def insert(self, table: str, rows: Sequence[Row]) -> list[Outcome]:
        """Put whole rows where there is no such key."""
        return self.apply(table, [lifecycle.insert(row) for row in rows])

    def apply_together(
        self, table: str, write: Write, extra: Extra, timeout_seconds: float | None = None
    ) -> TogetherOutcome:
        """Carry out one write and ``extra.transact`` in one TransactWriteItems (``extra.sql`` is for other engines)."""
        return self._explained(
            table, lambda: transactions.write_together(self.connection, table, write, extra, timeout_seconds)
        )

    def check_together(self, table: str, key: str, extra: Extra) -> None:
        """Raise the ``ConfigError`` that ``apply_together`` would; changes and sends nothing."""
        transactions.check(self.connection, table, key, extra)

    # reads

    def get(
        self, table: str, keys: Sequence[str], consistent: bool = True, attributes: Sequence[str] | None = None
    ) -> dict[str, Row]:
        """The rows of these keys; ``key`` is in each, whatever the attributes."""
        return self._explained(table, lambda: reads.get(self.connection, table, keys, consistent, attributes))

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
        """Up to ``limit`` rows of a partition, by update_time, with what the status index carries or these of it."""
        return self._explained(
            table,
            lambda: reads.page(
                self.connection,
                table,
                partition,
                limit=limit,
                after=after,
                newest_first=newest_first,
                since=since,
                until=until,
                ready_ms=ready_ms,
                attributes=attributes,
            ),
        )

    def count(self, table: str, partition: str, most: int | None = None) -> int:
        """How many rows have this ``value``; stops counting beyond ``most``."""
        return self._explained(table, lambda: reads.count(self.connection, table, partition, most))

    def scan(self, table: str, prefix: str = "", attributes: Sequence[str] | None = None) -> Iterator[Row]:
        """Every row whose key begins with ``prefix``, in no order. Reads, and is billed for, the whole table."""
        return reads.scan(self.connection, table, prefix, attributes)

    def export(self, table: str) -> Iterator[Row]:
        """Every row whole, with the attributes that the library does not know as typed values."""
        return reads.scan(self.connection, table, make=to_whole_row)

    def close(self) -> None:
        """Give back connections and threads; they are made anew when the engine is used again."""
        self.connection.close()

    def _explained(self, table: str, act: Callable[[], T]) -> T:
        try:
            return act()
        except TableMismatchError as error:
            raise tables.explain_mismatch(self.connection, table, error) from error

    def _hear(self) -> None:
        """Any reply has a date, also that of a refusal; this request is small and reads no table."""
        try:
            self.connection.ask("list_tables", Limit=1)
        except Exception:
            if not self.time.known():
                raise


def _url(region: str | None, endpoint: str | None, profile: str | None) -> str:
    options = {name: value for name, value in (("endpoint", endpoint), ("profile", profile)) if value}
    if region is None and endpoint is None:
        raise ConfigError("a DynamoDB engine needs a region: dynamodb://us-east-1, or Meta.region.")
    return f"dynamodb://{quote(region or '')}" + (f"?{urlencode(options)}" if options else "")
