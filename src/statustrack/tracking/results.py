"""What a query returns: a lazy iterator with the few methods that listings need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Results(Generic[T], Iterator[T]):
    """A lazy, one-way iterator over tasks. Nothing is read before the first item is asked for."""

    def __init__(self, iterable: Iterable[T]) -> None:
        self._iterator = iter(iterable)
        self._filters: list[Callable[[T], bool]] = []

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        for item in self._iterator:
            if all(wanted(item) for wanted in self._filters):
                return item
        raise StopIteration

    def filter(self, *wanted: Callable[[T], bool]) -> Results[T]:
        """Leave out items for which one of these functions is false; can be called before or during iteration."""
        self._filters.extend(wanted)
        return self

    def one(self) -> T:
        """The next item. Raises ``StopIteration`` when there is none."""
        return next(self)

    def one_or_none(self) -> T | None:
        """The next item, or None when there is none."""
        return next(self, None)

    def many(self, k: int) -> list[T]:
        """The next ``k`` items (fewer at the end). Raises ``StopIteration`` when there is none at all."""
        items = list(islice(self, k))
        if not items:
            raise StopIteration
        return items

    def all(self) -> list[T]:
        """All remaining items."""
        return list(self)

    def skip(self, k: int) -> Results[T]:
        """Pass over the next ``k`` items."""
        for _ in islice(self, k):
            pass
        return self
