"""Instants as integers (microseconds since the epoch) and as the text in which the table stores them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

#: How an instant is stored: UTC, fixed width, so that text order is time order (the format of pynamodb).
EXAMPLE = "2024-05-23T06:07:26.444861+0000"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
EPOCH_TEXT = "1970-01-01T00:00:00.000000+0000"

MICROS = 1_000_000
#: The year 0001 in microseconds: the earliest that the text format can hold.
EARLIEST = -62_135_596_800 * MICROS

#: The text of seconds seen lately: formatting one costs more than all the rest of a write.
_seconds: dict[int, str] = {}
#: Texts made lately, back to their instants: the end of an attempt reads the text that its claim made.
_instants: dict[str, int] = {}


def to_text(micros: int) -> str:
    """The stored text of an instant in microseconds since the epoch."""
    second = micros // MICROS
    text = _seconds.get(second) or _to_second(second)
    made = f"{text}{micros - second * MICROS:06d}+0000"
    if len(_instants) > 256:
        _instants.clear()
    _instants[made] = micros
    return made


def _to_second(second: int) -> str:
    if len(_seconds) > 64:
        _seconds.clear()
    # isoformat is several times faster than strftime and pads the year, which strftime does not do everywhere.
    text = _seconds[second] = (EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat() + "."
    return text


def from_text(text: str) -> int:
    """Microseconds since the epoch of a stored instant. Raises ``ValueError`` for another format."""
    known = _instants.get(text)
    return datetime_to_micros(parse(text)) if known is None else known


def parse(text: str) -> datetime:
    """The aware UTC datetime of a stored instant. Raises ``ValueError`` for another format."""
    if len(text) != len(EXAMPLE) or not text.endswith("+0000"):
        raise ValueError(f"{text!r} is not an instant of the form {EXAMPLE!r}")
    return datetime.fromisoformat(text[:26]).replace(tzinfo=timezone.utc)


def datetime_to_micros(moment: datetime) -> int:
    """Microseconds since the epoch; a datetime without a zone is taken as UTC, as pynamodb does."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICROS + delta.microseconds


def datetime_to_text(moment: datetime) -> str:
    """The stored text of a datetime."""
    return to_text(datetime_to_micros(moment))


def micros_to_datetime(micros: int) -> datetime:
    """The aware UTC datetime of an instant in microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=micros)
