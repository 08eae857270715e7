"""Every clause of every guard removed in turn, and what notices: a mutant that nothing kills is a clause that nobody
needs, or a promise that nobody checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.modelcheck.explore import Scenario, Search
from tests.modelcheck.scenarios import (
    EDGES,
    FIRST,
    ONE,
    OPERATORS,
    RETENTION,
    TOLD,
    TWO,
    crowded,
    ended,
    failed,
    foreign,
    fresh,
    locked,
)  # fmt: skip
from tests.modelcheck.space import steps
from tests.modelcheck.words import Mutant

WORKS = ("succeed", "fail")
EVENTS = (
    "create", "claim", "take_over", "rescue", "heartbeat", "update", "succeed", "fail", "give_up", "release",
    "snooze", "give_back", "too_large", "late_result", "evict", "redrive", "ignore", "delete", "save",
    *RETENTION,
)  # fmt: skip


class Verdict(NamedTuple):
    """What became of a mutant."""

    mutant: Mutant
    problem: str | None  #: None: it survived
    trace: list[str]
    scenario: str
    states: int
    complete: bool  #: for a survivor: whether all scenarios were searched to their end

    def name(self) -> str:
        """The mutant in words."""
        return name(self.mutant)


def name(mutant: Mutant) -> str:
    """``claim without "ready_at has passed"``."""
    text = f'{mutant.event} without "{mutant.clause}"'
    if mutant.alternative is not None:
        attribute, operator, value = mutant.alternative
        text += f", alternative {attribute} {operator}" + ("" if value is None else f" {value}")
    return text


def targets(event: str) -> tuple[Scenario, ...]:
    """Small scenarios that put pressure on the guard of an event, the quickest first."""
    own = (event,) if event in ("give_up", "release", "snooze") else ()
    edges = Scenario("rows that wait or expire", ONE, EDGES, workers=1, finishes=WORKS, renewals=0)
    others = Scenario("rows of pynamodb_mate", ONE, foreign(FIRST), workers=1, finishes=(*WORKS, *own), renewals=0)
    pair = Scenario("2 workers", ONE, (fresh(FIRST),), finishes=own or WORKS, renewals=0, copies=1)
    kinds = (event,) if event in ("heartbeat", "update") else ("heartbeat",)
    renewing = Scenario("2 workers that renew", ONE, (fresh(FIRST),), finishes=("succeed", *own), kinds=kinds, copies=1,
                        renewals=2 if event == "update" else 1)  # fmt: skip
    two = Scenario("1 worker, 2 steps", TWO, (fresh(FIRST),), workers=1, finishes=own or WORKS, kinds=kinds, renewals=1,
                   copies=1)  # fmt: skip
    alone = Scenario("1 worker, late messages", ONE, (fresh(FIRST),), workers=1, finishes=own or WORKS, copies=2,
                     kinds=kinds)  # fmt: skip
    if event in RETENTION:
        alone = Scenario(f"{event}, redriven meanwhile", ONE, ended(FIRST), workers=0, renewals=0, finishes=WORKS,
                         operators=(event, "redrive", "create"), operations=2)  # fmt: skip
        mates = Scenario(f"{event} and pynamodb_mate", ONE, ended(FIRST), workers=0, renewals=0, finishes=WORKS,
                         operators=(event, "mate"), operations=2)  # fmt: skip
        work = Scenario(f"{event}, 1 worker", ONE, ended(FIRST), workers=1, renewals=0, finishes=("succeed",),
                        operators=(event, "redrive"), operations=2)  # fmt: skip
        return alone, mates, work
    if event in (*OPERATORS, "too_large", "evict"):
        rows = (*TOLD, *foreign(FIRST), *locked(FIRST))
        one = Scenario(f"{event}, 1 worker", ONE, rows, workers=1, finishes=WORKS, operators=(event,), operations=1,
                       renewals=0)  # fmt: skip
        twice = Scenario(f"{event} twice, 1 worker", ONE, rows, workers=1, finishes=WORKS, operators=(event,),
                         operations=2, renewals=1)  # fmt: skip
        several = tuple(dict.fromkeys((event, "evict", "redrive", "ignore", "create", "delete")))
        odd = Scenario(f"{event} beside all others", ONE, rows, workers=1, finishes=WORKS, renewals=0, operations=2,
                       operators=several)  # fmt: skip
        others_do = tuple(dict.fromkeys((event, "redrive", "ignore", "evict", "save", "delete", "create", "mate")))
        nobody = Scenario(f"{event} and other operators, no worker", ONE, rows, workers=0, finishes=WORKS, renewals=0,
                          operations=2, operators=others_do)  # fmt: skip
        fails = Scenario(f"{event}, 1 worker that fails", ONE, (fresh(FIRST), failed(FIRST)), workers=1, renewals=0,
                         finishes=("fail",), operators=(event,), operations=1)  # fmt: skip
        behind = fails._replace(
            name=f"{event}, 1 worker whose clock is behind", behind=1, configs=steps(1, max_retry=3)
        )
        held = Scenario(f"{event} of what somebody edits", ONE, foreign(FIRST), workers=0, renewals=0, finishes=WORKS,
                        operators=(event, "edit"), operations=2)  # fmt: skip
        two = Scenario(f"{event} and ignore", ONE, (failed(FIRST),), workers=0, renewals=0, finishes=WORKS,
                       operators=tuple(dict.fromkeys((event, "ignore"))), operations=2)  # fmt: skip
        again = Scenario(f"{event}, evict and pynamodb_mate", ONE, foreign(FIRST)[2:3], workers=0, renewals=0,
                         finishes=WORKS, operators=tuple(dict.fromkeys((event, "evict", "mate"))), operations=3,
                         )  # fmt: skip
        return two, held, again, behind, nobody, fails, one, twice, odd
    edited = Scenario("1 worker, somebody edits", ONE, (fresh(FIRST),), workers=1, finishes=own or WORKS, copies=1,
                      kinds=kinds, operators=("edit", "evict"), operations=1)  # fmt: skip
    # Somebody takes the task from a holder, and a worker of pynamodb_mate, which counts no attempt, takes it on.
    beats = Scenario("1 worker, late renewals", ONE, (fresh(FIRST),), workers=1, finishes=("succeed",), copies=1,
                     kinds=kinds, renewals=2)  # fmt: skip
    left = Scenario("left by pynamodb_mate, evicted, claimed", ONE, foreign(FIRST)[:4], workers=1,
    renewals=0,
                    finishes=("succeed",), operators=("evict", "mate"), operations=2)  # fmt: skip
    full = Scenario("1 worker, evicted, late results full", ONE, (crowded(FIRST),), workers=1, renewals=0,
                    finishes=("succeed",), operators=("evict",), operations=1)  # fmt: skip
    mate = Scenario("1 worker, evicted, then pynamodb_mate", ONE, (fresh(FIRST),), workers=1, finishes=own or WORKS,
                    kinds=kinds, renewals=int(event in kinds), operators=("evict", "mate"), operations=2,
                    copies=int(event in ("claim", "take_over", "rescue")))  # fmt: skip
    return {
        "claim": (others, edges, pair, two, edited),
        **dict.fromkeys(("take_over", "rescue"), (others, left, mate, pair, renewing, edited, two)),
        "late_result": (full, edited, pair, Scenario("late results of a deleted task", ONE, (fresh(FIRST),), workers=2,
                        finishes=("succeed",), renewals=0, operators=("delete", "evict"), operations=2)),
    }.get(event, (others, mate, beats, alone, pair, renewing, edited, two))  # fmt: skip


def mutants_of(events: Iterable[str] = EVENTS, alternatives: bool = False) -> list[Mutant]:
    """The clauses that the real functions give their guards, as met in a short search."""
    found: set[Mutant] = set()
    for event in events:
        for scenario in targets(event):
            search = Search(scenario)
            search.run(most_seconds=0.4)
            found |= {each for each in search.space.clauses if each.event == event}
    wanted = [each for each in found if alternatives or each.alternative is None]
    return sorted(wanted, key=lambda each: (EVENTS.index(each.event), each.clause, str(each.alternative)))


def judge(mutant: Mutant, most_seconds: float = 8.0, scenarios: Sequence[Scenario] | None = None) -> Verdict:
    """Search its scenarios until one finds a problem."""
    chosen = targets(mutant.event) if scenarios is None else scenarios
    left, states, complete = most_seconds, 0, True
    for place, scenario in enumerate(chosen):
        report = Search(scenario, mutant).run(most_seconds=max(0.3, left / (len(chosen) - place)))
        left, states, complete = left - report.seconds, states + report.states, complete and report.complete
        if report.problem is not None:
            # It counts only if the real guards, searched as far, break nothing: the problem is the mutant's.
            sane = Search(scenario).run(most_states=report.states)
            if sane.problem is not None:
                broken = f"BROKEN WITHOUT A MUTANT: {scenario.name}: {sane.problem}"
                return Verdict(mutant, None, sane.trace, broken, states, False)
            return Verdict(mutant, report.problem, report.trace, scenario.name, states, True)
    return Verdict(mutant, None, [], "", states, complete)


#: Mutants that no trace can kill, and why: the clause is kept for what it says, or as a second line of defence.
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "redrive",
        "status as observed",
    ): "with the attempt as observed and nobody holding it, only another operator can have "
    "changed the status, and that write's update_time is not before the redrive began; the clause is for operators "
    "whose "
    "clocks are apart",
    ("expire", "status as observed"): "only a save by hand changes the status and keeps expire_at; the clause is for "
    "that",
    ("lift_expiry", "status as observed"): "as for expire",
}
