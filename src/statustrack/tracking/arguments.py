"""What users may write for a status, an age or a number, turned into what the code works with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from statustrack.core import times
from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError
from statustrack.core.status import STATUS_NAMES, BaseStatusEnum, StatusNameEnum

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)\s*")


def status_code(status: Any, config: TrackerConfig | None) -> int:
    """The code of a status given as a code, an enum member or a name. Raises ``ConfigError``."""
    if isinstance(status, BaseStatusEnum):
        return int(status.value)
    if isinstance(status, StatusNameEnum):
        status = status.value
    if isinstance(status, str):
        if config is not None and status in STATUS_NAMES:
            return config.codes[STATUS_NAMES.index(status)]
        raise ConfigError(f"status {status!r} is not one of {', '.join(STATUS_NAMES)}.")
    if isinstance(status, bool) or not isinstance(status, int):
        raise ConfigError(
            f"status {status!r} must be a status code, a member of the status enum, or one of "
            f"{', '.join(STATUS_NAMES)}."
        )
    return int(status)


def status_codes(status: Any, config: TrackerConfig | None) -> list[int]:
    """The codes of one status or of a list of them, each once."""
    many: Iterable[Any] = status if isinstance(status, (list, tuple, set, frozenset)) else [status]
    codes = list(dict.fromkeys(status_code(each, config) for each in many))
    if not codes:
        raise ConfigError("status is an empty list: name at least one.")
    return codes


def more_pending_codes(more_pending: Any, config: TrackerConfig) -> list[int]:
    """The more_pending_status argument as a list. Raises ``ConfigError``."""
    many = more_pending if isinstance(more_pending, Iterable) and not isinstance(more_pending, str) else [more_pending]
    try:
        return [status_code(code, config) for code in many]
    except ConfigError as error:
        raise ConfigError(f"more_pending_status: {error}") from None


def seconds_of(age: Any, name: str) -> float:
    """The seconds of an age given as a timedelta, a number of seconds, or a text like ``"2h"`` or ``"1d 6h"``."""
    if isinstance(age, timedelta):
        return age.total_seconds()
    if isinstance(age, (int, float)) and not isinstance(age, bool) and age == age and abs(age) != float("inf"):
        return float(age)
    if isinstance(age, str):
        position, total = 0, 0.0
        while position < len(age):
            match = _AGE.match(age, position)
            if not match:
                break
            total += float(match[1]) * _UNITS[match[2]]
            position = match.end()
        else:
            if age.strip():
                return total
    raise ConfigError(
        f'{name}={age!r} must be a timedelta, a number of seconds, or a text like "90s", "15m", "2h" or "1d 6h".'
    )


def bound_of(bound: Any, name: str, now: int) -> str | None:
    """The stored text of a bound of update_time: a datetime, or an age before ``now`` (microseconds); None: none."""
    if bound is None:
        return None
    if isinstance(bound, datetime):
        return times.datetime_to_text(bound)
    return times.to_text(max(times.EARLIEST, now - int(seconds_of(bound, name) * 1_000_000)))


def limit_of(limit: Any) -> int | None:
    """A limit: None (all), or a whole number of 0 or more."""
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise ConfigError(f"limit={limit!r} must be a whole number of 0 or more, or None for all.")
    return limit
