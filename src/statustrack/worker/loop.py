"""The loop of a worker: it claims, records outcomes, rescues and watches deadlines; handlers run elsewhere."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic, process_time

from statustrack.core.config import WORKER_RETRY_DELAY_SECONDS
from statustrack.core.errors import StorageError
from statustrack.core.writes import Write
from statustrack.engines.protocol import Unknown
from statustrack.tracking import wakeup
from statustrack.tracking.ending import Plan, plan_timeout
from statustrack.tracking.heartbeat import let_go
from statustrack.tracking.trace import log
from statustrack.worker.claims import Claims
from statustrack.worker.coroutines import Coroutines
from statustrack.worker.intake import Intake
from statustrack.worker.jobs import RUNNING, Job, Work
from statustrack.worker.outcomes import deliver_with_extra
from statustrack.worker.places import Place
from statustrack.worker.report import Report
from statustrack.worker.rescue import Rescue
from statustrack.worker.threads import Bell, Threads

#: How long outcomes wait for company: a little, or about as long as the storage takes to record them.
LINGER_SECONDS, LONGEST_LINGER_SECONDS = 0.002, 0.02
#: How often the CPU that the process takes is looked at.
PACE_SECONDS = 0.2

#: What wakes the loop: nothing, a thread that has nothing to do, or any handler that ends too.
_NOTHING, _REST, _ANY = range(3)


class Loop:
    """One process at work. One thread calls ``turn()`` again and again; all storage calls for claims, outcomes and
    rescue are made in it, so that each request carries as much as there is."""

    def __init__(self, jobs: list[Job], concurrency: int, batch: int, report: Report, coroutines: Coroutines) -> None:
        self.jobs = jobs
        self.report = report
        self.bell = Bell()
        self.done: deque[Work] = deque()  #: ended, and not looked at
        self.held: set[Work] = set()  #: claimed, and not known to be recorded
        self.stopping = False
        self.threads = Threads(concurrency, self._ended, self._rest)
        self.coroutines = coroutines
        coroutines.ended, coroutines.most = self._ended, concurrency
        tables: dict[tuple[int, str], Place] = {}
        for job in jobs:
            tables.setdefault((id(job.engine), job.table), Place(job.engine, job.table, report))
            job.follows = [other for other in jobs if _follows(job, other)]
            job.noted = self._rest
        self.places = list(tables.values())
        self.place_of = {id(job): tables[id(job.engine), job.table] for job in jobs}
        self.intake = Intake(jobs, self.place_of, self.threads, concurrency, batch)
        self.rescues = [Rescue(job, report) for job in jobs]
        self._awake_on = _NOTHING
        self._linger = LINGER_SECONDS
        self._woken = 1
        self._paced_at, self._cpu = monotonic(), process_time()
        wakeup.listen(self._hear)

    def close(self) -> None:
        """Leave nothing behind; what is still held is not renewed any more."""
        wakeup.leave(self._hear)
        self.threads.close()
        for work in self.held:
            let_go(work._hold)
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
        """A thread has nothing to do; or there is a new deadline."""
        if self._awake_on:
            self._awake_on = _NOTHING
            self.bell.ring()

    def _hear(self) -> None:
        """Somebody in this process has made tasks claimable."""
        self.intake.fresh = True
        self._rest()

    # --- one turn ----------------------------------------------------------------------------------------------------

    def turn(self, until: float | None = None) -> None:
        """Do what there is to do, then wait until there is something to do (at most until then)."""
        self._collect()
        self._watch_deadlines()
        now = monotonic()
        claims = [] if self.stopping else self._wanted(now)
        for place in self.places:
            works = place.outcomes.take()
            mine = [each for each in claims if self.place_of[id(each.job)] is place]
            if works or mine:
                self._exchange(place, works, mine)
            place.clear_doubts()
        if not self.stopping:
            self._rescue(now)
        self._pace_threads(now)
        self._wake_threads()
        self._wait(until)

    def _wanted(self, now: float) -> list[Claims]:
        # What is recorded in the same request has left its hands already.
        leaving = {False: 0, True: 0}
        for place in self.places:
            for work in place.outcomes.ready:
                leaving[work.job.handler.is_async] += 1
        return self.intake.wanted(now, not self.held and not self.done, leaving)

    def _collect(self) -> None:
        """Plan what is to be recorded of the attempts that have ended."""
        done = self.done
        while done:
            work = done.popleft()
            work.job.finished += 1
            if work.outcome is not None or not self.place_of[id(work.job)].outcomes.add(work):
                self.over(work)  # recorded already, or nothing is left to record

    def over(self, work: Work) -> None:
        """The attempt is over: it is not ours any more."""
        job, key = work.job, work._hold.key
        self.held.discard(work)
        job.held -= 1
        if work is self.intake.alone:
            self.intake.alone = None
        if work.outcome == "succeeded":
            for other in job.follows:
                other.source.hint(key)
        elif work.outcome in ("failed", "snoozed"):
            ready = work.task._row.get("ready_at")
            if ready is None:
                job.source.hint(key)
            else:
                job.source.remember(key, ready)

    def _watch_deadlines(self) -> None:
        now = monotonic()
        for job in self.jobs:
            while job.deadlines and (job.deadlines[0][1].state != RUNNING or job.deadlines[0][0] <= now):
                _, work = job.deadlines.popleft()
                seconds = job.handler.timeout_seconds or 0.0
                if self.give_up(
                    work,
                    lambda work=work, seconds=seconds: plan_timeout(work, seconds, WORKER_RETRY_DELAY_SECONDS),  # type: ignore[misc]
                    f"it took longer than its {seconds:g} s",
                ):
                    self.report.timed_out += 1
                    log(logging.WARNING, "timed_out", work._hold.key, seconds=seconds, handler=job.handler.name[1])
        self._collect()

    def give_up(self, work: Work, plan: Callable[[], Plan], why: str) -> bool:
        """Give up an attempt, record this plan instead of what it would have come to, and stop what runs as far as it
        can be stopped. False: it has just ended by itself."""
        given_up = work.abandon() if work.job.handler.is_async else self.threads.give_up(work)
        if not given_up:
            return False
        work.plan = plan()
        work._hold.why_lost = why  # for ctx.check(); the lease itself is ours until the outcome is recorded
        runner = work.runner
        if runner is not None:
            runner.stop()  # a coroutine is cancelled, a process killed
        self.done.append(work)
        return True

    # --- one request: outcomes and claims together -------------------------------------------------------------------

    def _exchange(self, place: Place, works: list[Work], claims: list[Claims]) -> None:
        writes: list[Write] = [work.plan.write for work in works if work.plan is not None]
        for each in claims:
            writes += each.writes
        began = monotonic()
        outcomes = place.apply(writes)
        took = monotonic() - began
        self._linger = min(max(LINGER_SECONDS, took), LONGEST_LINGER_SECONDS)
        self.intake.exchanged(took)
        for work in place.outcomes.settle(works, outcomes[: len(works)]):
            self.over(work)
        at = len(works)
        for each in claims:
            each.settle(outcomes[at : at + len(each.keys)])
            at += len(each.keys)
            self._take(place, each)
        if not isinstance(outcomes[-1], Unknown):
            place.answered()

    def _take(self, place: Place, claims: Claims) -> None:
        """Pass on what was claimed."""
        job, works = claims.job, claims.works
        self.report.claimed += len(works)
        self.report.refused += claims.refused
        job.held += len(works)
        self.held.update(works)
        if claims.back:
            place.apply_quietly(claims.back)
        for key in claims.suspects:
            self.intake.suspect(job, key)
        if claims.alone and works:
            self.intake.alone = works[0]
        if job.handler.is_async:
            self.coroutines.start(works)
        else:
            self.threads.queue.extend(works)
        if claims.cause is not None:
            # Not read again by themselves: their rows have not changed.
            job.source.put_back([key for key, _ in claims.doubtful])
            place.doubt(job, claims.doubtful)
            place.trouble(claims.cause)
        elif claims.is_crowded:
            try:
                job.source.jump(place.engine.now())
            except StorageError as error:
                place.trouble(error)

    def _rescue(self, now: float) -> None:
        """One slice of one step, if one is due."""
        for rescue in self.rescues:
            place = self.place_of[id(rescue.job)]
            if now >= rescue.next_at and now >= place.trouble_until:
                try:
                    keys = rescue.slice()
                except StorageError as error:
                    rescue.next_at = now + 1.0
                    place.trouble(error)
                    return
                for key in keys:
                    self.intake.suspect(rescue.job, key)
                if keys:
                    return

    # --- waiting -----------------------------------------------------------------------------------------------------

    def _pace_threads(self, now: float) -> None:
        passed = now - self._paced_at
        if passed >= PACE_SECONDS:
            cpu = process_time()
            self.threads.pace((cpu - self._cpu) / passed)
            self._paced_at, self._cpu = now, cpu

    def _wake_threads(self) -> None:
        queue = self.threads.queue
        if not queue:
            self._woken = 1
            return
        self.threads.more(min(self._woken, len(queue)))
        self._woken = min(self._woken * 2, self.threads.most)

    def _wait(self, until: float | None) -> None:
        """Sleep until there is something to do; a moment longer for company, where more is about to come."""
        if self.stopping and not self.held:  # all is recorded, and nothing will come any more
            return
        now = monotonic()
        if not self.done and not any(place.outcomes.ready for place in self.places):
            if self.threads.queue:
                self._sleep(self.threads.patience, _REST)
                if not self.done:
                    return
            elif self.intake.more and not self.stopping:
                return
            else:
                wake = self._next_event(now)
                self._sleep((wake if until is None else min(wake, until)) - now, _ANY)
        # Outcomes wait for company as long as any may come, and no longer than the storage takes anyway.
        deadline = monotonic() + self._linger
        while self.done and len(self.held) > len(self.done):
            left = deadline - monotonic()
            if left <= 0 or (self.intake.more and not self.threads.queue):
                return
            self._sleep(min(left, self.threads.patience) if self.threads.queue else left, _REST)
            self._wake_threads()

    def _next_event(self, now: float) -> float:
        until = now + 60.0 if self.stopping else self.intake.next_event(now)
        if not self.stopping:
            until = min(until, *(max(each.next_at, self.place_of[id(each.job)].trouble_until) for each in self.rescues))
        for job in self.jobs:
            if job.deadlines:
                until = min(until, job.deadlines[0][0])
        for place in self.places:
            until = min(until, place.outcomes.next_resend)
        return max(until, now + 0.0005)

    def _sleep(self, seconds: float, awake_on: int) -> None:
        self._awake_on = awake_on
        if seconds > 0 and not (self.intake.fresh or (awake_on == _ANY and self.done)):  # it came before we lay down
            self.bell.wait(seconds)
        self._awake_on = _NOTHING


def _follows(before: Job, after: Job) -> bool:
    return (
        after.engine is before.engine
        and after.table == before.table
        and after.config.use_case_id == before.config.use_case_id
        and before.config.succeeded_status in after.statuses
    )
