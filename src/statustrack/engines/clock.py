"""The only place that reads the machine's clocks: wall time, and boot time (which goes on while a laptop sleeps)."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

_BOOT_CLOCK: Any = getattr(time, "CLOCK_BOOTTIME", None)
_read_ns: Any = getattr(time, "clock_gettime_ns", None)  # there is none on Windows


class Clock(Protocol):
    """Two readings in microseconds; tests give their own."""

    def wall(self) -> int:
        """Microseconds since the epoch, as the machine believes."""
        ...

    def boot(self) -> int:
        """Microseconds since some fixed instant; never steps; counts suspension where the system has such a clock."""
        ...

    def wait(self, event: threading.Event | threading.Condition, seconds: float) -> bool:
        """Wait for the event (or, holding it, for the condition), at most ``seconds`` of this clock."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> int:
        return time.time_ns() // 1000

    if _BOOT_CLOCK is not None:

        def boot(self) -> int:
            now: int = _read_ns(_BOOT_CLOCK)
            return now // 1000

    else:  # macOS and Windows: monotonic counts (macOS: does not count) suspension; wall time covers the rest

        def boot(self) -> int:
            return time.monotonic_ns() // 1000

    def wait(self, event: threading.Event | threading.Condition, seconds: float) -> bool:
        return event.wait(seconds)


class MovableClock:
    """A clock that stands still until it is told to move: for tests.

    ``advance(seconds)`` moves both readings; ``jump(seconds)`` moves only the wall clock (somebody set it).
    Waiting does not wait: whoever moves the clock decides what happens meanwhile.
    """

    def __init__(self, wall: int | None = None) -> None:
        self._lock = threading.Lock()
        self._wall = time.time_ns() // 1000 if wall is None else wall
        self._boot = 1_000_000_000

    def wall(self) -> int:
        with self._lock:
            self._wall += 1  # no two readings are equal, as on a real machine
            return self._wall

    def boot(self) -> int:
        with self._lock:
            self._boot += 1
            return self._boot

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._wall += int(seconds * 1_000_000)
            self._boot += int(seconds * 1_000_000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward (or back, with a negative number)."""
        with self._lock:
            self._wall += int(seconds * 1_000_000)

    def wait(self, event: threading.Event | threading.Condition, seconds: float) -> bool:
        # A short real wait, so that a background thread of the library does not spin while the test decides.
        return event.wait(0.02)
