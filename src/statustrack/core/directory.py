"""The directory of a table: which use cases and steps live in it, and over how many shards their statuses were ever
spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from statustrack.core.config import DIRECTORY_KEY, TrackerConfig
from statustrack.core.errors import ConfigError
from statustrack.core.payload import decode, encode
from statustrack.core.record import NO_ERRORS, NOT_LOCKED
from statustrack.core.status import STATUS_NAMES
from statustrack.core.times import EPOCH_TEXT, to_text
from statustrack.core.writes import Clause, Comparison, Row, Write

#: The roles in which two different steps of one use case may meet on one code.
_MAY_MEET = {
    frozenset(("succeeded", "pending")),
    frozenset(("succeeded", "more_pending")),
    frozenset(("failed", "more_pending")),
    frozenset(("ignored", "more_pending")),
    frozenset(("more_pending",)),
}
#: What a step may change from one deployment to the next.
_MAY_CHANGE = (
    "label", "max_retry", "lock_expire_seconds", "retry_delay_seconds", "more_pending", "keep_succeeded_seconds",
    "keep_ignored_seconds",
)  # fmt: skip


@dataclass
class StepEntry:
    """One step: known by its five codes; the label is the class name last seen."""

    codes: tuple[int, ...]
    label: str = ""
    max_retry: int = 3
    lock_expire_seconds: float = 300.0
    retry_delay_seconds: float | None = None
    more_pending: tuple[int, ...] = ()
    keep_succeeded_seconds: float | None = None
    keep_ignored_seconds: float | None = None

    def roles(self) -> Iterator[tuple[int, str]]:
        """Every code with the role that it has here."""
        yield from zip(self.codes, STATUS_NAMES, strict=True)
        yield from ((code, "more_pending") for code in self.more_pending if code not in self.codes)


@dataclass
class UseCaseEntry:
    """One use case: how its keys are written, its steps, and the largest shard count ever used for each status."""

    sep: str
    status_pad: int
    shard_pad: int
    steps: dict[str, StepEntry] = field(default_factory=dict)
    shards: dict[int, int] = field(default_factory=dict)

    def partition(self, use_case_id: str, status: int, shard: int) -> str:
        """The stored ``value`` of a status and shard."""
        return f"{use_case_id}{self.sep}{status:0{self.status_pad}d}{self.sep}{shard:0{self.shard_pad}d}"

    def goes_on(self, status: int) -> bool:
        """Whether some step claims tasks of this status (so that retention must not take them)."""
        return any(status == step.codes[0] or status in step.more_pending for step in self.steps.values())


@dataclass
class Directory:
    """All use cases of a table. ``complete`` is false for a table that others wrote to before the directory was made:
    then shards may be missing until ``init --adopt`` has looked at every row."""

    use_cases: dict[str, UseCaseEntry] = field(default_factory=dict)
    complete: bool = False
    version: int = 0

    def shards(self, use_case_id: str, status: int) -> int:
        """The largest shard count known for a status; 0 where nothing is known."""
        entry = self.use_cases.get(use_case_id)
        return entry.shards.get(status, 0) if entry else 0


def step_id(codes: tuple[int, ...]) -> str:
    """The name under which a step is listed."""
    return ".".join(str(code) for code in codes)


def parse(row: Row | None) -> Directory | None:
    """The directory in its row; None where there is none."""
    if row is None:
        return None
    raw = decode(row.get("data"), {})
    directory = Directory(complete=bool(raw.get("complete")), version=int(row.get("attempt") or 0))
    for name, use_case in raw.get("use_cases", {}).items():
        entry = UseCaseEntry(use_case["sep"], use_case["status_pad"], use_case["shard_pad"])
        entry.shards = {int(code): int(count) for code, count in use_case.get("shards", {}).items()}
        for key, step in use_case.get("steps", {}).items():
            entry.steps[key] = StepEntry(
                codes=tuple(int(code) for code in key.split(".")),
                label=step.get("label", ""),
                max_retry=step.get("max_retry", 3),
                lock_expire_seconds=step.get("lease", 300.0),
                retry_delay_seconds=step.get("retry_delay"),
                more_pending=tuple(step.get("more_pending", ())),
                keep_succeeded_seconds=step.get("keep_succeeded"),
                keep_ignored_seconds=step.get("keep_ignored"),
            )
        directory.use_cases[name] = entry
    return directory


def to_json(directory: Directory) -> str:
    """The stored text of a directory."""
    use_cases: dict[str, Any] = {}
    for name, entry in sorted(directory.use_cases.items()):
        use_cases[name] = {
            "sep": entry.sep,
            "status_pad": entry.status_pad,
            "shard_pad": entry.shard_pad,
            "shards": {str(code): count for code, count in sorted(entry.shards.items())},
            "steps": {
                key: {
                    "label": step.label,
                    "max_retry": step.max_retry,
                    "lease": step.lock_expire_seconds,
                    "retry_delay": step.retry_delay_seconds,
                    "more_pending": list(step.more_pending),
                    **_keeps(step),
                }
                for key, step in sorted(entry.steps.items())
            },
        }
    return encode({"complete": directory.complete, "use_cases": use_cases})


def _keeps(step: StepEntry) -> dict[str, float]:
    keeps = {"keep_succeeded": step.keep_succeeded_seconds, "keep_ignored": step.keep_ignored_seconds}
    return {name: seconds for name, seconds in keeps.items() if seconds is not None}


def entry_of(config: TrackerConfig, label: str) -> StepEntry:
    """A step as its configuration describes it."""
    return StepEntry(
        codes=config.codes,
        label=label,
        max_retry=config.max_retry,
        lock_expire_seconds=config.lock_expire_seconds,
        retry_delay_seconds=config.retry_delay_seconds,
        more_pending=tuple(code for code in config.more_pending_status if code != config.in_progress_status),
        keep_succeeded_seconds=config.keep_succeeded_seconds,
        keep_ignored_seconds=config.keep_ignored_seconds,
    )


def register(directory: Directory, config: TrackerConfig, label: str) -> tuple[bool, list[str]]:
    """Put a step into the directory: counts are merged by max, never lowered.

    :returns: whether the directory changed, and the differences that are worth a log line.
    :raises ConfigError: another separator or zero pad for a known use case, or a status code with two meanings.
    """
    entry = directory.use_cases.get(config.use_case_id)
    changed = entry is None
    if entry is None:
        entry = directory.use_cases[config.use_case_id] = UseCaseEntry(
            config.sep, config.status_zero_pad, config.status_shard_zero_pad
        )
    for name, have, want in (
        ("sep", entry.sep, config.sep),
        ("status_zero_pad", entry.status_pad, config.status_zero_pad),
        ("status_shard_zero_pad", entry.shard_pad, config.status_shard_zero_pad),
    ):
        if have != want:
            raise ConfigError(
                f"{name}={want!r} of {label} ({config.use_case_id!r}): this table holds the use case with "
                f"{name}={have!r}, so its "
                f"tasks would not be found. Use {name}={have!r}, or another use_case_id or table."
            )
    mine, key = entry_of(config, label), step_id(config.codes)
    for other_key, other in entry.steps.items():
        if other_key != key:
            _check_apart(config.use_case_id, mine, other)
    differences: list[str] = []
    known = entry.steps.get(key)
    if known is None:
        entry.steps[key] = mine
        changed = True
    else:
        for name in _MAY_CHANGE:
            if getattr(known, name) != getattr(mine, name):
                differences.append(f"{name} was {getattr(known, name)!r} and is {getattr(mine, name)!r}")
        if differences:
            entry.steps[key] = mine
            changed = True
    for status, count in config.status_shards.items():
        if entry.shards.get(status, 0) < count:
            entry.shards[status] = count
            changed = True
    return changed, differences


def expiring_before(entry: UseCaseEntry, codes: tuple[int, ...]) -> list[str]:
    """The steps (labels) whose retention may have marked tasks that the step with these codes now waits for: they ended
    before anybody knew that a step goes on from there."""
    mine = entry.steps[step_id(codes)]
    waits_for = {mine.codes[0], *mine.more_pending}
    return [
        step.label or step_id(step.codes)
        for key, step in sorted(entry.steps.items())
        if key != step_id(codes)
        and (
            (step.keep_succeeded_seconds is not None and step.codes[3] in waits_for)
            or (step.keep_ignored_seconds is not None and step.codes[4] in waits_for)
        )
    ]


def _check_apart(use_case_id: str, mine: StepEntry, other: StepEntry) -> None:
    theirs: dict[int, list[str]] = {}
    for code, role in other.roles():
        theirs.setdefault(code, []).append(role)
    for code, role in mine.roles():
        for their_role in theirs.get(code, ()):
            if frozenset((role, their_role)) not in _MAY_MEET:
                raise ConfigError(
                    f"status code {code} of use case {use_case_id!r} would have two meanings: {role} of "
                    f"{mine.label or mine.codes} and "
                    f"{their_role} of {other.label or other.codes} {other.codes}. Only the succeeded code of one "
                    f"step may be the pending "
                    "code of another (or one of its more_pending_status, as may a failed or ignored code). Give the "
                    "steps codes "
                    f"of their own; if {other.label or 'the other step'} is gone for good, remove it: "
                    f"Task.forget_step({use_case_id!r}, {other.codes})."
                )


def observe(directory: Directory, use_case_id: str, entry: UseCaseEntry, status: int, shard: int) -> None:
    """Note that a row of this status was seen in this shard (adopting a table that others wrote)."""
    known = directory.use_cases.setdefault(use_case_id, UseCaseEntry(entry.sep, entry.status_pad, entry.shard_pad))
    known.shards[status] = max(known.shards.get(status, 0), shard)


def merge(directory: Directory, other: Directory) -> bool:
    """Take in the use cases, steps and shard counts of another directory; what is here already stays. True when
    something changed.

    :raises ConfigError: a use case is written in another way here, or a status code would have two meanings.
    """
    changed = False
    for name, theirs in other.use_cases.items():
        mine = directory.use_cases.get(name)
        if mine is None:
            changed = True
            mine = directory.use_cases[name] = UseCaseEntry(theirs.sep, theirs.status_pad, theirs.shard_pad)
        for what in ("sep", "status_pad", "shard_pad"):
            if getattr(mine, what) != getattr(theirs, what):
                raise ConfigError(
                    f"use case {name!r} has {what}={getattr(theirs, what)!r} there and {getattr(mine, what)!r} here: "
                    "its tasks would not be found. Use another table."
                )
        for key, step in theirs.steps.items():
            if key not in mine.steps:
                for known in mine.steps.values():
                    _check_apart(name, step, known)
                mine.steps[key] = step
                changed = True
        for status, count in theirs.shards.items():
            if mine.shards.get(status, 0) < count:
                mine.shards[status] = count
                changed = True
    return changed


def write(directory: Directory, now: int, known_version: int | None) -> Write:
    """The write that stores a directory: a compare-and-set on its version (``attempt``); None: it is not there yet."""
    data = to_json(directory)
    version = (known_version or 0) + 1
    text = to_text(now)
    if known_version is None:
        # Shaped like a task, so that other readers of the table survive it; without ``value``, so in no index.
        row: Row = {
            "key": DIRECTORY_KEY,
            "status": 0,
            "create_time": text,
            "update_time": text,
            "retry": 0,
            "lock": NOT_LOCKED,
            "lock_time": EPOCH_TEXT,
            "data": data,
            "errors": NO_ERRORS,
            "attempt": version,
        }
        guard = (Clause("no such key", (Comparison("key", "absent"),)),)
        return Write("directory", DIRECTORY_KEY, guard, set=row, kind="put", mine=lambda row: row.get("data") == data)
    same = Clause("version as observed", (Comparison("attempt", "=", known_version),))
    return Write(
        "directory",
        DIRECTORY_KEY,
        (same,),
        set={"data": data, "update_time": text, "attempt": version},
        mine=lambda row: row.get("data") == data,
    )
