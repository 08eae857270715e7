"""TrackerConfig: the status codes, shards, retries and lease of one step, checked when it is made."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from statustrack.core.errors import ConfigError
from statustrack.core.limits import KEY_BYTES, LONGEST_DELAY_SECONDS
from statustrack.core.sharding import shard_of
from statustrack.core.status import STATUS_NAMES, BaseStatusEnum

#: The use case under which the table's own directory is stored; users cannot take it.
RESERVED_USE_CASE = "__statustrack__"
#: The separator that pynamodb_mate and this library use unless told otherwise.
DEFAULT_SEP = "____"
#: Where the directory is, whatever separator a use case has: a reader of a foreign table knows only this.
DIRECTORY_KEY = f"{RESERVED_USE_CASE}{DEFAULT_SEP}directory"

#: With a worker, ``retry_delay_seconds=None`` means this (a plain ``start()`` retries at once, as the original does).
WORKER_RETRY_DELAY_SECONDS = 5.0
DEFAULT_RETRY_BACKOFF = 2.0
DEFAULT_RETRY_MAX_DELAY_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class TrackerConfig:
    """The configuration of one step. Use :meth:`make`, which checks it; do not call the constructor."""

    use_case_id: str
    sep: str
    status_zero_pad: int
    status_shard_zero_pad: int
    max_retry: int
    lock_expire_seconds: float
    pending_status: int
    in_progress_status: int
    failed_status: int
    succeeded_status: int
    ignored_status: int
    n_pending_shard: int
    n_in_progress_shard: int
    n_failed_shard: int
    n_succeeded_shard: int
    n_ignored_shard: int
    more_pending_status: list[int]
    traceback_stack_limit: int
    status_enum: type[BaseStatusEnum]
    status_shards: dict[int, int]
    retry_delay_seconds: float | None = None
    retry_backoff: float = DEFAULT_RETRY_BACKOFF
    retry_max_delay_seconds: float = DEFAULT_RETRY_MAX_DELAY_SECONDS
    keep_succeeded_seconds: float | None = None
    keep_ignored_seconds: float | None = None
    #: Partitions named before: every transition names one, and formatting it costs more than looking it up.
    _partitions: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def make(
        cls,
        use_case_id: str,
        pending_status: int | None = None,
        in_progress_status: int | None = None,
        failed_status: int | None = None,
        succeeded_status: int | None = None,
        ignored_status: int | None = None,
        n_pending_shard: int = 1,
        n_in_progress_shard: int = 1,
        n_failed_shard: int = 1,
        n_succeeded_shard: int = 1,
        n_ignored_shard: int = 1,
        more_pending_status: int | Sequence[int] | None = None,
        sep: str = DEFAULT_SEP,
        status_zero_pad: int = 3,
        status_shard_zero_pad: int = 3,
        max_retry: int = 3,
        lock_expire_seconds: float = 300,
        traceback_stack_limit: int = 10,
        *,
        status: type[BaseStatusEnum] | None = None,
        retry_delay_seconds: float | None = None,
        retry_backoff: float = DEFAULT_RETRY_BACKOFF,
        retry_max_delay_seconds: float = DEFAULT_RETRY_MAX_DELAY_SECONDS,
        keep_succeeded_seconds: float | None = None,
        keep_ignored_seconds: float | None = None,
    ) -> TrackerConfig:
        """Make and check the configuration of a step.

        :param use_case_id: the family of tasks; several share one table.
        :param pending_status: the stored integer of each state; give the five codes, or ``status``.
        :param status: a :class:`BaseStatusEnum` with the five states, instead of the five codes.
        :param n_pending_shard: over how many index partitions the tasks of this status are spread (1 to what
            ``status_shard_zero_pad`` can hold). Can be changed later: nothing is lost.
        :param more_pending_status: further codes that this step may claim (a failed or ignored code of another step).
            Its own ``in_progress`` code here means that crashed tasks are taken over, which happens anyway.
        :param sep: between the parts of the stored keys.
        :param status_zero_pad: digits of the stored status code.
        :param status_shard_zero_pad: digits of the stored shard number.
        :param max_retry: a task that fails this many times in a row is ignored.
        :param lock_expire_seconds: the lease, renewed while the block runs: how soon a crashed worker's task is free.
        :param traceback_stack_limit: frames of a traceback that are kept.
        :param retry_delay_seconds: how long a failed task waits before it can be claimed again; doubled
            (``retry_backoff``) with every failure up to ``retry_max_delay_seconds``, with full jitter. None: no wait.
        :param keep_succeeded_seconds: retention of tasks that have succeeded in their last step (None: for ever).
        :param keep_ignored_seconds: the same for ignored tasks.
        :raises ConfigError: names the value, the rule, and what to do.
        """
        given = (pending_status, in_progress_status, failed_status, succeeded_status, ignored_status)
        _check_use_case(use_case_id, sep)
        codes, enum_class = _codes(use_case_id, given, status)
        _check_pad("status_zero_pad", status_zero_pad)
        _check_pad("status_shard_zero_pad", status_shard_zero_pad)
        for name, code in zip(STATUS_NAMES, codes, strict=True):
            _check_code(f"{name}_status", code, status_zero_pad)
        if len(set(codes)) != 5:
            raise ConfigError(
                f"status code should be unique: {dict(zip(STATUS_NAMES, codes, strict=True))} of use case "
                f"{use_case_id!r} uses one code twice. Give each of the five states its own integer."
            )
        shards = (n_pending_shard, n_in_progress_shard, n_failed_shard, n_succeeded_shard, n_ignored_shard)
        for name, count in zip(STATUS_NAMES, shards, strict=True):
            _check_shards(f"n_{name}_shard", count, status_shard_zero_pad)
        if more_pending_status is None:
            more: list[int] = []
        elif isinstance(more_pending_status, int):
            more = [int(more_pending_status)]
        else:
            more = [int(code) for code in more_pending_status]
        for code in more:
            _check_code("more_pending_status", code, status_zero_pad)
        _check_int("max_retry", max_retry, 1, 1_000_000)
        _check_int("traceback_stack_limit", traceback_stack_limit, 0, 1000)
        _check_seconds("lock_expire_seconds", lock_expire_seconds, 1, LONGEST_DELAY_SECONDS)
        if retry_delay_seconds is not None:
            _check_seconds("retry_delay_seconds", retry_delay_seconds, 0, LONGEST_DELAY_SECONDS)
        _check_seconds("retry_backoff", retry_backoff, 1, 1000)
        _check_seconds("retry_max_delay_seconds", retry_max_delay_seconds, 0, LONGEST_DELAY_SECONDS)
        for name, keep in (
            ("keep_succeeded_seconds", keep_succeeded_seconds),
            ("keep_ignored_seconds", keep_ignored_seconds),
        ):
            if keep is not None:
                _check_seconds(name, keep, 1, 100 * LONGEST_DELAY_SECONDS)
        return cls(
            use_case_id=use_case_id,
            sep=sep,
            status_zero_pad=status_zero_pad,
            status_shard_zero_pad=status_shard_zero_pad,
            max_retry=max_retry,
            lock_expire_seconds=lock_expire_seconds,
            pending_status=codes[0],
            in_progress_status=codes[1],
            failed_status=codes[2],
            succeeded_status=codes[3],
            ignored_status=codes[4],
            n_pending_shard=n_pending_shard,
            n_in_progress_shard=n_in_progress_shard,
            n_failed_shard=n_failed_shard,
            n_succeeded_shard=n_succeeded_shard,
            n_ignored_shard=n_ignored_shard,
            more_pending_status=more,
            traceback_stack_limit=traceback_stack_limit,
            status_enum=enum_class,
            status_shards=dict(zip(codes, shards, strict=True)),
            retry_delay_seconds=retry_delay_seconds,
            retry_backoff=retry_backoff,
            retry_max_delay_seconds=retry_max_delay_seconds,
            keep_succeeded_seconds=keep_succeeded_seconds,
            keep_ignored_seconds=keep_ignored_seconds,
        )

    @property
    def codes(self) -> tuple[int, int, int, int, int]:
        """The five codes: pending, in_progress, failed, succeeded, ignored."""
        return (
            self.pending_status,
            self.in_progress_status,
            self.failed_status,
            self.succeeded_status,
            self.ignored_status,
        )

    @functools.cached_property
    def lease_ms(self) -> int:
        """The lease in milliseconds."""
        return int(self.lock_expire_seconds * 1000)

    @functools.cached_property
    def claimable(self) -> tuple[int, ...]:
        """The status codes that a claim may start from."""
        return self.claimable_with(self.more_pending_status)

    def claimable_with(self, more_pending: Iterable[int]) -> tuple[int, ...]:
        """The same with other codes of other steps; the step's own in_progress among them means take-over, not
        claim."""
        codes = dict.fromkeys((self.pending_status, self.failed_status, *more_pending))
        codes.pop(self.in_progress_status, None)
        return tuple(codes)

    def name_of(self, status: int) -> str | None:
        """The state's name of one of the five codes, else None."""
        for name, code in zip(STATUS_NAMES, self.codes, strict=True):
            if code == status:
                return name
        return None

    def key(self, task_id: str, use_case_id: str | None = None) -> str:
        """The stored key of a task id."""
        return f"{self.use_case_id if use_case_id is None else use_case_id}{self.sep}{task_id}"

    def partition(self, status: int, shard: int, use_case_id: str | None = None) -> str:
        """The stored ``value`` (the hash key of the status index) of a status code and a shard."""
        use_case = self.use_case_id if use_case_id is None else use_case_id
        return f"{use_case}{self.sep}{status:0{self.status_zero_pad}d}{self.sep}{shard:0{self.status_shard_zero_pad}d}"

    def value(self, key: str, status: int) -> str:
        """The ``value`` of a task in one of this step's own states: its key decides the shard."""
        shards = self.status_shards.get(status, 1)
        place = (status, shard_of(key, shards) if shards > 1 else 1)
        found = self._partitions.get(place)
        if found is None:
            found = self._partitions[place] = self.partition(*place)
        return found

    def status_of_value(self, value: str | None) -> int | None:
        """The status code inside a stored ``value``, None where it has another form."""
        parts = (value or "").rsplit(self.sep, 2)
        return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None


