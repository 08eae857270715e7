"""The directory of a table, read and written: which shards a query must ask, which steps may write."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from statustrack.core import directory as core
from statustrack.core.config import DEFAULT_SEP, DIRECTORY_KEY, RESERVED_USE_CASE, TrackerConfig
from statustrack.core.errors import StorageUnavailableError
from statustrack.engines.protocol import Applied, Engine, Refused, trouble

logger = logging.getLogger("statustrack")

_lock = threading.Lock()
_by_engine: weakref.WeakKeyDictionary[Engine, dict[str, TableDirectory]] = weakref.WeakKeyDictionary()


def directory_of(engine: Engine, table: str) -> TableDirectory:
    """The one directory object of a table in this process."""
    tables = _by_engine.get(engine)
    if tables is None:
        with _lock:
            tables = _by_engine.setdefault(engine, {})
    found = tables.get(table)
    if found is None:
        with _lock:
            found = tables.setdefault(table, TableDirectory(engine, table))
    return found


class TableDirectory:
    """Reads and writes the directory item of one table."""

    def __init__(self, engine: Engine, table: str) -> None:
        self._engine_ref = weakref.ref(engine)
        self.table = table
        self._registered: set[int] = set()
        self._kept: list[TrackerConfig] = []  # so that no id() in _registered is ever used again
        self._lock = threading.Lock()
        self._copy: core.Directory | None = None
        self._copied_at = 0
        self._warned = False
        self._made_here = False

    @property
    def engine(self) -> Engine:
        engine = self._engine_ref()
        assert engine is not None, "the directory is reached through its engine"
        return engine

    def ensure(self, config: TrackerConfig, label: str) -> None:
        """Make sure that the directory knows this step before it first writes: once per process, table and step.

        :raises ConfigError: the step does not fit what the table holds.
        """
        if id(config) in self._registered:
            return
        with self._lock:
            if id(config) in self._registered:
                return
            self._change(lambda directory: self._register(directory, config, label))
            self._kept.append(config)
            self._registered.add(id(config))

    def trust(self, config: TrackerConfig) -> None:
        """This configuration was made of what the directory says: it is not registered again, so that an operator's
        command undoes nothing that a deployment changes meanwhile."""
        with self._lock:
            self._registered.add(id(config))
        # Made again with every look at the table, so not kept: its id may be used again once it is gone.
        weakref.finalize(config, self._registered.discard, id(config)).atexit = False

    def _register(self, directory: core.Directory, config: TrackerConfig, label: str) -> bool:
        before = directory.use_cases.get(config.use_case_id)
        is_new = before is not None and core.step_id(config.codes) not in before.steps
        changed, differences = core.register(directory, config, label)
        if self._made_here and not directory.complete:
            changed = _set_complete(directory)
        if differences:
            logger.info(
                "%s of use case %s in table %s: %s", label, config.use_case_id, self.table, "; ".join(differences)
            )
        marked = core.expiring_before(directory.use_cases[config.use_case_id], config.codes) if is_new else []
        if marked:
            logger.warning(
                "%s of use case %s in table %s goes on from %s, whose retention may have marked tasks to be deleted "
                "that now wait. Run `statustrack prune` once: it takes that mark from tasks that a step waits for.",
                label,
                config.use_case_id,
                self.table,
                ", ".join(marked),
            )
        return changed

    def read(self, max_age_seconds: float = 0.0) -> core.Directory:
        """The directory as stored (consistent read), or a copy that is at most so old."""
        now = self.engine.clock.boot()
        copy = self._copy
        if copy is not None and max_age_seconds and now - self._copied_at <= max_age_seconds * 1_000_000:
            return copy
        rows = self.engine.get(self.table, [DIRECTORY_KEY])
        directory = core.parse(rows.get(DIRECTORY_KEY)) or core.Directory()
        self._copy, self._copied_at = directory, now
        return directory

    def warn_if_incomplete(self, directory: core.Directory) -> None:
        """Say once that a table which others wrote may have shards that nobody told us of."""
        if not directory.complete and not self._warned:
            self._warned = True
            logger.warning(
                "table %s was written before it had a directory: shards beyond those of the configured steps may be "
                "missing "
                "from listings. Run `statustrack init --adopt` (it reads the table once).",
                self.table,
            )

    def table_made(self) -> None:
        """This process has just made the table (perhaps anew): what was registered is gone, and nobody else has
        written."""
        self.table_dropped()
        self._made_here = True

    def table_dropped(self) -> None:
        """The table is gone with its directory: steps register again before they write to another one."""
        with self._lock:
            self._registered.clear()
            self._copy = None
            self._made_here = False

    def create(self) -> None:
        """Put an empty directory into a table that was just made: nobody else can have written to it."""
        self._change(lambda directory: not directory.complete and _set_complete(directory))

    def adopt(self) -> core.Directory:
        """Read every row once, and note every use case, status and shard in it."""
        seen = core.Directory()
        known = self.read()
        for row in self.engine.scan(self.table, attributes=("key", "value")):
            key, value = row["key"], row.get("value")
            if value is None or key.startswith(RESERVED_USE_CASE):
                continue
            observe(seen, value, known)

        def change(directory: core.Directory) -> bool:
            for name, entry in seen.use_cases.items():
                for status, shard in entry.shards.items():
                    core.observe(directory, name, entry, status, shard)
            directory.complete = True
            return True

        return self._change(change)

    def merge(self, other: core.Directory) -> None:
        """Take in what another directory knows, before tasks of its table are written here.

        :raises ConfigError: they do not go together; nothing was written.
        """
        self._change(lambda directory: core.merge(directory, other))

    def forget(self, use_case_id: str, codes: tuple[int, ...]) -> bool:
        """Take a step that is gone for good out of the directory; its shard counts stay. True when it was there."""
        gone: list[bool] = []

        def change(directory: core.Directory) -> bool:
            entry = directory.use_cases.get(use_case_id)
            gone.append(entry is not None and entry.steps.pop(core.step_id(codes), None) is not None)
            return gone[-1]

        self._change(change)
        return gone[-1]

    def _change(self, change: Callable[[core.Directory], bool]) -> core.Directory:
        """Compare and set, as often as others are quicker."""
        cause: object = "others kept changing it"
        for _ in range(50):
            row = self.engine.get(self.table, [DIRECTORY_KEY]).get(DIRECTORY_KEY)
            directory = core.parse(row) or core.Directory()
            if not change(directory):
                break
            version = None if row is None else directory.version
            outcome = self.engine.apply(self.table, [core.write(directory, self.engine.now(), version)])[0]
            if isinstance(outcome, Applied):
                break
            if not isinstance(outcome, Refused):
                cause = trouble(outcome)
        else:
            raise StorageUnavailableError(f"the directory of table {self.table!r} could not be written: {cause}")
        self._copy, self._copied_at = directory, self.engine.clock.boot()
        return directory


def _set_complete(directory: core.Directory) -> bool:
    directory.complete = True
    return True


def observe(seen: core.Directory, value: str, known: core.Directory) -> tuple[str, int] | None:
    """Note the use case, status and shard of a stored ``value``; the use case and status, None where it has another
    form."""
    use_case, entry = _use_case_of(value, known)
    parts = value.rsplit(entry.sep, 2) if entry else []
    if not entry or len(parts) != 3 or not parts[1].isdecimal() or not parts[2].isdecimal():
        return None
    shape = core.UseCaseEntry(entry.sep, len(parts[1]), len(parts[2]))
    core.observe(seen, use_case, shape, int(parts[1]), int(parts[2]))
    return use_case, int(parts[1])


def _use_case_of(value: str, known: core.Directory) -> tuple[str, core.UseCaseEntry | None]:
    for name, entry in known.use_cases.items():
        if value.startswith(name + entry.sep):
            return name, entry
    if DEFAULT_SEP in value:
        return value.split(DEFAULT_SEP, 1)[0], core.UseCaseEntry(DEFAULT_SEP, 3, 3)
    return "", None
