"""The benchmarks run, in a small way: what they count is right, whatever the figures are."""

from __future__ import annotations

import pytest

from bench import page, scenarios
from bench.measure import child, fdatasync_ms


def test_several_writers_share_a_file() -> None:
    told = child("bench.sqlite_writers", 2, 0.2)
    assert len(told["done"]) == 2 and min(told["done"]) > 0
    assert 0 < told["least_of_most"] <= 1 and told["slowest_ms"] > 0


def test_creating_listing_and_working_are_timed() -> None:
    assert child("bench.sqlite_bulk", "create", 10, 100)["per_s"] > 0
    assert child("bench.sqlite_bulk", "list", 1100)["ms"] > 0
    slower = scenarios.finished(1, 50)["slower"]
    assert set(slower) == {"create", "start to success", "claims in batches", "looking"}


@pytest.mark.dynamodb
def test_the_clients_of_dynamodb_are_compared_on_it_and_on_a_stub(dynamodb_endpoint: str) -> None:
    with scenarios.stub() as instant:
        for endpoint in (dynamodb_endpoint, instant):
            for peer in scenarios.DYNAMODB_PEERS:
                told = child("bench.dynamodb_peers", peer, 3, endpoint, 0.0)
                assert (told["executed"], told["duplicate"], told["lost"]) == (3, 0, 0)


@pytest.mark.dynamodb
def test_operations_cost_what_the_bars_ask(dynamodb_endpoint: str) -> None:
    costs = child("bench.costs", dynamodb_endpoint, 1)
    assert [bar.text for bar in page.bars({"costs": costs}) if not bar.met and not bar.text.startswith("import")] == []


def test_the_disk_is_looked_at() -> None:
    assert fdatasync_ms(3) > 0
