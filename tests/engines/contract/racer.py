"""One process of a race, `python -m tests.engines.contract.racer URL TABLE NAME KEYS SEED`; credentials by environment.

It says `ready`, waits for a line, claims every task, counts one up in the task `counter`, and prints what it won.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence

from statustrack.core.writes import Clause, Comparison, Write
from statustrack.engines.protocol import Applied, Engine, Outcome
from statustrack.engines.registry import open_engine
from tests.engines.contract.rows import PRESENT

FREE = (Clause("free", (Comparison("lock", "absent"),)),)


def claim(key: str, name: str) -> Write:
    """A claim that only one can win."""
    return Write(
        "claim",
        key,
        FREE,
        set={"lock": name, "worker": name},
        increment={"attempt": 1},
        copy={"claimed_from": "value"},
        mine=lambda current: current.get("lock") == name,
    )


def race(engine: Engine, table: str, keys: Sequence[str], name: str, seed: int) -> list[str]:
    """Claim all tasks in an order of one's own, some one by one, some in lists; the keys that were won."""
    chance = random.Random(seed)
    order = chance.sample(list(keys), len(keys))
    won: list[str] = []
    while order:
        size = chance.choice((1, 1, 5, 15))
        part, order = order[:size], order[size:]
        outcomes: list[Outcome] = engine.apply(table, [claim(key, name) for key in part])
        won += [key for key, outcome in zip(part, outcomes, strict=True) if isinstance(outcome, Applied)]
    return won


def count(engine: Engine, table: str, key: str, times: int) -> int:
    """Count up that many times; how many were applied."""
    write = Write("count", key, PRESENT, increment={"attempt": 1})
    return sum(isinstance(engine.apply(table, [write])[0], Applied) for _ in range(times))


def main(url: str, table: str, name: str, keys: str, seed: str) -> None:
    engine = open_engine(url)
    engine.get(table, ["counter"])
    print("ready", flush=True)
    sys.stdin.readline()
    won = race(engine, table, json.loads(keys), name, int(seed))
    print(json.dumps({"won": won, "counted": count(engine, table, "counter", 20)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