def check_key(key: str, task_id: Any) -> None:
    """Refuse a task id that cannot be stored. Raises ``ConfigError``."""
    if not isinstance(task_id, str):
        raise ConfigError(f"task_id {task_id!r} is a {type(task_id).__name__}: it must be a str, for example str(id).")
    if not task_id:
        raise ConfigError("task_id is empty: every task needs an id of its own.")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ConfigError(f"task_id {task_id!r} has half a surrogate pair: it cannot be written as UTF-8.") from None
    if size > KEY_BYTES:
        raise ConfigError(
            f"task_id {task_id[:40]!r}... makes a key of {size} bytes: the limit is {KEY_BYTES}. "
            "Use a shorter id (a hash of the long one, say) and keep the long one in the data."
        )


def check_use_case(use_case_id: Any, sep: str) -> None:
    """Refuse a use case id that cannot be told from its task ids. Raises ``ConfigError``."""
    _check_use_case(use_case_id, sep)


def _check_use_case(use_case_id: Any, sep: Any) -> None:
    if not isinstance(sep, str) or not sep:
        raise ConfigError(f"sep {sep!r} must be a text that is not empty, for example '____'.")
    if not isinstance(use_case_id, str):
        raise ConfigError(f"use_case_id {use_case_id!r} is a {type(use_case_id).__name__}: it must be a str.")
    if not use_case_id:
        raise ConfigError("use_case_id is empty: give the family of tasks a name.")
    if use_case_id == RESERVED_USE_CASE:
        raise ConfigError(f"use_case_id {use_case_id!r} is reserved for the table's own directory: choose another.")
    # 'a_' + '____' + '1' and 'a' + '____' + '_1' would be the same key: the first separator must be the real one.
    if (use_case_id + sep).find(sep) != len(use_case_id):
        raise ConfigError(
            f"use_case_id {use_case_id!r} contains, or runs into, the separator {sep!r}: its tasks could not be told "
            "from those of another use case. Choose another use_case_id, or another sep."
        )
    try:
        size = len(use_case_id.encode())
    except UnicodeEncodeError:
        raise ConfigError(f"use_case_id {use_case_id!r} cannot be written as UTF-8.") from None
    if size > 512:
        raise ConfigError(f"use_case_id {use_case_id[:40]!r}... has {size} bytes: the limit is 512.")


