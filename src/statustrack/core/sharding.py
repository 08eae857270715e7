"""The stable shard of a key, and the merge of many ordered shards into one ordered stream."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def shard_of(key: str, shards: int) -> int:
    """The shard (1 to ``shards``) of a key: CRC-32 of its UTF-8 bytes, the same in every process and version.

    Python's own ``hash()`` is salted per process (PYTHONHASHSEED), so it names another shard after each restart.
    """
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shards + 1


def merge(streams: Iterable[Iterable[T]], order: Callable[[T], Any], newest_first: bool = False) -> Iterator[T]:
    """One stream out of many, each of them already in the order of ``order``; lazy, one item ahead per stream."""
    return heapq.merge(*streams, key=order, reverse=newest_first)
