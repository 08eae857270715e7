"""The attributes of a task as Python values: descriptors over the stored row, decoded when they are looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar, overload

from statustrack.core import payload, times
from statustrack.core.errors import ConfigError
from statustrack.core.payload import decode
from statustrack.core.writes import Row

V = TypeVar("V")
A = TypeVar("A", bound="Attribute[Any]")


class Attributed:
    """Something with a stored row and what has been decoded of it."""

    _row: Row
    _decoded: dict[str, Any]


class Attribute(Generic[V]):
    """One stored attribute; ``default`` is what an absent one reads as."""

    def __init__(self, default: Any = None) -> None:
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self: A, instance: None, owner: type) -> A: ...
    @overload
    def __get__(self, instance: Attributed, owner: type) -> V: ...
    def __get__(self, instance: Attributed | None, owner: type) -> Any:
        if instance is None:
            return self
        return self.read(instance)

    def __set__(self, instance: Attributed, value: V) -> None:
        instance._decoded.pop(self.name, None)
        if value is None:
            instance._row.pop(self.name, None)
        else:
            instance._row[self.name] = self.encode(value)

    def read(self, instance: Attributed) -> Any:
        value = instance._row.get(self.name)
        return self.default if value is None else value

    def encode(self, value: Any) -> Any:
        return value


class Text(Attribute[V]):
    """A text."""

    def encode(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise ConfigError(f"{self.name}={value!r} must be a text.")
        return value


class Number(Attribute[V]):
    """A whole number."""

    def encode(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{self.name}={value!r} must be a whole number.")
        return int(value)


class Instant(Attribute[V]):
    """An instant, stored as text, read as an aware UTC datetime."""

    def read(self, instance: Attributed) -> Any:
        text = instance._row.get(self.name)
        if text is None:
            return self.default
        try:
            return times.parse(text)
        except ValueError:
            return self.default

    def encode(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            raise ConfigError(f"{self.name}={value!r} must be a datetime.")
        return times.datetime_to_text(value)


class Moment(Attribute[V]):
    """An instant, stored as milliseconds since the epoch, read as an aware UTC datetime."""

    scale = 1000

    def read(self, instance: Attributed) -> Any:
        number = instance._row.get(self.name)
        if number is None:
            return self.default
        try:
            return times.micros_to_datetime(int(number) * self.scale)
        except OverflowError:
            return self.default

    def encode(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            raise ConfigError(f"{self.name}={value!r} must be a datetime.")
        return times.datetime_to_micros(value) // self.scale


class Seconds(Moment[V]):
    """An instant, stored as seconds since the epoch (what DynamoDB's TTL wants), read as an aware UTC datetime."""

    scale = 1_000_000


class Json(Attribute[V]):
    """A JSON text, read as the value in it; the same object at every look, so that it can be changed before a save."""

    def __init__(self, default: Any = None, kind: type = dict) -> None:
        super().__init__(default)
        self.kind = kind

    def read(self, instance: Attributed) -> Any:
        decoded = instance._decoded
        if self.name not in decoded:
            value = decode(instance._row.get(self.name), None)
            decoded[self.name] = value if isinstance(value, self.kind) else self.default()
        return decoded[self.name]

    def __set__(self, instance: Attributed, value: Any) -> None:
        instance._row[self.name] = self.encode(value)
        instance._decoded.pop(self.name, None)

    def encode(self, value: Any) -> Any:
        return payload.encode_data(value, self.name)


class Shown(Attribute[V]):
    """Read-only history: the library writes it, people read it."""

    def __init__(self, reader: Any) -> None:
        super().__init__(None)
        self.reader = reader

    def read(self, instance: Attributed) -> Any:
        return self.reader(instance._row)

    def __set__(self, instance: Attributed, value: Any) -> None:
        raise AttributeError(f"{self.name} is written by the library only")
