"""Service time: the machine's boot clock plus an offset learned from the ``Date`` headers of DynamoDB's replies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from statustrack.core.times import MICROS, datetime_to_micros
from statustrack.engines.clock import Clock

#: The most that a lease is shortened for its own holder, and prolonged for everybody else.
LARGEST_MARGIN_MS = 2000

#: How far the clocks of DynamoDB's front ends may be apart without contradicting each other.
_APART = 10_000
#: How fast the boot clock may drift, in millionths: what was learned is worth less the older it is.
_DRIFT = 200
#: Taken for a server that sends no dates at all (an odd proxy): the wall clock, known to one second.
_WITHOUT_DATE = MICROS


class _Bounds(NamedTuple):
    """The offset lies between low and high (microseconds); at is when that was learned, on the boot clock."""

    low: int
    high: int
    at: int


class ServiceTime:
    """The clock that all users of one DynamoDB region share, as this process knows it.

    A reply that left the server in the second ``Date`` was stamped between our sending and our receiving it, so the
    offset lies in ``[date - received, date + 1 s - sent]``. One reply leaves half a second of doubt; the intersection
    over the normal traffic leaves hundredths. Where the intervals contradict each other (a suspended machine whose boot
    clock did not count, a server that was set) the newest one is right.

    With ``learn`` off it is ``clock.wall()``: for tests that move their clock.
    """

    def __init__(self, clock: Clock, learn: bool = True) -> None:
        self.clock = clock
        self.learn = learn
        self._bounds: _Bounds | None = None
        self._last = 0
        self._lock = threading.Lock()
        self._sent = threading.local()

    def known(self) -> bool:
        """Whether a reply has told the time."""
        return not self.learn or self._bounds is not None

    def now(self, ask: Callable[[], object]) -> int:
        """Service time in microseconds; ``ask`` sends any request, and is called when no reply has been seen yet."""
        if not self.learn:
            return self.clock.wall()
        bounds = self._bounds
        if bounds is None:
            ask()
            bounds = self._bounds
        if bounds is None:
            bounds = self._assume()
        now = self.clock.boot() + (bounds.low + bounds.high) // 2
        # A narrower interval can move its middle back, up to half a second. Time that goes back hides from a listing
        # what was written just before it; more than that was no refinement, and is believed.
        if 0 < self._last - now < 2 * MICROS:
            now = self._last + 1
        self._last = now
        return now

    def uncertainty(self) -> int:
        """By how many microseconds ``now`` may be wrong, either way."""
        if not self.learn:
            return 0
        bounds = self._bounds
        if bounds is None:
            return _WITHOUT_DATE
        return (bounds.high - bounds.low) // 2 + _drift(self.clock.boot() - bounds.at)

    def margin_ms(self, lease_ms: int) -> int:
        """How much before its end a lease is over for its own holder."""
        return min(LARGEST_MARGIN_MS, lease_ms // 5)

    def slack_ms(self, lease_ms: int) -> int:
        """How much after its end a lease is over for everybody else."""
        return max(self.margin_ms(lease_ms), -(-2 * self.uncertainty() // 1000))

    def sending(self) -> None:
        """A request is about to leave (each try of it); the reply comes in the same thread."""
        self._sent.at = self.clock.boot()

    def received(self, date: str) -> None:
        """A reply with this ``Date`` header has come."""
        if not self.learn:
            return
        sent = getattr(self._sent, "at", None)
        instant = parse_date(date)
        if sent is not None and instant is not None:
            self.observe(instant, sent, self.clock.boot())

    def observe(self, date: int, sent: int, received: int) -> None:
        """The second that begins at ``date`` overlaps the time from ``sent`` to ``received`` (boot clock)."""
        low, high = date - received - _APART, date + MICROS - sent + _APART
        with self._lock:
            before = self._bounds
            if before is not None:
                drift = _drift(received - before.at)
                both = max(low, before.low - drift), min(high, before.high + drift)
                if both[0] <= both[1]:
                    low, high = both
            self._bounds = _Bounds(low, high, received)

    def after_fork(self) -> None:
        """In the child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def _assume(self) -> _Bounds:
        offset = self.clock.wall() - self.clock.boot()
        self._bounds = bounds = _Bounds(offset - _WITHOUT_DATE, offset + _WITHOUT_DATE, self.clock.boot())
        return bounds


def _drift(elapsed: int) -> int:
    return max(0, elapsed) * _DRIFT // MICROS


_latest: tuple[str, int] = ("", 0)


def parse_date(text: str) -> int | None:
    """Microseconds since the epoch of an HTTP date; None for another format."""
    global _latest
    known, micros = _latest
    if text == known:  # replies of one second share their text, and parsing is slow
        return micros
    try:
        micros = datetime_to_micros(parsedate_to_datetime(text))
    except (TypeError, ValueError):
        return None
    _latest = (text, micros)
    return micros
