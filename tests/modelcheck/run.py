"""``python -m tests.modelcheck.run``: explores the bounds of ``make verify``, then mutants, then seeded random walks.

Exit status 1 when an invariant broke or a mutant survived that is not explained.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from typing import Any

from tests.modelcheck import mutants, scenarios
from tests.modelcheck.explore import Report, Scenario, Search, told
from tests.modelcheck.scenarios import FINISHES, FIRST, OPERATORS
from tests.modelcheck.space import steps

MOST_SECONDS = 110.0
WALKS = Scenario(
    "random walks", steps(2, max_retry=3), (*scenarios.TOLD, *scenarios.EDGES, *scenarios.foreign(FIRST)), workers=3,
    renewals=2, kinds=scenarios.BOTH, finishes=FINISHES, operators=OPERATORS, operations=3, copies=2,
    delay=3,
)  # fmt: skip


def explore(index: int, most_seconds: float = MOST_SECONDS) -> Report:
    """One scenario of FULL; without the scenario itself, which does not go from process to process."""
    report = Search(scenarios.FULL[index]).run(most_seconds=most_seconds)
    return report._replace(scenario=None)  # type: ignore[arg-type]


def walk(seed: int, most_seconds: float, length: int = 60) -> tuple[int, int, str | None, list[str]]:
    """Random walks beyond the bounds: how many, how many moves, what broke and how it came to that."""
    draw, search, began, walks, count = random.Random(seed), Search(WALKS), time.process_time(), 0, 0
    starts = list(search.starts())
    while time.process_time() - began < most_seconds:
        name, state = draw.choice(starts)
        lines, who, walks = [name], list(range(WALKS.workers)), walks + 1
        for _ in range(length):
            problem = search.check(state)
            moves = list(search.moves(state)) if problem is None else []
            for action, _, broken in moves:
                if broken is not None:
                    lines.append(told(action, who))
                    problem = broken
                    break
            if problem is not None:
                return walks, count, problem, lines
            if not moves:
                break
            count += len(moves)
            action, after, _ = draw.choice(moves)
            lines.append(told(action, who))
            state, order = search._canonical(after)
            who = [who[place] for place in order]
    return walks, count, None, []


def show(report: Report) -> None:
    """A report in words."""
    complete = "complete" if report.complete else "NOT COMPLETE (time was up)"
    if report.problem is not None:
        complete = "stopped at a problem"
    print(f"{report.scenario.name}: {complete}")
    print(f"    {report.scenario.bounds()}")
    print(f"    from: {', '.join(each[0] for each in report.scenario.rows)}")
    print(
        f"    {report.states:,} states, {report.transitions:,} transitions, {report.rows:,} rows, "
        f"{report.seconds:.0f} s; longest recovery {report.longest_recovery} writes and ticks",
        flush=True,
    )
    if report.problem is not None:
        show_trace(report.problem, report.trace)


def show_trace(problem: str, trace: list[str]) -> None:
    """What broke, and how."""
    print(f"    {problem}:")
    for number, line in enumerate(trace):
        print(f"      {number}. {line}")
    sys.stdout.flush()


def show_mutants(verdicts: Any, traces: bool) -> int:
    """Prints what kills each mutant; returns how many survived without an explanation."""
    killed = explained = unexplained = 0
    for verdict in verdicts:
        if verdict.problem is not None:
            killed += 1
            print(f"killed: {verdict.name()} [{verdict.scenario}]", flush=True)
            show_trace(verdict.problem, verdict.trace if traces else verdict.trace[-1:])
            continue
        reason = mutants.EQUIVALENT.get((verdict.mutant.event, verdict.mutant.clause))
        searched = "all its scenarios complete" if verdict.complete else "time was up"
        explained += reason is not None
        unexplained += reason is None
        print(f"SURVIVED: {verdict.name()} ({verdict.states:,} states, {searched}): {reason or 'NOT EXPLAINED'}")
        if verdict.scenario:
            show_trace(verdict.scenario, verdict.trace)
    print(f"mutants: {killed} killed, {explained} survived with a reason, {unexplained} survived without one")
    return unexplained


def main(arguments: list[str] | None = None) -> int:
    """Runs it all."""
    parser = argparse.ArgumentParser(prog="python -m tests.modelcheck.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="CPU seconds for each scenario")
    parser.add_argument("--mutant-seconds", type=float, default=16.0, help="CPU seconds for each mutant")
    parser.add_argument("--walk-seconds", type=float, default=20.0, help="CPU seconds for each seed's random walks")
    parser.add_argument("--seeds", type=int, default=2, help="how many seeds for random walks")
    parser.add_argument("--only", choices=("scenarios", "mutants", "walks"), help="one part alone")
    parser.add_argument("--no-traces", action="store_true", help="only the last line of each mutant's trace")
    given = parser.parse_args(arguments)
    bad = 0
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        if given.only in (None, "scenarios"):
            todo = [pool.apply_async(explore, (index, given.seconds)) for index in range(len(scenarios.FULL))]
            for scenario, each in zip(scenarios.FULL, todo, strict=True):
                report = each.get()._replace(scenario=scenario)
                show(report)
                bad += report.problem is not None
        if given.only in (None, "mutants"):
            found = mutants.mutants_of()
            todo = [pool.apply_async(mutants.judge, (each, given.mutant_seconds)) for each in found]
            bad += show_mutants((each.get() for each in todo), not given.no_traces)
        if given.only in (None, "walks"):
            print(f"random walks: {WALKS.bounds()}")
            todo = [pool.apply_async(walk, (seed, given.walk_seconds)) for seed in range(1, given.seeds + 1)]
            for seed, each in enumerate(todo, 1):
                walks, moves, problem, trace = each.get()
                print(f"    seed {seed}: {walks:,} walks, {moves:,} moves checked", flush=True)
                if problem is not None:
                    bad += 1
                    show_trace(problem, trace)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
