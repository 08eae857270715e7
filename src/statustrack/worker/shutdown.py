"""The end of a worker: nothing more is claimed, what runs has a grace period, and the rest is given back, uncounted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from statustrack.tracking.ending import plan_release
from statustrack.tracking.heartbeat import let_go
from statustrack.tracking.trace import log
from statustrack.worker.jobs import Work
from statustrack.worker.loop import Loop

#: After the grace, so long the worker tries to have what it gave back recorded.
RELEASE_SECONDS = 5.0


def finish(loop: Loop, grace_seconds: float, release_now: Callable[[], bool]) -> None:
    """Bring the loop to its end; ``release_now`` cuts the grace short."""
    loop.stopping = True
    _give_back_waiting(loop)
    until = monotonic() + grace_seconds
    released = False
    while loop.held:
        if not released and (release_now() or monotonic() >= until):
            _release_running(loop)
            released = True
            until = monotonic() + RELEASE_SECONDS
        elif released and monotonic() >= until:
            log(logging.ERROR, "release_unconfirmed", next(iter(loop.held))._hold.key, tasks=len(loop.held))
            loop.report.unknown += len(loop.held)
            break
        loop.turn(until)


def _give_back_waiting(loop: Loop) -> None:
    """Give back what was claimed and not begun."""
    taken: list[Work] = []
    while loop.threads.queue:
        try:
            taken.append(loop.threads.queue.popleft())
        except IndexError:  # a thread was quicker
            break
    for job in loop.jobs:
        with job.gate:
            taken += job.parked
            job.parked.clear()
    # Coroutines that wait for a loop which is busy elsewhere are in no queue of ours.
    taken += [work for work in loop.held if work.job.handler.is_async and work not in taken]
    waiting = [work for work in taken if work.withdraw()]
    for place in loop.places:
        works = [work for work in waiting if loop.place_of[id(work.job)] is place]
        for work in works:
            let_go(work._hold)
            loop.over(work)
        loop.report.claimed -= len(works)
        if works:
            place.give_back(works)


def _release_running(loop: Loop) -> None:
    """Give back what still runs; it is stopped as far as it can be."""
    for work in list(loop.held):
        loop.give_up(work, lambda work=work: plan_release(work), "the worker was told to stop")  # type: ignore[misc]
