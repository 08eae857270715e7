"""What an engine must do, verb by verb; the contract suite (tests/engines/contract) holds every engine to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from statustrack.core.errors import StorageError
from statustrack.core.writes import Row, Write
from statustrack.engines.clock import Clock

# --- what comes of a write -------------------------------------------------------------------------------------------


class Applied(NamedTuple):
    """The write has landed, now or (its reply lost) before. ``row`` is the row after it; empty for a delete, and for a
    quiet write that landed just now (one that is recognised as landed before may come with the row as it is)."""

    row: Row


class Refused(NamedTuple):
    """The guard did not hold; nothing was changed. ``current`` is a hint, perhaps read later; None: no such row."""

    current: Row | None


class Unknown(NamedTuple):
    """The storage did not say (time-out, dropped connection, throttled to the end): it may have landed or not.

    The same write may be sent again: its guard refuses it, and its ``mine`` recognises it, if it had landed.
    """

    cause: StorageError


class Rejected(NamedTuple):
    """The storage refuses this content for ever (the row would be too large); nothing was changed."""

    reason: str


class ExtraFailed(NamedTuple):
    """``apply_together`` only: the user's own part failed (its condition, its SQL); nothing was changed at all."""

    error: Exception


def trouble(outcome: Unknown | Rejected) -> object:
    """What is the matter with a write that was neither applied nor refused, for messages."""
    return outcome.cause if isinstance(outcome, Unknown) else outcome.reason


Outcome = Applied | Refused | Unknown | Rejected
TogetherOutcome = Applied | Refused | Unknown | Rejected | ExtraFailed

# --- what is read ----------------------------------------------------------------------------------------------------


class Cursor(NamedTuple):
    """Where a page ended: the update_time (stored text) and key of its last row."""

    update_time: str
    key: str


class Page(NamedTuple):
    """Rows of one partition in order, and where to go on (None: the partition is read to its end)."""

    rows: list[Row]
    after: Cursor | None


SqlStep = str | tuple[str, Sequence[Any] | Mapping[str, Any]] | Callable[[Any], None]


@dataclass(frozen=True)
class Extra:
    """The user's own writes that commit together with a success; each engine takes the part that is its own.

    ``transact``: DynamoDB TransactItems (``{"Put": {...}}``, ``Update``, ``Delete``, ``ConditionCheck``) in the
    low-level form of boto3's client. ``sql``: statements, (statement, parameters) pairs, or functions of a cursor.
    """

    transact: tuple[dict[str, Any], ...] = ()
    sql: tuple[SqlStep, ...] = ()


@dataclass(frozen=True)
class TableOptions:
    """How a table is made. DynamoDB only: ``billing_mode`` is ``PAY_PER_REQUEST`` or ``PROVISIONED``; with ``expires``
    TTL is switched on for ``expire_at``, also on a table that is there (``ignore_ttl_errors``: or only logged)."""

    billing_mode: str = "PAY_PER_REQUEST"
    read_capacity_units: int | None = None
    write_capacity_units: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    expires: bool = False
    ignore_ttl_errors: bool = False


class Finding(NamedTuple):
    """One fact about a place or a table, for people.

    ``state``: good; note (worth knowing); warning; bad (it does not work as it is); absent (not offered here: an
    emulator, or an engine that has no such thing); unknown (we may not look). ``fix`` is what to do, as a command where
    there is one.
    """

    topic: str
    state: str
    says: str
    fix: str = ""


STATES = ("good", "note", "warning", "bad", "absent", "unknown")


