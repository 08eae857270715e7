"""``statustrack status``: how many tasks of each use case are in which step and status, read without user code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import Refusal, debug_option, engine_option, json_option, tables_option
from statustrack.core.status import STATUS_NAMES

if TYPE_CHECKING:
    from statustrack.core.directory import UseCaseEntry
    from statustrack.engines.protocol import Engine

#: DynamoDB reads, and bills, every index entry that it counts.
COUNTED = 10_000


@dataclass(frozen=True)
class StepCounts:
    """One step: its codes and counts by status name. A code that a later step waits for is counted there, and None
    here: ``goes_on_to`` names that step."""

    step: str
    codes: dict[str, int]
    counts: dict[str, int | None]
    goes_on_to: str | None


@dataclass(frozen=True)
class UseCaseCounts:
    """One use case. ``other`` counts codes of no known step; ``capped`` lists codes that have more than was counted."""

    use_case: str
    tasks: int
    steps: list[StepCounts]
    other: dict[str, int]
    capped: list[int]


@dataclass(frozen=True)
class TableCounts:
    """One table. Without ``complete`` it was written by others, and shards may be missing until ``init --adopt``."""

    table: str
    complete: bool
    use_cases: list[UseCaseCounts]


@click.command()
@engine_option()
@tables_option
@click.option("--exact", is_flag=True, help=f"Count beyond {COUNTED:,} per status too (on DynamoDB that costs).")
@json_option
@debug_option
def status(url: str, tables: tuple[str, ...], exact: bool, as_json: bool) -> None:
    """Count the tasks of each use case, step and status. Needs none of your code.

    \b
    statustrack status
    statustrack status --engine sqlite:///jobs.db --table jobs --json
    """
    from statustrack.cli import render
    from statustrack.engines.registry import open_engine

    engine = open_engine(url)
    most = None if exact else COUNTED
    found = [count_table(engine, table, most) for table in chosen(engine, tables)]
    if as_json:
        click.echo(json.dumps({"engine": engine.url, "tables": [asdict(table) for table in found]}, indent=2))
    else:
        render.status(engine.url, found)


def chosen(engine: Engine, tables: tuple[str, ...]) -> list[str]:
    """The tables that were named; else the only one that is there."""
    if tables:
        return list(dict.fromkeys(tables))
    there = engine.tables()
    if not there:
        raise Refusal(
            f"there is no table at {engine.url}. Name another place with --engine, or make one: statustrack init."
        )
    if len(there) > 1:
        raise Refusal(f"there are {len(there)} tables at {engine.url}: choose with --table: {', '.join(there)}.")
    return there


def count_table(engine: Engine, table: str, most: int | None) -> TableCounts:
    """Count one table by what its directory says of it."""
    from statustrack.tracking.directory import directory_of

    directory = directory_of(engine, table).read()
    use_cases = [_count(engine, table, name, entry, most) for name, entry in sorted(directory.use_cases.items())]
    return TableCounts(table, directory.complete, use_cases)


def _count(engine: Engine, table: str, name: str, entry: UseCaseEntry, most: int | None) -> UseCaseCounts:
    counts: dict[int, int] = {}
    capped: list[int] = []
    for code, shards in sorted(entry.shards.items()):
        parts = [engine.count(table, entry.partition(name, code, shard), most) for shard in range(1, shards + 1)]
        # An engine may count one page further than it was asked to.
        counts[code] = sum(part if most is None else min(part, most) for part in parts)
        if most is not None and any(part >= most for part in parts):
            capped.append(code)
    steps = sorted(entry.steps.values(), key=lambda step: step.codes)
    waiting = {step.codes[0]: step.label or str(step.codes[0]) for step in steps}
    lines = []
    for step in steps:
        codes = dict(zip(STATUS_NAMES, step.codes, strict=True))
        following = waiting.get(codes["succeeded"])
        own: dict[str, int | None] = {status: counts.get(code, 0) for status, code in codes.items()}
        if following is not None:
            own["succeeded"] = None
        lines.append(StepCounts(step.label or str(step.codes[0]), codes, own, following))
    known = {code for step in steps for code in step.codes}
    other = {str(code): count for code, count in counts.items() if code not in known and count}
    return UseCaseCounts(name, sum(counts.values()), lines, other, capped)
