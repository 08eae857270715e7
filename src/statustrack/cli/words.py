"""Values in the words of people: ages, durations, sizes, counts; and text from elsewhere made harmless."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

#: What ``ascii()`` makes of a character that is not printable.
_ESCAPED = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[tnr])")
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def shown(text: object) -> str:
    """Text from elsewhere (an id, an error) on one line, with whatever is not printable made visible, not sent to the
    terminal: control characters and escapes, marks that turn the direction of text, invisible characters."""
    found = str(text)
    if found.isprintable():
        return found
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in found)


def unshown(text: str) -> str:
    """Text as it was before :func:`shown`: an id that was copied from the screen."""
    return _ESCAPED.sub(lambda found: found[0].encode("ascii").decode("unicode_escape"), text)


def lines_of(text: object) -> list[str]:
    """Text of several lines, each as by :func:`shown`; tabs are spaces."""
    return [shown(line) for line in str(text).expandtabs(4).replace("\r\n", "\n").split("\n")]


def span(seconds: float | None) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``5 min``, ``2 h``, ``3 d``."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for size, unit in _UNITS:
        number = seconds / size
        if number >= 2 or unit == "s":
            return f"{number:,.0f} {unit}"
    raise AssertionError("unreachable")


def ago(seconds: float | None) -> str:
    """An age: ``5 min ago``; a moment to come: ``in 5 min``."""
    if seconds is None:
        return ""
    return f"in {span(-seconds)}" if seconds < 0 else f"{span(seconds)} ago"


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago a moment was."""
    return "" if moment is None else ago((now - moment).total_seconds())


def clock(moment: datetime | None, now: datetime) -> str:
    """A moment as people need it: the time, with the date where that is another day. UTC."""
    if moment is None:
        return ""
    if abs(now - moment) < timedelta(hours=20) and moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def count(number: int | None, capped: bool = False) -> str:
    """A count: ``1,204``; ``10,000+`` where counting stopped."""
    return "" if number is None else f"{number:,}{'+' * capped}"


def size(number: int) -> str:
    """Bytes: ``812 B``, ``1.4 KB``."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1024:,.1f} KB" if number < 1024 * 1024 else f"{number / 1024 / 1024:,.1f} MB"


def plural(number: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
