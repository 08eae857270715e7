"""Where the tasks of a class live: the environment, the class's Meta, or the SQLite file of the working directory."""

from __future__ import annotations

import logging
import os
from types import TracebackType
from typing import Any

from statustrack.core.errors import ConfigError
from statustrack.engines.protocol import Engine, TableOptions
from statustrack.engines.registry import open_engine

ENVIRONMENT = "STATUSTRACK_ENGINE"
DEFAULT_URL = "sqlite:///statustrack.db"
DEFAULT_TABLE = "statustrack"

logger = logging.getLogger("statustrack")

_forced: list[Engine] = []
_warned: set[tuple[str, str]] = set()


class use_engine:  # noqa: N801 - used like a function
    """Put every task class on one engine: ``use_engine(url)`` for the rest of the process, ``with use_engine(url):``
    for a
    block (all threads see it). Takes a URL or an engine. Blocks nest; the innermost counts.

    :raises ConfigError: the URL has no known form.
    """

    def __init__(self, engine: str | Engine) -> None:
        self.engine: Engine = open_engine(engine) if isinstance(engine, str) else engine
        _forced.append(self.engine)

    def __enter__(self) -> Engine:
        return self.engine

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Undo it."""
        for position in range(len(_forced) - 1, -1, -1):
            if _forced[position] is self.engine:
                del _forced[position]
                return


def engine_for(cls: type[Any]) -> Engine:
    """The engine of a task class: ``use_engine``, else STATUSTRACK_ENGINE, else Meta.engine, else Meta.region or
    Meta.host
    (DynamoDB), else ``sqlite:///statustrack.db``."""
    if _forced:
        return _forced[-1]
    url = os.environ.get(ENVIRONMENT)
    if url:
        own = cls.__dict__.get("_own_url") or _remember(cls)
        if own != url and own != DEFAULT_URL and (own, url) not in _warned:
            _warned.add((own, url))
            logger.warning(
                "%s=%s overrides the engine of the class, %s: tasks are read and written there",
                ENVIRONMENT,
                url,
                own,
            )
        return open_engine(url)
    return open_engine(cls.__dict__.get("_own_url") or _remember(cls))


def _remember(cls: type[Any]) -> str:
    url = own_url(getattr(cls, "Meta", None))
    cls._own_url = url
    return url


def own_url(meta: Any) -> str:
    """The engine URL that a Meta class asks for, the environment aside."""
    engine = getattr(meta, "engine", None)
    if engine is not None:
        if not isinstance(engine, str):
            raise ConfigError(f"Meta.engine={engine!r} must be an engine URL, for example {DEFAULT_URL!r}.")
        return engine
    region, host = getattr(meta, "region", None), getattr(meta, "host", None)
    if region is None and host is None:
        return DEFAULT_URL
    url = f"dynamodb://{region or os.environ.get('AWS_REGION') or os.environ.get('AWS_DEFAULT_REGION') or 'us-east-1'}"
    return f"{url}?endpoint={host}" if host else url


def table_of(cls: type[Any]) -> str:
    """The table of a task class: ``Meta.table_name``, else ``statustrack``."""
    name = getattr(getattr(cls, "Meta", None), "table_name", None)
    if name is None:
        return DEFAULT_TABLE
    if not isinstance(name, str) or not name:
        raise ConfigError(f"Meta.table_name={name!r} of {cls.__name__} must be a text that is not empty.")
    return name


def options_of(cls: type[Any], **given: Any) -> TableOptions:
    """How the table of a class is to be made, from its Meta and the arguments of ``create_table``."""
    meta = getattr(cls, "Meta", None)

    def pick(name: str, default: Any = None) -> Any:
        value = given.get(name)
        return getattr(meta, name, default) if value is None else value

    return TableOptions(
        billing_mode=pick("billing_mode", "PAY_PER_REQUEST"),
        read_capacity_units=pick("read_capacity_units"),
        write_capacity_units=pick("write_capacity_units"),
        tags=pick("tags", {}) or {},
        expires=bool(given.get("expires")),
        ignore_ttl_errors=bool(given.get("ignore_ttl_errors")),
    )
