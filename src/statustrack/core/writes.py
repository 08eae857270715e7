"""A conditional write as a value: a key, a guard, the changes, and the proof that this very write has landed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

#: One stored task: attribute name to str, int, or frozenset of str. An absent attribute is not in the mapping.
Row = dict[str, Any]

#: The comparisons that a guard is made of. ``value`` is None for the first two, a tuple for ``in``, an int for
#: ``count<`` (members of a string set, 0 when absent). All but ``absent`` and ``count<`` are false for an absent
#: attribute, in every translation.
OPERATORS = ("absent", "present", "=", "in", "<", "<=", ">", "count<")


class Comparison(NamedTuple):
    """One comparison of one stored attribute with a constant."""

    attribute: str
    operator: str
    value: Any = None


class Clause(NamedTuple):
    """Comparisons of which at least one must hold; the name says what for (messages, the model checker's mutants)."""

    name: str
    any_of: tuple[Comparison, ...]


Guard = tuple[Clause, ...]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def always(_: Row) -> bool:
    """A proof for writes that may be repeated without harm."""
    return True


def never(_: Row) -> bool:
    """A proof for writes of which a repetition cannot be told from somebody else's write."""
    return False


class Write:
    """What an engine carries out, atomically and at most once: if all of the guard holds, all of the changes.

    ``kind`` is ``update`` (the row must exist; attributes not named stay as they are), ``put`` (the whole row is
    replaced by ``set``) or ``delete``. Changes see the row as it was before the write: ``copy`` maps a target to the
    source whose old value it takes, ``increment`` adds to a number (absent counts as 0), ``add`` adds one member to a
    string set.

    ``mine`` looks at the row as it is after a refusal and tells whether this very write has landed before (its reply
    was lost, and the resend was refused): the engine then reports it as applied. A ``delete`` that finds no row has
    landed. A write is never changed once made.

    ``quiet``: nobody needs the row after it (a heartbeat), or its maker can tell it from what it knows (the end of an
    attempt, by :func:`apply`): an engine need not read it back.

    The guard may be given as a function that makes it, where an engine can do without: ``shape`` then names what all
    writes
    like this one have in common (kind, quiet, copies, increments, additions, and a guard that differs in its constants
    only), and ``values`` are those constants, in the order of the guard. A claim is made for every task; building and
    translating its guard again each time cost as much as the statement that it becomes.
    """

    __slots__ = (
        "_guard",
        "add",
        "copy",
        "event",
        "increment",
        "key",
        "kind",
        "mine",
        "quiet",
        "remove",
        "set",
        "shape",
        "values",
    )

    def __init__(
        self,
        event: str,
        key: str,
        guard: Guard | Callable[[], Guard],
        set: Mapping[str, Any] = _NOTHING,
        remove: tuple[str, ...] = (),
        copy: Mapping[str, str] = _NOTHING,
        increment: Mapping[str, int] = _NOTHING,
        add: Mapping[str, str] = _NOTHING,
        mine: Callable[[Row], bool] = never,
        kind: str = "update",
        quiet: bool = False,
        shape: Hashable = None,
        values: tuple[Any, ...] = (),
    ) -> None:
        self.event = event
        self.key = key
        self._guard = guard
        self.set = set
        self.remove = remove
        self.copy = copy
        self.increment = increment
        self.add = add
        self.mine = mine
        self.kind = kind
        self.quiet = quiet
        self.shape = shape
        self.values = values

    @property
    def guard(self) -> Guard:
        """What must hold."""
        guard = self._guard
        if callable(guard):
            guard = self._guard = guard()
        return guard

    def __repr__(self) -> str:
        return f"Write({self.event} {self.key!r})"


def constants(guard: Guard) -> tuple[Any, ...]:
    """The constants of a guard in their order (``Write.values``); an ``in`` has as many as it has alternatives."""
    values: list[Any] = []
    for clause in guard:
        for _, operator, value in clause.any_of:
            if operator == "in":
                values += value
            elif value is not None:
                values.append(value)
    return tuple(values)


def compare(comparison: Comparison, row: Row) -> bool:
    """Whether one comparison holds for a row."""
    attribute, operator, want = comparison
    have = row.get(attribute)
    if operator == "absent":
        return have is None
    if operator == "count<":
        return bool((0 if have is None else len(have)) < want)
    if have is None:
        return False
    if operator == "present":
        return True
    if operator == "=":
        return bool(have == want)
    if operator == "in":
        return bool(have in want)
    if isinstance(have, str) != isinstance(want, str):
        return False  # as in DynamoDB: values of two types are not ordered
    if operator == "<":
        return bool(have < want)
    if operator == "<=":
        return bool(have <= want)
    if operator == ">":
        return bool(have > want)
    raise ValueError(f"{operator!r} is not one of {OPERATORS}")


def holds(guard: Guard, row: Row | None) -> bool:
    """Whether every clause of a guard holds; an absent row is a row without attributes."""
    row = row or {}
    return all(any(compare(each, row) for each in clause.any_of) for clause in guard)


def apply(write: Write, row: Row | None) -> Row | None:
    """The row after the write, its guard taken as fulfilled: the reference that every engine must agree with."""
    if write.kind == "delete":
        return None
    if write.kind == "put":
        return dict(write.set)
    old = row or {}
    new = dict(old)
    for target, source in write.copy.items():
        if source in old:
            new[target] = old[source]
        else:
            new.pop(target, None)
    new.update(write.set)
    for name, by in write.increment.items():
        new[name] = old.get(name, 0) + by
    for name, member in write.add.items():
        new[name] = old.get(name, frozenset()) | {member}
    for name in write.remove:
        new.pop(name, None)
    return new
