"""From an engine URL to an open engine: the only module that names the concrete engines."""

from __future__ import annotations

import atexit
import threading
from typing import Any

from statustrack.core.errors import ConfigError
from statustrack.engines.clock import Clock
from statustrack.engines.protocol import Engine

FORMS = (
    "sqlite:///relative/path.db, sqlite:////absolute/path.db, "
    "dynamodb://REGION or dynamodb://REGION?endpoint=URL&profile=NAME"
)

_open: dict[str, Engine] = {}
_lock = threading.Lock()


def open_engine(url: str, clock: Clock | None = None) -> Engine:
    """The engine of a URL; one per URL and process (a new one where a clock is given). Touches no storage.

    :raises ConfigError: the URL has another form; the message lists the forms.
    """
    if clock is not None:
        return _make(url, clock)
    engine = _open.get(url)
    if engine is None:
        with _lock:
            engine = _open.get(url)
            if engine is None:
                engine = _open[url] = _make(url, None)
    return engine


def close_all() -> None:
    """Close every engine of this process."""
    with _lock:
        for engine in _open.values():
            engine.close()


atexit.register(close_all)


def sqlite_url(path: str) -> str:
    """The URL of a SQLite file."""
    from urllib.parse import quote

    return "sqlite:///" + quote(path)


def _make(url: Any, clock: Clock | None) -> Engine:
    if not isinstance(url, str) or "://" not in url:
        raise ConfigError(f"engine URL {url!r} is not of a known form: {FORMS}.")
    from urllib.parse import parse_qs, unquote, urlsplit  # a tenth of the whole import, and needed here only

    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest.rstrip("/") == "":
            raise ConfigError(
                f"engine URL {url!r} names no file: sqlite:///relative/path.db (three slashes) or "
                "sqlite:////absolute/path.db (four)."
            )
        path = unquote(rest[1:])
        if "?" in rest or "#" in rest:
            raise ConfigError(
                f"engine URL {url!r} has a '?' or '#': write %3F or %23 for one in a file name; there are no options."
            )
        if path == ":memory:":
            raise ConfigError(
                f"engine URL {url!r}: a database in memory would be another one in every thread and process. Use a "
                f"file, "
                "or statustrack.testing.engine() in tests."
            )
        from statustrack.engines.sqlite.engine import SqliteEngine

        return SqliteEngine(path, url=url, clock=clock)
    if scheme == "dynamodb":
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True)
        unknown = sorted(set(options) - {"endpoint", "profile"})
        if unknown:
            raise ConfigError(f"engine URL {url!r} has unknown options {unknown}: known are endpoint and profile.")
        if not parts.netloc or parts.path not in ("", "/"):
            raise ConfigError(f"engine URL {url!r} names no region: dynamodb://us-east-1, for example.")
        from statustrack.engines.dynamodb.engine import DynamoEngine

        return DynamoEngine(
            region=parts.netloc,
            endpoint=options.get("endpoint", [None])[0],
            profile=options.get("profile", [None])[0],
            url=url,
            clock=clock,
        )
    raise ConfigError(f"engine URL {url!r} has the unknown scheme {scheme!r}. Known: {FORMS}.")
