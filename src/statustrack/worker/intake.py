"""What a worker claims next: how much, of which step, and what must wait until nothing else is in hand."""

from __future__ import annotations

import random
from collections import deque
from time import monotonic

from statustrack.core.errors import StorageError
from statustrack.worker.claims import Claims
from statustrack.worker.jobs import Job, Work
from statustrack.worker.places import Place
from statustrack.worker.threads import Threads

#: As many tasks are held unstarted as are finished in this time, or while the storage takes and gives so many times.
AHEAD_SECONDS, AHEAD_EXCHANGES = 0.05, 4
#: The rate of a step is looked at so often.
RATE_SECONDS = 0.02
FIRST_POLL_SECONDS = 0.01
#: Claims in one request of one step, whatever there is room for.
MOST_CLAIMS = 250
#: A suspect waits so long for the process to have nothing else in hand; then nothing else is claimed until it has run.
SUSPECT_SECONDS = 30.0
#: So long one suspect after the other is run alone, and then so long other tasks have their turn.
ALONE_SECONDS = 1.0
MOST_SUSPECTS = 100_000


class Intake:
    """Decides what is claimed. Belongs to the loop: only its thread calls it."""

    def __init__(self, jobs: list[Job], places: dict[int, Place], threads: Threads, concurrency: int, batch: int):
        self.jobs = jobs
        self.place_of = places  #: by id of the job
        self.fresh = True  #: something has become claimable: look at once
        self.more = True  #: whether there are free hands, and tasks that were not looked at
        self.poll_at = 0.0
        self.suspects: deque[tuple[Job, str, float]] = deque()
        self.alone: Work | None = None  #: the suspect that runs now
        self._threads = threads
        self._concurrency = concurrency
        self.ahead_seconds = AHEAD_SECONDS
        self._batch = batch
        self._pause = FIRST_POLL_SECONDS
        self._longest_pause = max(place.longest_pause for place in places.values())
        self._rated = monotonic()
        self._rotation = 0
        self._alone_until = 0.0
        self._alone_after = 0.0

    def wanted(self, now: float, hands_empty: bool, leaving: dict[bool, int]) -> list[Claims]:
        """The claims to send now. ``hands_empty``: nothing is held and nothing waits to be recorded; ``leaving``: how
        many (threads', coroutines') are being recorded in the same request."""
        self._rate(now)
        self.more = False
        if self.alone is not None:
            return []
        if self.suspects:
            if hands_empty and (alone := self._next_suspect(now)) is not None:
                return [alone]
            if not hands_empty and self.suspects[0][2] + SUSPECT_SECONDS < now:
                return []
        if self.fresh or now >= self.poll_at:
            self._poll(now)
        claims: list[Claims] = []
        order = self.jobs[self._rotation :] + self.jobs[: self._rotation]
        self._rotation = (self._rotation + 1) % len(self.jobs)
        rooms = {kind: self.room(kind) + leaving[kind] for kind in (False, True)}
        for left, job in zip(range(len(order), 0, -1), order, strict=True):
            place = self.place_of[id(job)]
            room = rooms[job.handler.is_async]
            want = min(-(-room // left), room, self._most(job, place))
            if want <= 0 or now < place.trouble_until:
                continue
            try:
                keys = job.source.take(want, place.engine.now())
                if keys:
                    claims.append(Claims(job, keys))
            except StorageError as error:
                place.trouble(error)
                continue
            self.more = self.more or not job.source.is_read
            rooms[job.handler.is_async] -= len(keys)
        if claims:
            self._pause = FIRST_POLL_SECONDS
        return claims

    def exchanged(self, seconds: float) -> None:
        """A request with claims and outcomes took so long."""
        self.ahead_seconds = max(AHEAD_SECONDS, min(AHEAD_EXCHANGES * seconds, 1.0))
        for job in self.jobs:
            job.source.exchange_seconds += (seconds - job.source.exchange_seconds) * 0.3

    def _most(self, job: Job, place: Place) -> int:
        """How many tasks of one step may be claimed at once."""
        # Many in one request are one transaction, or four requests side by side.
        quick = job.rate * self.ahead_seconds >= self._batch
        most = max(self._batch, min(place.engine.batch, 100) if quick else self._batch)
        if quick and place.engine.parallel_reads:
            most = 4 * self._batch
        if job.handler.is_async:  # many wait at a time, and often end together
            most = max(most, MOST_CLAIMS)
        if job.handler.max_concurrency is not None:
            most = min(most, job.handler.max_concurrency + int(job.rate * self.ahead_seconds) - job.held)
        return most

    def room(self, is_async: bool) -> int:
        """How many more tasks there are hands for, and a little ahead where they finish quickly."""
        held = sum(job.held for job in self.jobs if job.handler.is_async == is_async)
        hands = self._concurrency - (0 if is_async else len(self._threads.stuck))
        rate = sum(job.rate for job in self.jobs if job.handler.is_async == is_async)
        ahead = min(int(rate * self.ahead_seconds), 4 * self._batch)
        return max(0, hands + ahead - held) if hands > 0 else 0

    def _rate(self, now: float) -> None:
        passed = now - self._rated
        if passed < RATE_SECONDS:
            return
        self._rated = now
        for job in self.jobs:
            rate, job.finished = job.finished / passed, 0
            job.rate = rate if rate > job.rate else job.rate * 0.7 + rate * 0.3

    def _poll(self, now: float) -> None:
        if self.fresh:
            self.fresh, self._pause = False, FIRST_POLL_SECONDS
        for job in self.jobs:
            place = self.place_of[id(job)]
            if now >= place.trouble_until:
                try:
                    job.source.poll(place.engine.now())
                except StorageError as error:
                    place.trouble(error)
        self.poll_at = now + self._pause * (0.5 + random.random())
        self._pause = min(self._pause * 1.5, self._longest_pause)

    def next_event(self, now: float) -> float:
        """When (monotonic) there may be something to claim, unless somebody tells us before."""
        until = self.poll_at
        if self.suspects and self.alone is None:
            until = min(until, max(self._alone_after, now))
        if self.room(False) > 0 or self.room(True) > 0:
            for job in self.jobs:
                due = job.source.next_due()
                if due is not None:
                    until = min(until, now + due / 1000 - job.engine.now() / 1_000_000)
        for place in set(self.place_of.values()):
            if place.trouble_until > now:
                until = max(until, place.trouble_until)
        return until

    # --- suspects ----------------------------------------------------------------------------------------------------

    def suspect(self, job: Job, key: str) -> None:
        """The last attempt at this task was lost: run it when nothing else is in hand, so that, if it kills its
        process, it takes no other with it."""
        if key not in job.source.taboo and len(self.suspects) < MOST_SUSPECTS:
            job.source.taboo.add(key)
            self.suspects.append((job, key, monotonic()))

    def _next_suspect(self, now: float) -> Claims | None:
        if now < self._alone_after and any(not job.source.is_read for job in self.jobs):
            return None
        if not self._alone_until:
            self._alone_until = now + ALONE_SECONDS
        elif now > self._alone_until:  # enough of them for now
            self._alone_until, self._alone_after = 0.0, now + ALONE_SECONDS
            self.suspects = deque((job, key, now) for job, key, _ in self.suspects)
            return None
        job, key, _ = self.suspects.popleft()
        job.source.taboo.discard(key)
        if now < self.place_of[id(job)].trouble_until:
            self.suspect(job, key)
            return None
        self.more = True
        try:
            return Claims(job, [key], alone=True)
        except StorageError as error:
            self.place_of[id(job)].trouble(error)
            self.suspect(job, key)
            return None

    # --- what is known -----------------------------------------------------------------------------------------------

    def is_resting(self) -> bool:
        """Whether nothing is known that could be claimed now (tasks in backoff may be)."""
        return not (self.suspects or self.fresh) and all(
            job.source.partitions and job.source.is_read for job in self.jobs
        )
