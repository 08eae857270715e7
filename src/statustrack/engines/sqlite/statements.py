"""From values to SQL, pure: each conditional write and each read as a statement and its parameters.

Names are quoted with backticks: a double-quoted name that is no column would be taken as a text, silently (by SQLite's
own word a misfeature), and a guard that compares a text with a constant is no guard. ``core.writes`` is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statustrack.core.record import ATTRIBUTES
from statustrack.core.writes import Write
from statustrack.engines.protocol import Cursor
from statustrack.engines.sqlite.values import SEE, SETS, SIZE, UNION, encode_set

#: A changed column: its new value as SQL over the old row, and which of the collected values that takes.
_Changes = dict[str, tuple[str, tuple[int, ...]]]
_ORDER = frozenset(("<", "<=", ">"))
#: How many plans are kept per table. The library makes a few dozen; beyond that somebody makes shapes without end.
_MOST_PLANS = 1000


def quoted(name: str) -> str:
    """A name as an SQL identifier that can be nothing else."""
    return "`" + name.replace("`", "``") + "`"


# --- writes ----------------------------------------------------------------------------------------------------------


class Plan:
    """What the writes of one shape have in common: the SQL, and which of the collected values it takes in its order.

    ``insert`` (a put only) is tried where there is no row, ``change`` where there is one (None: the guard excludes it).
    ``sees``: the columns whose old values an update hands to our function SEE while it changes the row; what the row is
    after it follows from them and the write. (RETURNING makes a table of its own for each statement: a tenth of the CPU
    of a whole claim and end.) ``only_absent``: the guard says no more than that there is no such key. ``is_one``: never
    more than one statement that writes.
    """

    __slots__ = (
        "change",
        "change_takes",
        "insert",
        "insert_takes",
        "is_one",
        "only_absent",
        "sees",
        "sets",
    )

    def __init__(self) -> None:
        self.change: str | None = None
        self.change_takes: tuple[int, ...] | None = None
        self.insert: str | None = None
        self.insert_takes = 0
        self.sees: tuple[str, ...] = ()
        self.only_absent = False
        self.is_one = True
        self.sets: tuple[int, ...] = ()


class Statements:
    """The statements of one table; those of writes are made once per shape."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.name = quoted(table)
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self.select = f"SELECT * FROM {self.name} WHERE `key` = ?"

    def plan(self, write: Write) -> tuple[Plan, list[Any]]:
        """The plan of a write, and its values: set, increment, add, key, guard."""
        values: list[Any] = [*write.set.values(), *write.increment.values()]
        if write.add:
            values += [encode_set((member,)) for member in write.add.values()]
        values.append(write.key)
        known: tuple[Any, ...] | None = None
        if write.shape is not None:  # its maker says what it has in common with others: the guard need not be looked at
            known = (write.shape, write.event, tuple(write.set), write.remove)
            found = self._plans.get(known)
            if found is not None and not found.sets:
                values += write.values
                return found, values
        guard: list[Any] = []
        for clause in write.guard:
            guard.append("and")
            for attribute, operator, value in clause.any_of:
                if value is None:
                    guard += (attribute, operator, None)
                elif operator == "in":
                    guard += (attribute, operator, tuple(map(type, value)))
                    values += value
                else:
                    guard += (attribute, operator, value.__class__)
                    values.append(value)
        shape = (
            write.kind,
            write.quiet,
            tuple(write.set),
            write.remove,
            tuple(write.copy.items()) if write.copy else (),
            tuple(write.increment) if write.increment else (),
            tuple(write.add) if write.add else (),
            tuple(guard),
        )
        plan = self._plans.get(shape)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[shape] = self._make(write, len(values))
        if known is not None:
            self._plans[known] = plan
        for index in plan.sets:
            if isinstance(values[index], (frozenset, set)):
                values[index] = encode_set(values[index])
        return plan, values

    def _make(self, write: Write, count: int) -> Plan:
        plan = Plan()
        at = len(write.set) + len(write.increment) + len(write.add)
        where, guard_takes, guard_sets = _where(write, at)
        plan.sets = (*(i for i, name in enumerate(write.set) if name in SETS), *guard_sets)
        if write.kind == "delete":
            plan.change = f"DELETE FROM {self.name} {where}"
            plan.change_takes = None if guard_takes == tuple(range(count)) else guard_takes
            return plan
        if write.kind == "put":
            if "key" not in write.set:
                raise ValueError(f"{write!r} puts a row without its key")
            columns = ", ".join(map(quoted, write.set))
            holes = ", ".join("?" * len(write.set))
            # Only for the key: a conflict with an index that the user has added is an error, and not "it is there".
            plan.insert = f"INSERT INTO {self.name} ({columns}) VALUES ({holes}) ON CONFLICT (`key`) DO NOTHING"
            plan.insert_takes = len(write.set)
            needs_absence = [all(each[:2] == ("key", "absent") for each in clause.any_of) for clause in write.guard]
            plan.only_absent = all(needs_absence)
            if any(needs_absence):
                return plan
            plan.is_one = False
            nothing: tuple[str, tuple[int, ...]] = ("NULL", ())
            changes = dict.fromkeys(ATTRIBUTES, nothing)
            changes.update((name, ("?", (index,))) for index, name in enumerate(write.set))
            del changes["key"]
        else:
            changes = _changes(write)
            if not write.quiet:
                plan.sees = _sees(write)
                _let_see(changes, plan.sees)
        sets = ", ".join(f"{quoted(name)} = {sql}" for name, (sql, _) in changes.items())
        takes = tuple(index for _, each in changes.values() for index in each) + guard_takes
        # Where nothing changes, the row is still found and guarded.
        plan.change = f"UPDATE {self.name} SET {sets or '`key` = `key`'} {where}"
        plan.change_takes = None if takes == tuple(range(count)) else takes
        return plan

    # --- reads -------------------------------------------------------------------------------------------------------

    def get(self, count: int, attributes: Sequence[str] | None) -> str:
        """The rows of ``count`` keys."""
        which = "= ?" if count == 1 else f"IN ({', '.join('?' * count)})"
        return f"SELECT {_columns(attributes)} FROM {self.name} WHERE `key` {which}"

    def page(
        self,
        partition: str,
        limit: int,
        after: Cursor | None,
        newest_first: bool,
        since: str | None,
        until: str | None,
        ready_ms: int | None,
        attributes: Sequence[str] | None = None,
    ) -> tuple[str, list[Any]]:
        """One row more than ``limit``, so that the end of the partition shows at once."""
        # A row without update_time is in no index of DynamoDB; any text is >= ''.
        where, values = ["`value` = ?", "`update_time` >= ?"], [partition, since or ""]
        if until is not None:
            where.append("`update_time` <= ?")
            values.append(until)
        if after is not None:
            where.append(f"(`update_time`, `key`) {'<' if newest_first else '>'} (?, ?)")
            values += after
        more: list[Any] = [*values]
        if ready_ms is not None:
            where.append("(`ready_at` IS NULL OR `ready_at` <= ?)")
            more.append(ready_ms)
        way = " DESC" if newest_first else ""
        columns = _columns(None if attributes is None else ("update_time", *attributes))
        more.append(limit + 1)
        order = f"`update_time`{way}, `key`{way}"
        return f"SELECT {columns} FROM {self.name} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?", more

    def count(self, partition: str, most: int | None) -> tuple[str, list[Any]]:
        """How many rows a partition has, from the index alone."""
        rows = f"FROM {self.name} WHERE `value` = ? AND `update_time` >= ''"
        if most is None:
            return f"SELECT count(*) AS n {rows}", [partition]
        return f"SELECT count(*) AS n FROM (SELECT 1 {rows} LIMIT ?)", [partition, most + 1]

    def scan(
        self, after: str | None, prefix: str, limit: int, attributes: Sequence[str] | None
    ) -> tuple[str, list[Any]]:
        """The next rows in the order of keys, whose key begins with ``prefix``, byte for byte."""
        where, values = ["`key` >= ?"], [prefix]
        if after is not None:
            where, values = ["`key` > ?"], [after]
        beyond = after_prefix(prefix)
        if beyond is not None:
            where.append("`key` < ?")
            values.append(beyond)
        sql = f"SELECT {_columns(attributes)} FROM {self.name} WHERE {' AND '.join(where)} ORDER BY `key` LIMIT ?"
        return sql, [*values, limit]


