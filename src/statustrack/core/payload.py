"""JSON in and out of the table: what may be stored, and the path of what may not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from statustrack.core.errors import InvalidDataError
from statustrack.core.limits import DATA_BYTES

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=True).encode
_encode_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode

#: Nesting beyond this is refused: reading it back would need as deep a recursion in every reader.
DEEPEST = 200


def size_of(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def encode(value: Any) -> str:
    """Compact JSON text of a value that is known to be JSON (our own history entries)."""
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can carry
        return _encode_ascii(value)
    return text


def decode(text: Any, default: Any) -> Any:
    """The value of a stored JSON text; ``default`` where it is absent or not JSON (rows written by others)."""
    if not isinstance(text, str):
        return default
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return default


def encode_data(data: Any, name: str = "data") -> str:
    """The JSON text of a user's ``data``.

    :raises InvalidDataError: ``data`` is not a dict with text keys (or None, stored as ``{}``), holds something that
        JSON cannot (its path is named: ``data['metrics']['loss'] is numpy.float32``), or is larger than 352 KB.
    """
    if data is None:
        return "{}"
    if type(data) is not dict and not isinstance(data, dict):
        raise InvalidDataError(f"{name} is a {_type_name(data)}: it must be a dict (or None).")
    try:
        text = _encode(data)
    except (TypeError, ValueError, RecursionError):
        raise InvalidDataError(_explain(data, name)) from None
    # The encoder turns keys that are numbers, booleans or None into text silently; they would come back as another key.
    if not _keys_are_text(data):
        raise InvalidDataError(_explain(data, name))
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        text = _encode_ascii(data)
        size = len(text)
    if size > DATA_BYTES:
        raise InvalidDataError(
            f"{name} takes {size:,} bytes as JSON: the limit is {DATA_BYTES:,} (an item of 400 KB less what status, "
            f"errors "
            f"and history need). Largest part: {_largest(data, name)}. Store it elsewhere and keep its address here."
        )
    return text


def _keys_are_text(value: Any) -> bool:
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            for key, item in current.items():
                if not isinstance(key, str):
                    return False
                if isinstance(item, (dict, list, tuple)):
                    stack.append(item)
        else:
            stack.extend(item for item in current if isinstance(item, (dict, list, tuple)))
    return True


def _explain(data: Any, name: str) -> str:
    for path, value, problem in _walk(data, name, 0, ()):
        return (
            f"{path} is {problem or _type_name(value)}: "
            "only dict (text keys), list, str, int, finite float, bool and None can be stored."
        )
    return f"{name} cannot be written as JSON."


def _walk(value: Any, path: str, depth: int, above: tuple[int, ...]) -> Iterator[tuple[str, Any, str | None]]:
    if id(value) in above:
        yield path, value, "a reference to itself"
    elif depth > DEEPEST:
        yield path, value, f"nested more than {DEEPEST} deep"
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{path}[{key!r}]", key, f"a key that is {_type_name(key)}"
            else:
                yield from _walk(item, f"{path}[{key!r}]", depth + 1, (*above, id(value)))
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _walk(item, f"{path}[{position}]", depth + 1, (*above, id(value)))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, value, repr(value)
    elif not (value is None or isinstance(value, (str, int, float, bool))):
        yield path, value, None


def _largest(data: dict[str, Any], name: str) -> str:
    sizes = {key: size_of(_encode_ascii(item)) for key, item in data.items()}
    key = max(sizes, key=lambda each: sizes[each])
    return f"{name}[{key!r}] with {sizes[key]:,} bytes"


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def shorten(text: str, most: int) -> str:
    """A text of at most ``most`` characters: its beginning and its end, with the number of characters left out."""
    if len(text) <= most:
        return text
    mark = f" ...[{len(text) - most + 40} characters left out]... "
    head = (most - len(mark)) * 2 // 3
    tail = most - len(mark) - head
    return text[:head] + mark + (text[-tail:] if tail > 0 else "")
