"""The loop of a worker: it claims, records outcomes, rescues and watches deadlines; handlers run elsewhere."""

from __future__ import annotations

import logging
import random
from collections import deque
from time import monotonic
from typing import Any

from statustrack.core.config import WORKER_RETRY_DELAY_SECONDS
from statustrack.core.errors import StorageError
from statustrack.engines.protocol import Engine, Unknown
from statustrack.tracking import wakeup
from statustrack.tracking.ending import plan_release, plan_timeout
from statustrack.tracking.trace import log
from statustrack.worker.claims import Claims
from statustrack.worker.coroutines import Coroutines
from statustrack.worker.jobs import RUNNING, WAITING, Job, Work
from statustrack.worker.outcomes import Outcomes, deliver_with_extra
from statustrack.worker.report import Report
from statustrack.worker.rescue import Rescue
from statustrack.worker.threads import Bell, Threads

#: As many tasks are held unstarted as are finished in this time.
AHEAD_SECONDS = 0.05
#: How long outcomes wait for company, at most.
LINGER_SECONDS, LONGEST_LINGER_SECONDS = 0.002, 0.02
#: How long the queue may stay filled before another thread is woken.
PATIENCE_SECONDS = 0.001
FIRST_POLL_SECONDS = 0.01
LONGEST_POLL_SECONDS = {"sqlite": 2.0}
LONGEST_POLL = 5.0
#: A suspect waits so long for the process to have nothing else in hand; then nothing else is claimed until it has run.
SUSPECT_SECONDS = 30.0
#: So long one suspect after the other is run alone before other tasks have their turn again.
ALONE_SECONDS = 1.0
MOST_SUSPECTS = 100_000

#: What wakes the loop: nothing, a thread that has nothing to do, or any handler that ends too.
_NOTHING, _REST, _ANY = range(3)


class Place:
    """One table of one engine: what is sent to it goes in one request."""

    def __init__(self, engine: Engine, table: str, report: Report) -> None:
        self.engine = engine
        self.table = table
        self.jobs: list[Job] = []
        self.outcomes = Outcomes(report)
        self.doubtful: list[tuple[Job, str, str, float]] = []
        self.trouble_until = 0.0  #: no claims before then: the storage does not answer
        self.pause = 0.1