def after_prefix(prefix: str) -> str | None:
    """The least text that is greater than every text with this prefix; None where there is none.

    The order of code points is the order of UTF-8 bytes, in which SQLite compares.
    """
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return None


def _columns(attributes: Sequence[str] | None) -> str:
    """What to select; everything where a column is asked for that the table may not have."""
    if attributes is None or not ATTRIBUTES.keys() >= set(attributes):
        return "*"
    return ", ".join(map(quoted, dict.fromkeys(("key", *attributes))))


def _changes(write: Write) -> _Changes:
    """The changes of an update. The last word on a column counts, in the order of ``core.writes.apply``."""
    changes: _Changes = {}
    for target, source in write.copy.items():
        changes[target] = (quoted(source), ())
    for index, name in enumerate(write.set):
        changes[name] = ("?", (index,))
    at = len(write.set)
    for index, name in enumerate(write.increment, at):
        changes[name] = (f"coalesce({quoted(name)}, 0) + ?", (index,))
    at += len(write.increment)
    for index, name in enumerate(write.add, at):
        if name not in SETS:
            raise ValueError(f"{write!r} adds to {name!r}, which is no set")
        changes[name] = (f"{UNION}({quoted(name)}, ?)", (index,))
    for name in write.remove:
        changes[name] = ("NULL", ())
    return changes


