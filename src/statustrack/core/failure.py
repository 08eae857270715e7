"""What is kept of an exception: its text, its traceback, and the fingerprint that puts like failures into one group."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from types import TracebackType

from statustrack.core.limits import ERROR_TEXT, SUMMARY_TEXT, TRACEBACK_TEXT
from statustrack.core.payload import shorten

#: What varies between two occurrences of the same failure: quoted parts, ids, hexadecimal, numbers.
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b")
_HEX = re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{6,}\b")
_ID = re.compile(r"\b[\w.-]*\d[\w.-]*\b")
_SPACE = re.compile(r"\s+")

#: Frames from these places are not the user's own code.
_FOREIGN = ("site-packages", "dist-packages", "statustrack")


@dataclass(frozen=True)
class Failure:
    """One failure, bounded in size: ``error`` (the exception's repr), ``traceback``, ``group`` (12 hexadecimal digits),
    ``summary`` (at most 120 characters), ``kind`` (error, lost, give_up, timeout, invalid_data, too_large)."""

    error: str
    traceback: str
    group: str
    summary: str
    kind: str = "error"


def normalise(message: str) -> str:
    """A message without what varies between two occurrences: quoted parts, uuids, hexadecimal, ids and numbers."""
    text = message[:2000]
    for pattern, mark in ((_UUID, "<id>"), (_QUOTED, "<quoted>"), (_HEX, "<hex>"), (_ID, "<n>")):
        text = pattern.sub(mark, text)
    return _SPACE.sub(" ", text).strip()


def fingerprint(kind: str, place: str, message: str) -> str:
    """The group of a failure: the first 12 hexadecimal digits of SHA-256 over type, place and normalised message."""
    text = "\0".join((kind, place, normalise(message)))
    import hashlib  # loads a C library that only a failure needs

    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def from_exception(error: BaseException, limit: int, kind: str = "error") -> Failure:
    """The failure that an exception is. ``limit`` is the number of traceback frames that are kept."""
    name = type(error).__name__
    message = _text_of(error)
    return Failure(
        error=shorten(_repr_of(error), ERROR_TEXT),
        traceback=shorten(_traceback_of(error, limit), TRACEBACK_TEXT),
        group=fingerprint(name, _place(error.__traceback__), message),
        summary=summary_of(f"{name}: {message}" if message else name),
        kind=kind,
    )


def from_reason(kind: str, reason: str) -> Failure:
    """A failure that no exception stands for: a lost lease, data that cannot be stored, a task given up."""
    return Failure(
        error=shorten(reason, ERROR_TEXT),
        traceback="",
        group=fingerprint(kind, "", reason),
        summary=summary_of(reason),
        kind=kind,
    )


def summary_of(text: str) -> str:
    """One line of at most 120 characters, without half surrogate pairs (a text attribute must be UTF-8)."""
    line = _SPACE.sub(" ", text[:2000].encode("utf-8", "replace").decode()).strip()
    return line if len(line) <= SUMMARY_TEXT else line[: SUMMARY_TEXT - 1] + "…"


def _repr_of(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception as broken:  # a user's __repr__ may itself raise; the failure must be recorded all the same
        return f"<{type(error).__name__}: its repr raised {type(broken).__name__}>"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its str raised {type(broken).__name__}>"


def _traceback_of(error: BaseException, limit: int) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=limit))
    except Exception as broken:
        return f"<the traceback could not be formatted: {type(broken).__name__}>"


def _place(tb: TracebackType | None) -> str:
    """File name and function of the last frame of the user's own code (of any code, where there is none of theirs)."""
    own = last = ""
    while tb is not None:
        code = tb.tb_frame.f_code
        path = code.co_filename.replace("\\", "/")
        last = f"{path.rsplit('/', 1)[-1]}:{code.co_name}"
        if (
            not any(f"/{part}/" in path for part in _FOREIGN)
            and not path.startswith("<frozen")
            and "/lib/python3" not in path
        ):
            own = last
        tb = tb.tb_next
    return own or last
