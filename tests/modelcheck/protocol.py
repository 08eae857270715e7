"""How a worker behaves: what it may send next, and what it makes of a reply. The API layer keeps to it too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from statustrack.core.lifecycle import lease_is_over
from tests.modelcheck.space import Space
from tests.modelcheck.words import LEASE, LOSSES, NOW, Result, Spec

IDLE, WAIT, HOLD, SAW = range(4)


class Worker(NamedTuple):
    """One worker. A crash makes it idle: what comes after is another process, with other tokens."""

    phase: int = IDLE
    token: str = ""
    held: int = 0  #: the after-image of its claim; the observed row when it saw a lease that was over
    lease: int = 0  #: ticks for which it still believes to hold the task
    renewals: int = 0
    step: int = 0
    request: Spec | None = None  #: what it waits for an answer to; it resends this until it learns what became of it

    @property
    def believes(self) -> bool:
        """Its block runs, and by its own count its lease is not over."""
        return self.lease > 0 and (self.phase == HOLD or (self.request is not None and self.request.event in RENEWALS))


RENEWALS = ("heartbeat", "update")
#: Messages that say no time which a guard looks at (update_time counts for redrives alone).
AGELESS = ("succeed", "fail", "give_up", "release", "give_back", "too_large", "late_result")


class Rules(NamedTuple):
    """The bounds of a worker."""

    renewals: int  #: of each claim
    kinds: tuple[str, ...]  #: of renewals
    finishes: tuple[str, ...]
    waits: bool = True  #: a worker that saw a lease that was over may take its time before it takes over
    behind: int = 0  #: ticks by which the workers' clocks are behind
    rescues: bool = True  #: who sees a lease that is over may also put the task back, for anybody to claim


def sends(space: Space, rules: Rules, slot: int, me: Worker) -> Iterator[Worker]:
    """What a worker may send next; each is the worker as it waits for the answer."""
    fresh, age = f"w_{slot}", rules.behind
    if me.phase == IDLE:
        for step in range(len(space.configs)):
            yield Worker(WAIT, fresh, 0, 0, rules.renewals, step, Spec("claim", step, fresh, -1, 0, age))
    elif me.phase == SAW:
        spec = Spec("take_over", me.step, fresh, me.held, 0, 0)
        yield Worker(WAIT, fresh, 0, 0, rules.renewals, me.step, spec)
        if rules.rescues:
            yield Worker(WAIT, fresh, 0, 0, rules.renewals, me.step, spec._replace(event="rescue"))
    elif me.phase == HOLD:
        if me.renewals and me.lease > 0:
            for kind in rules.kinds:
                spec = Spec(kind, me.step, me.token, me.held, rules.renewals - me.renewals, age)
                yield me._replace(phase=WAIT, renewals=me.renewals - 1, request=spec)
        for finish in rules.finishes:
            yield me._replace(phase=WAIT, request=Spec(finish, me.step, me.token, me.held, 0, age))


def reply(space: Space, rules: Rules, slot: int, me: Worker, result: Result) -> tuple[Worker, str | None]:
    """What a worker makes of the answer to its request, and the outcome that it was told, if any."""
    spec = me.request
    assert spec is not None
    landed, row = result.applied or result.mine, space.rows[result.row]
    idle = Worker()
    if spec.event in ("claim", "take_over"):
        if landed and row is not None and row["lock"] == me.token:
            held, left = space.stripped(result.row), LEASE - spec.age
            if left <= 0:  # answered after its lease: not entered, but given back
                back = Spec("give_back", me.step, me.token, held, 0, 0)
                return me._replace(held=held, lease=0, request=back), None
            return me._replace(phase=HOLD, held=held, lease=left, request=None), None
        if spec.event == "claim" and row is not None and lease_is_over(space.configs[me.step], row, NOW):
            saw = Worker(SAW, held=result.row, step=me.step)
            return (saw if rules.waits else next(sends(space, rules, slot, saw))), None
        return idle, None
    if spec.event in ("late_result", "rescue"):
        return idle, None
    if spec.event in RENEWALS:
        if landed:
            return me._replace(phase=HOLD, lease=max(me.lease, LEASE - spec.age), request=None), None
        if row is not None and row.get("lock") == me.token:
            return me._replace(phase=HOLD, request=None), None
    elif landed:
        told = space.outcome(result.row, me.token, me.held)
        if spec.event == "give_back":
            return idle, None
        if told not in LOSSES:
            return idle, told or "nothing"
    if spec.event == "give_back":
        return idle, None
    return me._replace(lease=0, request=Spec("late_result", me.step, me.token, me.held, 0, 0)), None


def aged(space: Space, spec: Spec) -> Spec | None:
    """A message that is one tick older; None when it is older than messages become. Where nothing in a message is a
    time, its age does not matter: it may arrive whenever."""
    if spec.event in AGELESS and not space.redrives:
        return spec
    return spec._replace(age=spec.age + 1) if spec.age < space.delay else None


def tick(space: Space, me: Worker) -> Worker:
    """The same worker, one tick later. One that got no answer for longer than a message can live has crashed."""
    if me.phase == SAW:
        return me._replace(held=space.older(me.held))
    lease = max(0, me.lease - 1)
    if me.request is None:
        return me._replace(lease=lease)
    request = aged(space, me.request)
    return Worker() if request is None else me._replace(lease=lease, request=request)
