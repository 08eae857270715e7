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

#: The text of seconds seen lately, and the seconds of these texts: formatting or parsing one costs more than all the
#: rest of a write.
_texts: dict[int, str] = {}
_seconds: dict[str, int] = {}


def to_text(micros: int) -> str:
    """The stored text of an instant in microseconds since the epoch."""
    second = micros // MICROS
    text = _texts.get(second) or _to_second(second)
    # The digits as they are: formatting six of them costs more than all the rest.
    digits = str(micros)[-6:] if micros >= MICROS else f"{micros - second * MICROS:06d}"
    return f"{text}{digits}+0000"


def _to_second(second: int) -> str:
    if len(_texts) > 64:
        _texts.clear()
        _seconds.clear()
    # isoformat is several times faster than strftime and pads the year, which strftime does not do everywhere.
    text = _texts[second] = (EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat() + "."
    _seconds[text] = second
    return text


def from_text(text: str) -> int:
    """Microseconds since the epoch of a stored instant. Raises ``ValueError`` for another format."""
    second, digits = _seconds.get(text[:20]), text[20:26]
    if second is None or text[26:] != "+0000" or not (digits.isdecimal() and digits.isascii()):
        return datetime_to_micros(parse(text))
    return second * MICROS + int(digits)


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
