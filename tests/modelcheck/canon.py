"""States that differ only in names are one: which worker is which, what tokens are called, from where attempts count.

What nobody can ask for any more is forgotten: recorded outcomes whose token no worker, message or lock names (the last
one stays, without its name, so that losing it is still seen). So the graph is finite although claims are not counted.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from statustrack.core.payload import encode
from tests.modelcheck.protocol import Worker
from tests.modelcheck.space import Space
from tests.modelcheck.words import Spec


class Fact(NamedTuple):
    """What matters of a row for renaming it."""

    lock: str | None  #: if it is the token of a worker of ours
    attempt: int
    told: tuple[tuple[int, str], ...]  #: attempts and tokens in its histories


class Names:
    """One renaming: old token to new token, and old attempt number to new."""

    def __init__(self, space: Space, names: dict[str, str], numbers: dict[int, int]) -> None:
        self.space, self.names, self.numbers = space, names, numbers
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
            row["attempt"] = self.numbers[row["attempt"]]
        if "attempts" in row:
            entries = json.loads(row["attempts"])
            kept = [[self.numbers[e[0]], names[e[1]], *e[2:]] for e in entries if e[1] in names]
            if entries and entries[-1][1] not in names:
                kept.append([0, "x", 0, "x", 0, 0, "w"])
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
                    kept_late.add(f"{self.numbers[int(attempt)]} {names[token]}")
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
        self._facts: dict[int, Fact] = {0: Fact(None, 0, ()), -1: Fact(None, 0, ())}
        self._keys: dict[Worker, tuple[Any, ...]] = {}

    def _fact(self, number: int) -> Fact:
        fact = self._facts.get(number)
        if fact is None:
            row = self.space.rows[number] or {}
            lock = row.get("lock")
            ended = [(entry[0], entry[1]) for entry in json.loads(row.get("attempts", "[]"))]
            parts = [text.partition(" ") for text in row.get("late_results", ())]
            late = [(int(attempt), token) for attempt, _, token in parts if attempt[0] != "x"]
            fact = Fact(lock if lock and lock[0] in "wnd" else None, int(row.get("attempt") or 0), (*ended, *late))
            self._facts[number] = fact
        return fact

    def _key(self, me: Worker) -> tuple[Any, ...]:
        key = self._keys.get(me)
        if key is None:
            sent = me.request
            about = () if sent is None else (sent.event, sent.extra, sent.age)
            key = self._keys[me] = (me.phase, me.lease, me.renewals, me.step, about, self._fact(me.held).attempt)
        return key

    def rename(
        self, row: int, workers: tuple[Worker, ...], net: tuple[Spec, ...], ghost: tuple[tuple[int, str, str], ...]
    ) -> tuple[Names, tuple[int, ...], tuple[Worker, ...], tuple[Spec, ...], tuple[tuple[int, str, str], ...]]:
        """The state under its canonical names; the order says which worker comes from which place."""
        fact = self._fact(row)
        lock = fact.lock
        order = sorted(range(len(workers)), key=lambda slot: (self._key(workers[slot]), workers[slot].token == lock))
        names: dict[str, str] = {}
        facts = [fact]
        for place, slot in enumerate(order):
            me = workers[slot]
            if me.token:
                names[me.token] = f"w{place}"
            if me.held:
                facts.append(self._fact(me.held))
            if me.request is not None and me.request.row > 0 and me.request.row != me.held:
                facts.append(self._fact(me.request.row))
        for spec in net:
            if spec.token[0] in "wn" and spec.token not in names:
                names[spec.token] = f"n{len(names)}"
            if spec.row > 0:
                facts.append(self._fact(spec.row))
        attempts = {0}
        for fact in facts:
            if fact.lock is not None and fact.lock not in names:
                names[fact.lock] = f"d{len(names)}"
            attempts.add(fact.attempt)
        kept = [entry for entry in ghost if entry[1] in names or entry[1][0] == "o"]
        attempts.update([entry[0] for entry in kept])
        for fact in facts:
            attempts.update([attempt for attempt, token in fact.told if token in names])
        numbers = {number: rank for rank, number in enumerate(sorted(attempts))}
        key = (tuple(names.items()), tuple(numbers))
        renaming = self._names.get(key)
        if renaming is None:
            renaming = self._names[key] = Names(self.space, names, numbers)
        return (
            renaming,
            tuple(order),
            tuple([renaming.worker(workers[slot]) for slot in order]),
            tuple(sorted([renaming.spec(spec) for spec in net])) if net else net,
            tuple(sorted((numbers[e[0]], names.get(e[1], e[1]), e[2]) for e in kept)),
        )
