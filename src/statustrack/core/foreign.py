"""Attributes that the library does not know, as DynamoDB spells typed values: their way from engine to engine."""

from __future__ import annotations

import base64
import math
from typing import Any

from statustrack.core.payload import decode as decode_json
from statustrack.core.payload import encode as encode_json

#: A typed value: ``{"S": "text"}``, ``{"N": "1.5"}``, ``{"M": {"a": {"BOOL": true}}}``.
Typed = dict[str, Any]


def is_typed(value: Any) -> bool:
    """Whether a value of a row is a typed one (known attributes have plain values)."""
    return isinstance(value, dict) and len(value) == 1


def of_plain(value: Any) -> Typed:
    """The typed form of what a column of a user's own holds: text, a number, or bytes."""
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, float) and not math.isfinite(value):
        return {"S": repr(value)}
    if isinstance(value, (int, float)):
        return {"N": repr(value)}
    return {"S": str(value)}


def to_plain(typed: Typed) -> Any:
    """What a column can hold of a typed value; None where it is not text, a number or bytes."""
    ((kind, value),) = typed.items()
    if kind in ("S", "B"):
        return value
    if kind == "N":
        number = float(value)
        return int(value) if value.lstrip("-").isdigit() and len(value) < 19 else number
    return None


def encode(values: dict[str, Typed]) -> str:
    """Many typed values as one JSON text; bytes as base64 (RFC 4648), as DynamoDB's own protocol has them."""
    return encode_json({name: _texts(typed) for name, typed in values.items()})


def decode(text: Any) -> dict[str, Typed]:
    """The typed values in such a text; what is none is left out."""
    found = decode_json(text, {})
    if not isinstance(found, dict):
        return {}
    return {name: with_bytes(typed) for name, typed in found.items() if isinstance(typed, dict) and len(typed) == 1}


def _texts(typed: Typed) -> Typed:
    ((kind, value),) = typed.items()
    if kind == "B":
        return {kind: base64.b64encode(bytes(value)).decode()}
    if kind == "BS":
        return {kind: sorted(base64.b64encode(bytes(each)).decode() for each in value)}
    if kind == "M":
        return {kind: {name: _texts(each) for name, each in value.items()}}
    if kind == "L":
        return {kind: [_texts(each) for each in value]}
    return {kind: sorted(value) if kind in ("SS", "NS") else value}


def with_bytes(typed: Typed) -> Typed:
    """A typed value with bytes where base64 text stood, at any depth; what are bytes already stay so."""
    ((kind, value),) = typed.items()
    if kind == "B":
        return {kind: _bytes(value)}
    if kind == "BS":
        return {kind: [_bytes(each) for each in value]}
    if kind == "M":
        return {kind: {name: with_bytes(each) for name, each in value.items()}}
    if kind == "L":
        return {kind: [with_bytes(each) for each in value]}
    return {kind: value}


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)
