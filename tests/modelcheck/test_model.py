"""The model checker with small bounds: what ``make verify`` does at length, in a few seconds."""

from __future__ import annotations

import pytest

from tests.modelcheck import mutants
from tests.modelcheck.explore import Scenario, Search
from tests.modelcheck.scenarios import SMALL
from tests.modelcheck.words import Mutant

MINE = "the lock token is mine"


@pytest.mark.parametrize("scenario", SMALL, ids=[each.name for each in SMALL])
def test_every_state_within_small_bounds_is_sound(scenario: Scenario) -> None:
    report = Search(scenario).run(most_seconds=60)
    assert report.problem is None, "\n".join([report.problem or "", *report.trace])
    assert report.complete
    assert report.states > 100


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant("create", "no such key"),
        Mutant("claim", "the status can be claimed"),
        Mutant("claim", "ready_at has passed"),
        Mutant("heartbeat", MINE),
        Mutant("succeed", MINE),
        Mutant("fail", MINE),
        Mutant("redrive", "nobody holds it"),
        Mutant("delete", "nobody holds it"),
        Mutant("save", "nobody holds it"),
        Mutant("expire", "expire_at as observed"),
        Mutant("expire", "nobody holds it"),
        Mutant("lift_expiry", "nobody holds it"),
    ],
    ids=mutants.name,
)
def test_a_guard_without_this_clause_is_noticed(mutant: Mutant) -> None:
    verdict = mutants.judge(mutant, most_seconds=10)
    assert verdict.problem is not None, f"{verdict.name()} survived {verdict.states} states"
    assert verdict.trace
