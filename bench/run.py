"""All benchmarks in one run, and the page that says what came of them: ``make bench``, or ``make bench ARGS=--quick``.

Writes bench/results.json, docs/benchmarks.md and docs/images/benchmarks.svg, and prints each number beside its bar.
With ``--quick`` everything is small, and what comes of it goes to build/bench instead.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import page, scenarios, sqlite_one
from bench.measure import fdatasync_ms, folder, machine
from tests.dynamodb_local import DynamoDBLocal


def measure(quick: bool, only: list[str]) -> dict[str, Any]:
    """The results of every scenario (or of those that are named), by its name."""
    rounds = 1 if quick else 5
    size = 10_000 if quick else 100_000
    server = DynamoDBLocal()
    todo: dict[str, Callable[[], Any]] = {
        "sqlite_one": lambda: sqlite_one.run(1 if quick else 9, 300 if quick else 2000),
        "four_processes": lambda: scenarios.four_processes(rounds, 0.5 if quick else 3.0),
        "create_many": lambda: scenarios.create_many(rounds, size, size // 2),
        "sqlite_listing": lambda: scenarios.sqlite_listing(rounds, size),
        "finished": lambda: scenarios.finished(1 if quick else 7, size),
        "costs": lambda: scenarios.costs(server, 3 * rounds),
        "dynamodb_one": lambda: scenarios.dynamodb_one(server, rounds, 40 if quick else 250),
        "dynamodb_listing": lambda: scenarios.dynamodb_listing(server, rounds, size),
    }
    results: dict[str, Any] = {"machine": machine(), "python": platform.python_version()}
    try:
        for name, scenario in todo.items():
            if only and name not in only:
                continue
            began = time.perf_counter()
            print(f"{name} (fdatasync {fdatasync_ms():.3f} ms) ...", end=" ", flush=True)
            results[name] = scenario()
            print(f"{time.perf_counter() - began:.0f} s", flush=True)
    finally:
        server.stop()
    results["date"] = time.strftime("%Y-%m-%d")
    return results


def main() -> int:
    """Measure, write, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it all run?")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these; the results of the others stay")
    given = parser.parse_args()
    kept = folder() / "results.json" if given.quick else page.RESULTS
    results = json.loads(kept.read_text(encoding="utf-8")) if given.only and kept.exists() else {}
    results.update(measure(given.quick, given.only))
    kept.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page.write(results, folder() if given.quick else None)
    for bar in page.bars(results):
        print(f"{'ok  ' if bar.met else 'MISS'} {bar.text}: {bar.measured} (asked: {bar.asked})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