class Loop:
    """One process at work. ``turn()`` is called again and again by one thread."""

    def __init__(self, jobs: list[Job], concurrency: int, batch: int, report: Report, coroutines: Coroutines) -> None:
        self.jobs = jobs
        self.batch = batch
        self.report = report
        self.bell = Bell()
        self.done: deque[Work] = deque()
        self.held: set[Work] = set()
        self.concurrency = concurrency
        self.threads = Threads(concurrency, self._ended, self._rest)
        self.coroutines = coroutines
        coroutines.ended, coroutines.noted = self._ended, self._rest
        self.stopping = False
        self.places: list[Place] = []
        places: dict[tuple[int, str], Place] = {}
        for job in jobs:
            key = (id(job.engine), job.table)
            if key not in places:
                places[key] = Place(job.engine, job.table, report)
                self.places.append(places[key])
            places[key].jobs.append(job)
            job.follows = [
                other
                for other in jobs
                if other.engine is job.engine
                and other.table == job.table
                and other.config.use_case_id == job.config.use_case_id
                and job.config.succeeded_status in other.statuses
            ]
        self.place_of = {id(job): places[id(job.engine), job.table] for job in jobs}
        self.rescues = [Rescue(job, report) for job in jobs]
        self.suspects: deque[tuple[Job, str, float]] = deque()
        self._alone_until = 0.0
        self._alone: Work | None = None
        self._awake_on = _NOTHING
        self._more = True  #: whether there are hands, and tasks that were not looked at
        self._linger = LINGER_SECONDS
        self._fresh = True
        self._poll_at = 0.0
        self._pause = FIRST_POLL_SECONDS
        self._longest = max((LONGEST_POLL_SECONDS.get(place.engine.name, LONGEST_POLL) for place in self.places))
        self._rated = monotonic()
        self._rotation = 0
        self._woken = 1
        wakeup.listen(self._hear)

    def close(self) -> None:
        """Leave nothing behind."""
        wakeup.leave(self._hear)
        self.threads.close()
        for job in self.jobs:
            if job.children is not None:
                job.children.close()

    # --- told by other threads ---------------------------------------------------------------------------------------

    def _ended(self, work: Work) -> None:
        """A handler has come to its end."""
        if work._extra is not None and work.error is None and work.plan is None:
            deliver_with_extra(work, self.report)
        self.done.append(work)
        if self._awake_on == _ANY:
            self._awake_on = _NOTHING
            self.bell.ring()

    def _rest(self) -> None:
        """A thread has nothing to do."""
        if self._awake_on:
            self._awake_on = _NOTHING
            self.bell.ring()

    def _hear(self) -> None:
        self._fresh = True
        if self._awake_on:
            self._awake_on = _NOTHING
            self.bell.ring()

    # --- one turn ----------------------------------------------------------------------------------------------------

    def turn(self, until: float | None = None) -> None:
        """Do what there is to do, then wait until there is something to do (at most until then)."""
        self._collect()
        self._deadlines()
        now = monotonic()
        claims = {} if self.stopping else self._wanted(now)
        for place in self.places:
            works = place.outcomes.take()
            mine = claims.get(id(place), [])
            if works or mine:
                self._exchange(place, works, mine)
            if place.doubtful and now >= place.trouble_until:
                self._clear_doubts(place)
        if not self.stopping:
            self._rescue(now)
        self._wake_threads()
        self._wait(until)

    def _collect(self) -> None:
        done = self.done
        while done:
            work = done.popleft()
            job = work.job
            job.finished += 1
            if work.outcome is not None:  # recorded already, together with writes of its own
                self._over(work)
                continue
            place = self.place_of[id(job)]
            before = len(place.outcomes.ready)
            place.outcomes.add(work)
            if len(place.outcomes.ready) == before:
                self._over(work)

    def _over(self, work: Work) -> None:
        job = work.job
        self.held.discard(work)
        job.held -= 1
        if work is self._alone:
            self._alone = None
        if work.outcome == "succeeded":
            for other in job.follows:
                other.source.hint(work._hold.key)
        elif work.outcome == "failed" or work.outcome == "snoozed":
            ready = work.task._row.get("ready_at")
            if ready is None:
                job.source.hint(work._hold.key)
            else:
                job.source.remember(work._hold.key, ready)

    def _deadlines(self) -> None:
        now = monotonic()
        for job in self.jobs:
            deadlines = job.deadlines
            while deadlines:
                at, work = deadlines[0]
                if work.state == RUNNING and at > now:
                    break
                deadlines.popleft()
                if work.state == RUNNING and work.abandon():
                    seconds = job.handler.timeout_seconds or 0.0
                    self.report.timed_out += 1
                    log(logging.WARNING, "timed_out", work._hold.key, seconds=seconds, handler=job.handler.name[1])
                    work.plan = plan_timeout(work, seconds, WORKER_RETRY_DELAY_SECONDS)
                    self._cut_off(work, f"it took longer than its {seconds:g} s")
                    self.done.append(work)
        if self.done:
            self._collect()

    def _cut_off(self, work: Work, why: str) -> None:
        """Stop what runs, as far as it can be stopped."""
        if work.runner is not None:
            work.runner.stop()  # a coroutine is cancelled, a process killed
        elif not work.job.handler.is_async:
            self.threads.stuck.add(work)
        work._hold.why_lost = why  # for ctx.check(); the lease itself is ours until the outcome is recorded

    # --- claiming ----------------------------------------------------------------------------------------------------

    def _wanted(self, now: float) -> dict[int, list[Claims]]:
        """The claims to send now, by place."""
        self._rate(now)
        self._more = False
        if self._alone is not None:
            return {}
        if self.suspects:
            alone = self._next_suspect(now)
            if alone is not None:
                return alone
            if self.suspects[0][2] + SUSPECT_SECONDS < now and self.held:
                return {}
        if self._fresh or now >= self._poll_at:
            self._poll(now)
        claims: dict[int, list[Claims]] = {}
        found = 0
        order = self.jobs[self._rotation :] + self.jobs[: self._rotation]
        self._rotation = (self._rotation + 1) % len(self.jobs)
        threads = self._room(False)
        coroutines = self._room(True)
        for position, job in enumerate(order):
            place = self.place_of[id(job)]
            if now < place.trouble_until:
                continue
            room = coroutines if job.handler.is_async else threads
            share = max(1, -(-room // (len(order) - position)))
            limit = job.handler.max_concurrency
            if limit is not None:
                share = min(share, limit + int(job.rate * AHEAD_SECONDS) - job.held)
            want = min(share, room, 100 if place.engine.batch > 100 else 4 * self.batch)
            if want <= 0:
                continue
            try:
                keys = job.source.take(want, place.engine.now())
                if keys:
                    claims.setdefault(id(place), []).append(Claims(job, keys))
            except StorageError as error:
                self._trouble(place, error)
                continue
            self._more = self._more or not job.source.is_read
            found += len(keys)
            if job.handler.is_async:
                coroutines -= len(keys)
            else:
                threads -= len(keys)
        if found:
            self._pause = FIRST_POLL_SECONDS
        return claims

    def _room(self, is_async: bool) -> int:
        """How many more tasks to claim: what free hands can begin now, and a little ahead of those that finish
        quickly."""
        held = sum(job.held for job in self.jobs if job.handler.is_async == is_async)
        rate = sum(job.rate for job in self.jobs if job.handler.is_async == is_async)
        hands = self.concurrency - (0 if is_async else len(self.threads.stuck))
        if is_async:
            return max(0, hands - held)
        ahead = min(int(rate * AHEAD_SECONDS), 4 * self.batch)
        return max(0, hands + ahead - held) if hands > 0 else 0

    def _rate(self, now: float) -> None:
        passed = now - self._rated
        if passed < 0.02:
            return
        self._rated = now
        for job in self.jobs:
            rate, job.finished = job.finished / passed, 0
            job.rate = rate if rate > job.rate else job.rate * 0.7 + rate * 0.3

    def _poll(self, now: float) -> None:
        for job in self.jobs:
            place = self.place_of[id(job)]
            if now < place.trouble_until:
                continue
            try:
                job.source.poll(place.engine.now())
            except StorageError as error:
                self._trouble(place, error)
        if self._fresh:
            self._pause = FIRST_POLL_SECONDS
        self._fresh = False
        self._poll_at = now + self._pause * (0.5 + random.random())
        self._pause = min(self._pause * 1.5, self._longest)

    def _next_suspect(self, now: float) -> dict[int, list[Claims]] | None:
        if self.held or self.done:
            return None
        if self._alone_until and now > self._alone_until:
            self._alone_until = 0.0  # enough of them for now
            job, key, _ = self.suspects[0]
            self.suspects[0] = (job, key, now)
            if any(not other.source.is_read for other in self.jobs):
                return None
        if not self._alone_until:
            self._alone_until = now + ALONE_SECONDS
        self._more = True
        job, key, _ = self.suspects.popleft()
        job.source.taboo.discard(key)
        if now < self.place_of[id(job)].trouble_until:
            self._suspect(job, key)
            return None
        return {id(self.place_of[id(job)]): [Claims(job, [key], alone=True)]}

    def _suspect(self, job: Job, key: str) -> None:
        """Run this task when nothing else is in hand."""
        if key not in job.source.taboo and len(self.suspects) < MOST_SUSPECTS:
            job.source.taboo.add(key)
            self.suspects.append((job, key, monotonic()))

    # --- one request: outcomes and claims together -------------------------------------------------------------------

    def _exchange(self, place: Place, works: list[Work], claims: list[Claims]) -> None:
        writes = [work.plan.write for work in works if work.plan is not None]
        for each in claims:
            writes += each.writes
        outcomes: list[Any]
        began = monotonic()
        try:
            outcomes = list(place.engine.apply(place.table, writes))
        except StorageError as error:
            # No permission, no table: it may be repaired while we still hold the leases.
            outcomes = [Unknown(error)] * len(writes)
        self._linger = min(max(LINGER_SECONDS, monotonic() - began), LONGEST_LINGER_SECONDS)
        for work in place.outcomes.settle(works, outcomes[: len(works)]):
            self._over(work)
        at = len(works)
        cause: StorageError | None = None
        for each in claims:
            each.settle(outcomes[at : at + len(each.keys)])
            at += len(each.keys)
            self._take(place, each)
            cause = cause or each.cause
        if cause is not None:
            self._trouble(place, cause)
        elif writes and outcomes and not isinstance(outcomes[-1], Unknown):
            place.pause = 0.1

    def _take(self, place: Place, claims: Claims) -> None:
        job = claims.job
        self.report.claimed += len(claims.works)
        self.report.refused += claims.refused
        job.held += len(claims.works)
        self.held.update(claims.works)
        if claims.back:
            self._apply_quietly(place, claims.back)
        for key in claims.suspects:
            self._suspect(job, key)
        for key, token in claims.doubtful:
            place.doubtful.append((job, key, token, monotonic() + job.lease_ms / 1000))
        if claims.alone and claims.works:
            self._alone = claims.works[0]
        if job.handler.is_async:
            self.coroutines.start(claims.works)
        else:
            self.threads.queue.extend(claims.works)
        if claims.is_crowded:
            try:
                job.source.jump(place.engine.now())
            except StorageError as error:
                self._trouble(place, error)

    def _apply_quietly(self, place: Place, writes: list[Any]) -> None:
        try:
            place.engine.apply(place.table, writes)
        except StorageError as error:
            log(logging.WARNING, "give_back_failed", writes[0].key, tasks=len(writes), cause=str(error))

    def _trouble(self, place: Place, cause: StorageError) -> None:
        """The storage does not answer, or refuses: claim nothing for a while."""
        log(logging.WARNING, "storage_trouble", place.table, cause=str(cause), pause_seconds=round(place.pause, 1))
        place.trouble_until = monotonic() + place.pause * (0.5 + random.random())
        place.pause = min(place.pause * 2, self._longest)

    def _clear_doubts(self, place: Place) -> None:
        """Claims of which nothing was heard are given back, if they landed."""
        from statustrack.core import lifecycle

        now = monotonic()
        doubtful, place.doubtful = [each for each in place.doubtful if each[3] > now], []
        if not doubtful:
            return
        try:
            rows = place.engine.get(place.table, [key for _, key, _, _ in doubtful])
        except StorageError as error:
            place.doubtful = doubtful
            self._trouble(place, error)
            return
        back = [
            lifecycle.give_back(job.config, rows[key], now=place.engine.now())
            for job, key, token, _ in doubtful
            if key in rows and rows[key].get("lock") == token
        ]
        if back:
            self._apply_quietly(place, back)

    # --- rescue ------------------------------------------------------------------------------------------------------

    def _rescue(self, now: float) -> None:
        """One slice of one step, if one is due."""
        for rescue in self.rescues:
            place = self.place_of[id(rescue.job)]
            if now >= rescue.next_at and now >= place.trouble_until:
                try:
                    keys = rescue.slice()
                except StorageError as error:
                    rescue.next_at = now + 1.0
                    self._trouble(place, error)
                    return
                for key in keys:
                    self._suspect(rescue.job, key)
                if keys:
                    return

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _wake_threads(self) -> None:
        queue = self.threads.queue
        if not queue:
            self._woken = 1
            return
        self.threads.more(min(self._woken, len(queue)))
        self._woken = min(self._woken * 2, self.threads.most)

    def _wait(self, until: float | None) -> None:
        """Sleep until there is something to do; a moment longer for company, where more is about to come."""
        now = monotonic()
        if not self.done and not any(place.outcomes.ready for place in self.places):
            if self.threads.queue:
                self._sleep(PATIENCE_SECONDS, _REST)
                if not self.done:
                    return
            elif self._more:
                return
            else:
                wake = self._next_event(now)
                self._sleep((wake if until is None else min(wake, until)) - now, _ANY)
        # Outcomes wait for company as long as any may come, and no longer than the storage takes anyway.
        until = monotonic() + self._linger
        while self.done and len(self.held) > len(self.done):
            left = until - monotonic()
            if left <= 0 or (self._more and not self.threads.queue):
                return
            self._sleep(min(left, PATIENCE_SECONDS) if self.threads.queue else left, _REST)
            self._wake_threads()

    def _next_event(self, now: float) -> float:
        until = now + 60.0
        if not self.stopping:
            until = self._poll_at
            hands = self._room(False) > 0 or self._room(True) > 0
            for rescue in self.rescues:
                until = min(until, rescue.next_at)
            for job in self.jobs:
                due = job.source.next_due()
                if due is not None and hands:
                    until = min(until, now + due / 1000 - job.engine.now() / 1_000_000)
            for place in self.places:
                if place.trouble_until > now:
                    until = max(until, min(place.trouble_until, now + self._longest))
        for job in self.jobs:
            if job.deadlines:
                until = min(until, job.deadlines[0][0])
        for place in self.places:
            if place.outcomes.unknown:
                until = min(until, place.outcomes.resend_at)
        return max(until, now + 0.0005)

    def _sleep(self, seconds: float, awake_on: int) -> None:
        if seconds <= 0:
            return
        self._awake_on = awake_on
        if not (self._fresh or (awake_on == _ANY and self.done)):  # it came before we lay down
            self.bell.wait(seconds)
        self._awake_on = _NOTHING

    def is_idle(self) -> bool:
        """Whether nothing is in hand, and nothing that could be claimed now or soon is known."""
        return not (self.held or self.done or self.suspects or self._fresh) and all(
            job.source.partitions and job.source.is_read and not job.source.waiting for job in self.jobs
        )

    def is_resting(self) -> bool:
        """Whether nothing is in hand, and nothing that could be claimed now is known (tasks in backoff may be)."""
        return not (self.held or self.done or self.suspects or self._fresh) and all(
            job.source.partitions and job.source.is_read for job in self.jobs
        )

    # --- the end -----------------------------------------------------------------------------------------------------

    def give_back_waiting(self) -> None:
        """Give back what was claimed and not begun."""
        from statustrack.core import lifecycle
        from statustrack.tracking.heartbeat import let_go

        back: dict[int, list[Work]] = {}
        queue = self.threads.queue
        taken: list[Work] = []
        while queue:
            try:
                taken.append(queue.popleft())
            except IndexError:
                break
        for job in self.jobs:
            with job.gate:
                taken += job.parked
                job.parked.clear()
        for work in taken:
            if work.state == WAITING and work.abandon():
                back.setdefault(id(self.place_of[id(work.job)]), []).append(work)
        for place in self.places:
            works = back.get(id(place), [])
            for work in works:
                let_go(work._hold)
                work.outcome = "released"
                self._over(work)
                self.report.claimed -= 1
            if works:
                now = place.engine.now()
                self._apply_quietly(
                    place, [lifecycle.give_back(work.job.config, work.task._row, now=now) for work in works]
                )

    def release_running(self, why: str) -> None:
        """Give back what still runs, uncounted; what runs is stopped as far as it can be."""
        for work in list(self.held):
            if work.state == RUNNING and work.abandon():
                work.plan = plan_release(work)
                self._cut_off(work, why)
                self.done.append(work)
        self._collect()
