"""A bell between the verbs that make tasks claimable and the workers of the same process that wait for some."""

from __future__ import annotations

from collections.abc import Callable

_listeners: tuple[Callable[[], None], ...] = ()


def listen(listener: Callable[[], None]) -> None:
    """Call this, which must be quick and may not raise, whenever tasks of this process became claimable."""
    global _listeners
    _listeners = (*_listeners, listener)


def leave(listener: Callable[[], None]) -> None:
    """Listen no more."""
    global _listeners
    _listeners = tuple(each for each in _listeners if each != listener)


def tell() -> None:
    """Tasks have become claimable: created, redriven or given back. The workers of other processes find them at their
    next poll."""
    for listener in _listeners:
        listener()
