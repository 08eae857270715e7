"""Keeps the leases of all held tasks of this process alive from one background thread, and tells holders of a loss."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from statustrack.core import lifecycle
from statustrack.core.config import TrackerConfig
from statustrack.core.record import NOT_LOCKED, recorded_outcome
from statustrack.core.writes import Row, Write
from statustrack.engines.clock import SystemClock
from statustrack.engines.protocol import Applied, Engine, Refused
from statustrack.tracking import hooks
from statustrack.tracking.identity import process

logger = logging.getLogger("statustrack")
_idle_clock = SystemClock()


class Hold:
    """One held lease: what it takes to renew it, and whether it still stands.

    All times are counted from before the request that took or renewed the lease was sent, on two clocks: boot time
    and wall time. The larger one counts: a suspended laptop or a frozen Lambda must not believe in its lease.
    """

    __slots__ = (
        "attempt",
        "boot_sent",
        "config",
        "due",
        "engine",
        "key",
        "lease_ms",
        "lock",
        "margin_ms",
        "on_lost",
        "released",
        "renewed_at",
        "table",
        "task",
        "token",
        "until_ms",
        "wall_sent",
        "why_lost",
    )

    def __init__(self, engine: Engine, table: str, config: TrackerConfig, key: str, token: str, lease_ms: int) -> None:
        self.engine = engine
        self.table = table
        self.config = config
        self.key = key
        self.token = token
        self.lease_ms = lease_ms
        self.margin_ms = engine.margin_ms(lease_ms)
        self.lock = threading.Lock()  # one renewal or update at a time: their lease ends must grow in the order sent
        self.attempt: int | None = None  # known once the claim has returned its row
        self.task: Any = None  # the same
        self.until_ms = 0
        self.boot_sent = 0
        self.wall_sent = 0
        self.due = 0
        self.why_lost: str | None = None
        self.released = False
        self.renewed_at: str | None = None  # the lock_time of the last heartbeat
        self.on_lost: Callable[[], None] | None = None

    def next_until(self, now: int) -> int:
        """The lease end of a renewal sent now: strictly later than the last one."""
        return max(now // 1000 + self.lease_ms, self.until_ms + 1)

    def sent(self, until_ms: int, boot: int, wall: int) -> None:
        """Take note of a lease that was granted: its end, and the clocks before its request was sent."""
        self.until_ms = until_ms
        self.boot_sent = boot
        self.wall_sent = wall
        self.due = boot + self.lease_ms * 1000 // 3

    def left_ms(self) -> int:
        """How long the holder may still believe in its lease (0 or less: it is over)."""
        clock = self.engine.clock
        held, by_wall = clock.boot() - self.boot_sent, clock.wall() - self.wall_sent
        if by_wall > held:
            held = by_wall
        return self.lease_ms - self.margin_ms - held // 1000

    @property
    def is_lost(self) -> bool:
        """Whether the lease is lost: taken by another, or over by the clock."""
        return self.why_lost is not None or self.left_ms() <= 0

    def reason(self) -> str:
        """Why it is lost, in words."""
        return self.why_lost or f"its lease of {self.lease_ms / 1000:g} s ran out without a renewal"

    def lose(self, why: str) -> None:
        """Mark it lost, and tell the holder once."""
        if self.why_lost is None and not self.released:
            self.why_lost = why
            logger.warning("lease lost: %s: %s", self.key, why, extra={"event": "lease_lost", "task": self.key})
            if self.on_lost is not None:
                self.on_lost()
            if hooks.registered and self.task is not None:
                hooks.fire_apart("lost", self.task, why)

    def renewal(self) -> tuple[Write, int, int, int]:
        """The heartbeat to send now, with its lease end and the clocks before it."""
        boot, wall = self.engine.clock.boot(), self.engine.clock.wall()
        now = self.engine.now()
        until = self.next_until(now)
        write = lifecycle.heartbeat(
            self.config, self.key, token=self.token, now=now, until_ms=until, attempt=self.attempt
        )
        return write, until, boot, wall

    def note(self, outcome: Any, until: int, boot: int, wall: int) -> None:
        """What came of a heartbeat."""
        if isinstance(outcome, Applied):
            self.sent(until, boot, wall)
        elif isinstance(outcome, Refused):
            self.refused(outcome.current)
        # Unknown: tried again soon; the deadline decides.

    def refused(self, current: Row | None) -> None:
        """A refused renewal is a loss only if another holds the task and no outcome of our own is recorded."""
        if current is None:
            self.lose("the task was deleted")
            return
        if current.get("lock") == self.token:
            return
        if recorded_outcome(current, self.token) is None:
            holder = current.get("worker") if current.get("lock") not in (None, NOT_LOCKED) else None
            self.lose(f"it was taken over by {holder}" if holder else "it was taken away (evicted, or ignored)")


class Heartbeat:
    """The background thread. It sleeps until the next renewal is due; one request renews as many as an engine
    batches."""

    #: Renewals due within this part of a lease go together.
    TOGETHER = 0.1
    #: With nothing held, the thread looks so often, so many times, before it ends.
    IDLE_SECONDS = 0.25
    IDLE_LOOKS = 20

    def __init__(self) -> None:
        self._held: dict[int, Hold] = {}
        self._wake = threading.Condition()
        self._next = float("inf")
        self._thread: threading.Thread | None = None
        self._pid = process()

    def add(self, hold: Hold) -> None:
        """Renew this lease from now on."""
        if self._pid != process():  # forked: the thread and what it held stayed with the parent
            self.__init__()  # type: ignore[misc]
        self._held[id(hold)] = hold
        if self._thread is None or hold.due < self._next:
            with self._wake:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="statustrack-heartbeat", daemon=True)
                    self._thread.start()
                if hold.due < self._next:
                    self._next = hold.due
                    self._wake.notify()

    def remove(self, hold: Hold) -> None:
        """Renew it no more."""
        hold.released = True
        self._held.pop(id(hold), None)

    def _run(self) -> None:
        pid, idle = process(), 0
        while pid == self._pid:
            holds = list(self._held.values())
            wake = self._beat(holds)
            with self._wake:
                # Somebody may have been added while we were sending; a lost lease is not waited for.
                held = [hold for hold in list(self._held.values()) if hold.why_lost is None]
                if held:
                    idle = 0
                    self._next = min(wake, *(hold.due for hold in held))
                    # Engines may have clocks of their own (in tests): each hold is due on its engine's.
                    soonest = min(held, key=lambda hold: hold.due - hold.engine.clock.boot())
                    clock = soonest.engine.clock
                    seconds = (min(wake, soonest.due) - clock.boot()) / 1_000_000
                    if seconds > 0:
                        clock.wait(self._wake, min(seconds, 3600.0))
                    continue
                # A program that runs one short task after the other must not pay for waking us with each of them, so we
                # look by ourselves, sooner than the shortest lease needs its first renewal; and end after a while.
                idle += 1
                if idle > self.IDLE_LOOKS:
                    self._thread, self._next = None, float("inf")
                    return
                self._next = _idle_clock.boot() + self.IDLE_SECONDS * 1_000_000
                self._wake.wait(self.IDLE_SECONDS)

    def _beat(self, holds: list[Hold]) -> float:
        """Renew what is due; the boot time at which to look again."""
        groups: dict[tuple[int, str], list[Hold]] = {}
        for hold in holds:
            boot = hold.engine.clock.boot()
            if hold.why_lost is not None:
                continue
            if hold.left_ms() <= 0:
                hold.lose(hold.reason())
            elif hold.due <= boot + hold.lease_ms * 1000 * self.TOGETHER:
                groups.setdefault((id(hold.engine), hold.table), []).append(hold)
        for group in groups.values():
            for at in range(0, len(group), 25):
                try:
                    renew(group[at : at + 25])
                except Exception:  # the thread must live: the other leases depend on it
                    logger.exception("heartbeat failed; it is tried again")
        soonest = float("inf")
        for hold in holds:
            if hold.released or hold.why_lost is not None:
                continue
            boot = hold.engine.clock.boot()
            if hold.due <= boot:  # not renewed: again soon, a tenth of the lease at the most
                hold.due = boot + min(hold.lease_ms * 100, 1_000_000)
            deadline = boot + max(0, hold.left_ms()) * 1000
            soonest = min(soonest, hold.due, deadline)
        return soonest


def renew(holds: Iterable[Hold]) -> None:
    """Send one batch of heartbeats (all of one engine and table) and tell each hold what came of it."""
    sending: list[tuple[Hold, Write, int, int, int]] = []
    try:
        for hold in holds:
            # An update that is under way renews the lease itself.
            if hold.lock.acquire(blocking=False):
                try:
                    made = None if hold.released else hold.renewal()
                except BaseException:
                    hold.lock.release()
                    raise
                if made is None:
                    hold.lock.release()
                else:
                    sending.append((hold, *made))
        if sending:
            first = sending[0][0]
            outcomes = first.engine.apply(first.table, [write for _, write, _, _, _ in sending])
            for (hold, write, until, boot, wall), outcome in zip(sending, outcomes, strict=True):
                hold.note(outcome, until, boot, wall)
                if isinstance(outcome, Applied):
                    hold.renewed_at = write.set["lock_time"]
    finally:
        for hold, *_ in sending:
            hold.lock.release()


_heartbeat = Heartbeat()
keep = _heartbeat.add  #: renew this lease in the background until it is let go
let_go = _heartbeat.remove
