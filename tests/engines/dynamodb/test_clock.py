"""Service time: learned from the dates of replies, whatever the machine's own clock says."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest

from statustrack.engines.clock import MovableClock
from statustrack.engines.dynamodb.clock import ServiceTime, parse_date

SECOND = 1_000_000
START = 1_795_000_000 * SECOND


class World:
    """A server with the right time, and a machine whose wall clock is wrong by ``off`` seconds."""

    def __init__(self, off: float = 0.0, seed: int = 1) -> None:
        self.clock = MovableClock(START + int(off * SECOND))
        self.time = ServiceTime(self.clock)
        self.true = START
        self.draw = random.Random(seed)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.true += int(seconds * SECOND)

    def request(self, there: float = 0.002, back: float = 0.002) -> None:
        self.time.sending()
        self.wait(there)
        date = formatdate(self.true // SECOND, usegmt=True)
        self.wait(back)
        self.time.received(date)

    def error(self) -> float:
        return abs(self.time.now(lambda: None) - self.true) / SECOND


@pytest.mark.parametrize("off", [0.0, 7.3, -7.3, 86_400.0])
def test_one_reply_leaves_half_a_second_and_traffic_shrinks_it(off: float) -> None:
    world = World(off)
    world.request()
    assert world.error() <= world.time.uncertainty() / SECOND + 0.001
    assert 0.4 < world.time.uncertainty() / SECOND < 0.55
    for _ in range(60):
        world.wait(world.draw.uniform(0, 3))
        world.request()
        assert world.error() <= world.time.uncertainty() / SECOND + 0.001
    assert world.time.uncertainty() / SECOND < 0.08
    assert world.error() < 0.08


def test_the_first_reply_is_asked_for() -> None:
    world = World(7.3)
    asked = []

    def ask() -> None:
        asked.append(1)
        world.request()

    assert not world.time.known()
    for _ in range(3):
        assert abs(world.time.now(ask) - world.true) < 0.6 * SECOND
    assert asked == [1]
    assert world.time.known()


def test_a_server_without_dates_is_taken_to_share_the_wall_clock() -> None:
    world = World(0.0)
    assert abs(world.time.now(lambda: None) - world.true) < SECOND // 10
    assert world.time.uncertainty() == SECOND


def test_somebody_setting_the_wall_clock_changes_nothing() -> None:
    world = World()
    world.request()
    before = world.time.now(lambda: None)
    world.clock.jump(-3600)
    assert abs(world.time.now(lambda: None) - before) < 1000


def test_what_was_learned_is_worth_less_the_older_it_is() -> None:
    world = World()
    for _ in range(40):
        world.wait(0.37)
        world.request()
    sharp = world.time.uncertainty()
    world.wait(3600)
    assert world.time.uncertainty() - sharp == pytest.approx(0.72 * SECOND, rel=0.01)


@pytest.mark.parametrize("rate", [-150e-6, 150e-6])
def test_a_boot_clock_that_drifts_is_followed(rate: float) -> None:
    world = World()
    for _ in range(500):
        seconds = world.draw.uniform(1, 120)
        world.clock.advance(seconds * (1 + rate))
        world.true += int(seconds * SECOND)
        world.request()
        assert world.error() <= world.time.uncertainty() / SECOND + 0.001


def test_replies_that_contradict_each_other_start_anew() -> None:
    """The machine slept, and its boot clock did not count that."""
    world = World()
    for _ in range(20):
        world.wait(0.41)
        world.request()
    world.true += 900 * SECOND
    world.request()
    assert world.error() <= 0.55
    assert world.time.uncertainty() / SECOND < 0.55


def test_front_ends_that_are_a_little_apart_do_not() -> None:
    world = World()
    for number in range(80):
        world.wait(world.draw.uniform(0, 2))
        skew = 8_000 if number % 2 else -8_000
        world.true += skew
        world.request()
        world.true -= skew
    assert world.time.uncertainty() / SECOND < 0.1


def test_slow_replies_say_little_but_nothing_wrong() -> None:
    world = World(3.0)
    for _ in range(30):
        world.request(there=world.draw.uniform(0, 2.5), back=world.draw.uniform(0, 2.5))
        assert world.error() <= world.time.uncertainty() / SECOND + 0.001


@pytest.mark.parametrize("text", ["", "now", "Tue, 99 Foo 2026 00:00:00 GMT", "1795000000"])
def test_a_date_that_is_none_is_passed_over(text: str) -> None:
    world = World()
    world.time.sending()
    world.time.received(text)
    assert not world.time.known()


def test_dates() -> None:
    assert parse_date("Thu, 01 Jan 1970 00:00:01 GMT") == SECOND
    assert parse_date("Tue, 24 Nov 2026 03:38:50 GMT") == 1_795_491_530 * SECOND


def test_margins() -> None:
    world = World()
    assert world.time.margin_ms(300_000) == 2000
    assert world.time.margin_ms(2_000) == 400
    assert world.time.slack_ms(300_000) == 2000
    world.request()
    assert world.time.slack_ms(2_000) == pytest.approx(1030, abs=20)  # twice half a second
    for _ in range(80):
        world.wait(world.draw.uniform(0, 2))
        world.request()
    assert world.time.slack_ms(2_000) == 400


def test_a_clock_of_a_test_is_service_time() -> None:
    clock = MovableClock(START)
    time = ServiceTime(clock, learn=False)
    time.sending()
    time.received("Tue, 24 Nov 2026 03:38:50 GMT")
    assert abs(time.now(lambda: None) - START) < 10
    clock.advance(100)
    assert abs(time.now(lambda: None) - START - 100 * SECOND) < 10
    assert (time.uncertainty(), time.margin_ms(10_000), time.slack_ms(10_000)) == (0, 2000, 2000)
