"""The model checker with small bounds: what ``make verify`` does at length, in a few seconds."""

from __future__ import annotations

import pytest

from tests.model import mutants
from tests.model.explore import Scenario, Search
from tests.model.scenarios import SMALL
from tests.model.words import Mutant


@pytest.mark.parametrize("scenario", SMALL, ids=[each.name for each in SMALL])
def test_every_state_within_small_bounds_is_sound(scenario: Scenario) -> None:
    report = Search(scenario).run(most_seconds=60)
    assert report.problem is None, "\n".join([report.problem or "", *report.trace])
    assert report.complete
    assert report.states > 100


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant("claim", "the status can be claimed"),
        Mutant("claim", "ready_at has passed"),
        Mutant("take_over", "lease_until as observed"),
    ],
    ids=mutants.name,
)
def test_a_guard_without_this_clause_is_noticed(mutant: Mutant) -> None:
    verdict = mutants.judge(mutant, most_seconds=10)
    assert verdict.problem is not None, f"{verdict.name()} survived {verdict.states} states"
    assert verdict.trace