class Meter:
    """How much an engine has been asked: requests (transactions, on SQLite), read and write units (DynamoDB)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.read_units = 0.0
        self.write_units = 0.0
        self.by_operation: dict[str, int] = {}

    def count(self, operation: str, requests: int = 1, read_units: float = 0.0, write_units: float = 0.0) -> None:
        """Add what one call has taken."""
        with self._lock:
            self.requests += requests
            if read_units or write_units:
                self.read_units += read_units
                self.write_units += write_units
            self.by_operation[operation] = self.by_operation.get(operation, 0) + requests


class Engine(Protocol):
    """A place where tables live. Safe to use from many threads at once, and after a fork.

    Every verb may raise ``TableNotFoundError`` (says where it looked and what to do), ``TableMismatchError``, and
    ``StorageError`` for what another try does not cure (no permission, no credentials); reads raise
    ``StorageUnavailableError`` when all their retries failed. Writes report that as ``Unknown``, one outcome each.
    """

    name: str  #: sqlite or dynamodb
    url: str  #: what opens it again, without secrets
    clock: Clock
    meter: Meter
    min_lease_seconds: float  #: shorter leases are refused: they could not be renewed in time
    page_is_full: bool  #: pages carry every attribute (else only those of the status index)
    batch: int  #: how many writes one request takes
    deletes_expired: bool  #: what is past its expire_at is deleted by the storage itself, where that is switched on
    parallel_reads: bool  #: reads wait on a network, so that several at once are quicker than one after the other

    # time
    def now(self) -> int:
        """Service time in microseconds since the epoch: the one clock that all users of this place share."""
        ...

    def margin_ms(self, lease_ms: int) -> int:
        """How much before its end a lease is over for its own holder."""
        ...

    def slack_ms(self, lease_ms: int) -> int:
        """How much after its end a lease is over for everybody else."""
        ...

    def uncertainty_ms(self) -> int:
        """By how much ``now`` of two users of this place may differ; a listing looks so much beyond its beginning."""
        ...

    # tables
    def create_table(self, table: str, options: TableOptions, wait: bool = True) -> bool:
        """Make the table (and, on SQLite, the file) unless it is there; True when it was made.
        Raises ``TableMismatchError`` for a table of that name that is not one of ours."""
        ...

    def drop_table(self, table: str) -> None:
        """Remove the table with everything in it."""
        ...

    def exists(self, table: str) -> bool:
        """Whether the table is there; makes nothing."""
        ...

    def tables(self) -> list[str]:
        """The names of the tables here that have our shape, sorted."""
        ...

    def inspect(self, table: str) -> list[Finding]:
        """What there is to say of the table and the place that it is in: keys, index, retention, backup, billing, room.

        Every engine says something to each of the topics ``keys``, ``index``, ``retention``, ``backup`` and
        ``billing``. A table of another shape is a finding, not an error; nothing is changed."""
        ...

    # writes
    def apply(self, table: str, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out independent conditional writes; one outcome each, in their order. Writes to one key keep their
        order.
        No atomicity over the list is promised, and none may be relied on."""
        ...

    def insert(self, table: str, rows: Sequence[Row]) -> list[Outcome]:
        """Put rows as :meth:`export` gives them, each where there is no such key; ``Refused`` where there is one. One
        outcome each, in their order."""
        ...

    def check_together(self, table: str, key: str, extra: Extra) -> None:
        """Raise the ``ConfigError`` that ``apply_together`` would raise for this extra; writes and sends nothing."""
        ...

    def apply_together(
        self, table: str, write: Write, extra: Extra, timeout_seconds: float | None = None
    ) -> TogetherOutcome:
        """Carry out one write and the user's own writes in one transaction: all or nothing.

        Raises ``ConfigError`` where the extra is not of this engine's kind, touches the task's own row, or is more than
        one transaction takes."""
        ...

    # reads
    def get(
        self, table: str, keys: Sequence[str], consistent: bool = True, attributes: Sequence[str] | None = None
    ) -> dict[str, Row]:
        """The rows of these keys; a key without a row is not in the answer. Any number of keys, each once or more."""
        ...

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
        """Up to ``limit`` rows whose ``value`` is ``partition``, ordered by update_time (ties in an order of the
        engine's own, the same at every call), from after a cursor.

        ``since`` and ``until`` bound update_time (stored text, both inclusive); ``ready_ms`` leaves out rows whose
        ``ready_at`` is later. A page may have fewer rows than ``limit`` (even none) and yet an ``after``. With
        ``attributes`` rows have these, key and update_time alone: much cheaper where many rows are only passed over."""
        ...

    def count(self, table: str, partition: str, most: int | None = None) -> int:
        """How many rows have this ``value``; stops counting beyond ``most``."""
        ...

    def scan(self, table: str, prefix: str = "", attributes: Sequence[str] | None = None) -> Iterator[Row]:
        """Every row whose key begins with ``prefix``, in no order, read in pages."""
        ...

    def export(self, table: str) -> Iterator[Row]:
        """Every row whole, in no order: also with the attributes that the library does not know, each as a typed value
        of ``core.foreign``."""
        ...

    def close(self) -> None:
        """Give back connections and files; the engine opens them again when it is used again."""
        ...
