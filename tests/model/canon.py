"""States that differ only in names are one: which worker is which, what tokens are called, from where attempts count.

What nobody can ask for any more is forgotten: recorded outcomes whose token no worker, message or lock names (the last
one stays, without its name, so that losing it is still seen). So the graph is finite although claims are not counted.
"""

from __future__ import annotations

import json
from typing import Any

from statustrack.core.payload import encode
from tests.model.protocol import Worker
from tests.model.space import Space
from tests.model.words import Spec


class Names:
    """One renaming: old token to new token, and how much lower attempts count."""

    def __init__(self, space: Space, names: dict[str, str], lower: int) -> None:
        self.space, self.names, self.lower = space, names, lower
        self._rows: dict[int, int] = {}
        self._specs: dict[Spec, Spec] = {}
        self._workers: dict[Worker, Worker] = {}

    def row(self, number: int) -> int:
        """The row under its new names."""
        if number <= 0:
            return number
        after = self._rows.get(number)
        if after is None:
            after = self._rows[number] = self.space.intern(self._rename(number))
        return after

    def _rename(self, number: int) -> dict[str, Any]:
        row = dict(self.space.rows[number] or {})
        names = self.names
        if row.get("lock") in names:
            row["lock"] = names[row["lock"]]
        if row.get("attempt"):
            row["attempt"] -= self.lower
        if "attempts" in row:
            entries = json.loads(row["attempts"])
            kept = [[e[0] - self.lower, names[e[1]], *e[2:]] for e in entries if e[1] in names]
            if entries and entries[-1][1] not in names:
                kept.append([entries[-1][0] - self.lower, "x", 0, "x", 0, 0, "w"])
            row["attempts"] = encode(kept)
        if row.get("data", "{}")[2:-1].partition('"')[0] not in ("", "saved"):
            token, _, version = row["data"][2:-1].partition('":')
            row["data"] = f'{{"{names[token]}":{version}}}' if token in names else "{}"
        if "late_results" in row:
            kept_late = set()
            for text in row["late_results"]:
                attempt, _, token = text.partition(" ")
                if text[0] == "x":
                    kept_late.add(text)
                elif token in names:
                    kept_late.add(f"{int(attempt) - self.lower} {names[token]}")
            row["late_results"] = frozenset(kept_late)
            if not kept_late:
                del row["late_results"]
        return row

    def spec(self, spec: Spec) -> Spec:
        """The message under its new names."""
        after = self._specs.get(spec)
        if after is None:
            after = spec._replace(token=self.names.get(spec.token, spec.token), row=self.row(spec.row))
            self._specs[spec] = after
        return after

    def worker(self, worker: Worker) -> Worker:
        """The worker under its new names."""
        after = self._workers.get(worker)
        if after is None:
            request = self.spec(worker.request) if worker.request is not None else None
            after = worker._replace(
                token=self.names.get(worker.token, worker.token), held=self.row(worker.held), request=request
            )
            self._workers[worker] = after
        return after


class Canon:
    """Renames states, and remembers renamings."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._names: dict[Any, Names] = {}
        self._facts: dict[int, tuple[str | None, int]] = {0: (None, 0), -1: (None, 0)}
        self._keys: dict[Worker, tuple[Any, ...]] = {}

    def _fact(self, number: int) -> tuple[str | None, int]:
        """The lock (if it is a token) and the lowest attempt that matters of a row."""
        fact = self._facts.get(number)
        if fact is None:
            row = self.space.rows[number] or {}
            lock = row.get("lock")
            fact = (lock if lock and lock[0] in "wnd" else None, int(row.get("attempt") or 0))
            self._facts[number] = fact
        return fact

    def _key(self, me: Worker) -> tuple[Any, ...]:
        key = self._keys.get(me)
        if key is None:
            sent = me.request
            about = () if sent is None else (sent.event, sent.extra, sent.age)
            key = self._keys[me] = (me.phase, me.lease, me.renewals, me.step, about, self._fact(me.held)[1])
        return key

    def rename(
        self, row: int, workers: tuple[Worker, ...], net: tuple[Spec, ...], ghost: tuple[tuple[int, str, str], ...]
    ) -> tuple[Names, tuple[int, ...], tuple[Worker, ...], tuple[Spec, ...], tuple[tuple[int, str, str], ...]]:
        """The state under its canonical names; the order says which worker comes from which place."""
        lock, lowest = self._fact(row)
        order = sorted(range(len(workers)), key=lambda slot: (self._key(workers[slot]), workers[slot].token == lock))
        names: dict[str, str] = {}
        locks: list[str | None] = [lock]
        attempts = [lowest] if row else []
        for place, slot in enumerate(order):
            me = workers[slot]
            if me.token:
                names[me.token] = f"w{place}"
            for number in (me.held, me.request.row if me.request is not None else -1):
                if number > 0:
                    fact = self._fact(number)
                    attempts.append(fact[1])
                    locks.append(fact[0])
        for spec in net:
            if spec.token[0] in "wn" and spec.token not in names:
                names[spec.token] = f"n{len(names)}"
            if spec.row > 0:
                fact = self._fact(spec.row)
                attempts.append(fact[1])
                locks.append(fact[0])
        for each in locks:
            if each is not None and each not in names:
                names[each] = f"d{len(names)}"
        kept = [entry for entry in ghost if entry[1] in names or entry[1][0] == "o"]
        attempts.extend(entry[0] for entry in kept if entry[1][0] != "o")
        lower = max(0, min(attempts) - 1) if attempts else 0
        key = (tuple(names.items()), lower)
        renaming = self._names.get(key)
        if renaming is None:
            renaming = self._names[key] = Names(self.space, names, lower)
        return (
            renaming,
            tuple(order),
            tuple([renaming.worker(workers[slot]) for slot in order]),
            tuple(sorted([renaming.spec(spec) for spec in net])) if net else net,
            tuple(sorted((e[0] - lower, names.get(e[1], e[1]), e[2]) for e in kept)),
        )