def _sees(write: Write) -> tuple[str, ...]:
    """The columns of the old row that the new one depends on."""
    gone = {"key", *write.set, *write.remove}
    sources = {*write.copy.values(), *write.increment, *write.add}
    return tuple(name for name in ATTRIBUTES if name not in gone or name in sources)


def _let_see(changes: _Changes, sees: tuple[str, ...]) -> None:
    """Have one of the changes hand the old values over; one whose own value is NULL, if there is such."""
    name = min(changes, key=lambda name: changes[name][0] != "NULL", default="key")
    sql, takes = changes.get(name, ("`key`", ()))
    changes[name] = (f"{SEE}({', '.join((sql, *map(quoted, sees)))})", takes)


def _where(write: Write, at: int) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """The WHERE of a write, the values it takes (the key is number ``at``, the guard's follow), and which are sets."""
    terms, takes, sets = ["`key` = ?"], [at], []
    at += 1
    for clause in write.guard:
        either = []
        for attribute, operator, value in clause.any_of:
            values = () if value is None else tuple(value) if operator == "in" else (value,)
            sql, taken = _comparison(attribute, operator, values)
            either.append(sql)
            takes += [at + index for index in taken]
            sets += [at + index for index in taken if isinstance(values[index], (frozenset, set))]
            at += len(values)
        terms.append(f"({' OR '.join(either)})" if either else "0")
    return f"WHERE {' AND '.join(terms)}", tuple(takes), tuple(sets)


def _comparison(attribute: str, operator: str, values: tuple[Any, ...]) -> tuple[str, tuple[int, ...]]:
    """One comparison as SQL, and which of its values it takes.

    ``+column`` has no affinity: the text '5' is not the number 5, whatever the type of the column.
    """
    column, is_set = quoted(attribute), attribute in SETS
    if operator == "absent":
        return f"{column} IS NULL", ()
    if operator == "present":
        return f"{column} IS NOT NULL", ()
    if operator in ("=", "in"):
        # A set is stored as text, but is no text.
        same = tuple(i for i, value in enumerate(values) if isinstance(value, (frozenset, set)) == is_set)
        if not same:
            return "0", ()
        return (f"+{column} = ?" if len(same) == 1 else f"+{column} IN ({', '.join('?' * len(same))})"), same
    if operator == "count<":
        if not is_set:
            raise ValueError(f"count< is for sets, and {attribute!r} is none")
        return f"{SIZE}({column}) < ?", (0,)
    if operator in _ORDER:
        if not values or is_set:
            return "0", ()
        text = "=" if isinstance(values[0], str) else "<>"
        return f"(typeof({column}) {text} 'text' AND +{column} {operator} ?)", (0,)
    raise ValueError(f"{operator!r} is not an operator of core.writes.OPERATORS")


def take(values: Sequence[Any], indexes: tuple[int, ...] | None) -> Sequence[Any]:
    """The values in a statement's order; None: they are as collected."""
    return values if indexes is None else [values[index] for index in indexes]