def _codes(
    use_case_id: str, given: tuple[int | None, ...], status: type[BaseStatusEnum] | None
) -> tuple[tuple[int, ...], type[BaseStatusEnum]]:
    if status is not None:
        if any(code is not None for code in given):
            raise ConfigError(f"use case {use_case_id!r}: give either status=... or the five codes, not both.")
        members = getattr(status, "__members__", {})
        missing = [name for name in STATUS_NAMES if name not in members]
        if missing:
            raise ConfigError(
                f"status={getattr(status, '__name__', status)!r} of use case {use_case_id!r} lacks {missing}: it "
                f"needs the "
                f"five members {list(STATUS_NAMES)}."
            )
        return tuple(int(members[name].value) for name in STATUS_NAMES), status
    missing = [f"{name}_status" for name, code in zip(STATUS_NAMES, given, strict=True) if code is None]
    if missing:
        raise ConfigError(f"use case {use_case_id!r} lacks {missing}: give the five codes, or status=YourStatusEnum.")
    codes: list[int] = []
    for name, code in zip(STATUS_NAMES, given, strict=True):
        _check_int(f"{name}_status", code, 0, 10**9)
        assert code is not None
        codes.append(int(code))
    if len(set(codes)) != 5:  # an enum would make aliases of them; the caller words the error
        return tuple(codes), BaseStatusEnum
    make_enum: Any = BaseStatusEnum  # the functional form, which mypy does not see through
    enum_class: type[BaseStatusEnum] = make_enum("StatusEnum", dict(zip(STATUS_NAMES, codes, strict=True)))
    return tuple(codes), enum_class


def _check_int(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name}={value!r} must be a whole number.")
    if not least <= value <= most:
        raise ConfigError(f"{name}={value!r} must be between {least} and {most}.")


def _check_pad(name: str, value: Any) -> None:
    _check_int(name, value, 1, 9)


def _check_code(name: str, code: Any, pad: int) -> None:
    _check_int(name, code, 0, 10**9)
    if code >= 10**pad:
        raise ConfigError(
            f"{name}={code} has more digits than status_zero_pad={pad}: codes would no longer sort. "
            f"Use a code below {10**pad}, or a larger status_zero_pad (for a new table)."
        )


def _check_shards(name: str, count: Any, pad: int) -> None:
    _check_int(name, count, 1, 10**9)
    if count >= 10**pad:
        raise ConfigError(f"{name}={count} has more digits than status_shard_zero_pad={pad}: use fewer shards.")


def _check_seconds(name: str, value: Any, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{name}={value!r} must be a finite number.")
    if not least <= value <= most:
        raise ConfigError(f"{name}={value!r} must be between {least} and {most}.")
