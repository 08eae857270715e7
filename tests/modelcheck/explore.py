"""The search: every state that can be reached within the bounds of a scenario, with the invariants of each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from statustrack.core.writes import Row
from tests.modelcheck import protocol
from tests.modelcheck.canon import Canon
from tests.modelcheck.protocol import IDLE, WAIT, Rules, Worker
from tests.modelcheck.recovery import Recovery
from tests.modelcheck.space import Space
from tests.modelcheck.words import FINISHES, FOREIGN, LEASE, LOSSES, NOW, Mutant, Result, Spec, is_foreign


class Scenario(NamedTuple):
    """What is explored, and how far."""

    name: str
    configs: Any
    rows: tuple[tuple[str, Row | None, int], ...]  #: where it starts: a name, the row, ticks left to a foreign holder
    workers: int = 2
    renewals: int = 1
    kinds: tuple[str, ...] = ("heartbeat",)
    finishes: tuple[str, ...] = ("succeed", "fail", "release")
    operators: tuple[str, ...] = ()
    operations: int = 0
    copies: int = 0
    delay: int = 2
    waits: bool = True
    behind: int = 0
    rescues: bool = True

    def bounds(self) -> str:
        """The bounds in words."""
        told = [
            f"{self.workers} workers x {len(self.configs)} steps",
            f"any number of claims, {self.renewals} renewals of each",
            f"max_retry {self.configs[0].max_retry}",
            f"{self.copies} messages at once beside what is waited for",
            f"none older than {self.delay} ticks (a lease has 2)",
            "ends: " + ", ".join(self.finishes),
        ]
        if self.operations:
            told.append(f"{self.operations} of: " + ", ".join(self.operators))
        return "; ".join(told)


class State(NamedTuple):
    """The row, everybody who acts on it, and what happened that the row need not tell."""

    row: int
    ghost: tuple[tuple[int, str, str], ...]  #: the attempts that were ended, and how; what operators did
    workers: tuple[Worker, ...]
    net: tuple[Spec, ...]  #: messages that nobody waits for, and that may arrive yet
    operations: int
    age: int  #: ticks since the beginning, as far as operators look
    foreign: int  #: ticks for which a foreign holder still believes


class Report(NamedTuple):
    """What a search found."""

    scenario: Scenario
    states: int
    transitions: int
    rows: int
    seconds: float
    problem: str | None
    trace: list[str]
    longest_recovery: int
    complete: bool


class Search:
    """One scenario, and one mutant or none."""

    def __init__(self, scenario: Scenario, mutant: Mutant | None = None) -> None:
        self.scenario = scenario
        self.space = Space(scenario.configs, scenario.delay, "redrive" in scenario.operators, mutant)
        self.rules = Rules(
            scenario.renewals, scenario.kinds, scenario.finishes, scenario.waits, scenario.behind, scenario.rescues
        )
        self.recovery = Recovery(self.space)
        self.canon = Canon(self.space)
        self._ticked: dict[Worker, Worker] = {}
        self._sends: dict[tuple[int, Worker], list[Worker]] = {}

    def starts(self) -> Iterator[tuple[str, State]]:
        """The initial states."""
        idle = tuple(Worker() for _ in range(self.scenario.workers))
        for name, row, foreign in self.scenario.rows:
            number = self.space.intern(row)
            yield f"a task: {name}", State(number, (), idle, (), self.scenario.operations, 0, foreign)

    def run(self, most_states: int | None = None, most_seconds: float | None = None) -> Report:
        """Breadth first, so that the first trace found is a shortest one."""
        began, transitions, problem, place = time.process_time(), 0, None, None
        origin: dict[State, Any] = {}
        queue: deque[State] = deque()
        for name, state in self.starts():
            origin[state] = (None, name, None)
            queue.append(state)
        complete = True
        while queue and problem is None:
            if most_states is not None and len(origin) > most_states:
                complete = False
                break
            if most_seconds is not None and time.process_time() - began > most_seconds:
                complete = False
                break
            state = queue.popleft()
            problem = self.check(state)
            if problem is not None:
                place = (state, None)
                break
            for action, after, problem in self.moves(state):
                transitions += 1
                if problem is not None:
                    place = (state, action)
                    break
                if after in origin:
                    continue
                after, order = self._canonical(after)
                if after not in origin:
                    origin[after] = (state, action, order)
                    queue.append(after)
        trace = self._trace(origin, place) if place else []
        seconds = time.process_time() - began
        return Report(
            self.scenario, len(origin), transitions, len(self.space.rows), seconds, problem, trace,
            self.recovery.longest, complete,
        )  # fmt: skip

    # --- one state ----------------------------------------------------------------------------------------------

    def check(self, state: State) -> str | None:
        """What is wrong with a state, whatever led to it."""
        believers = [worker.token for worker in state.workers if worker.believes]
        if state.foreign > 0:
            believers.append(FOREIGN)
        if len(believers) > 1:
            return f"{' and '.join(believers)} hold the task at once"
        row = self.space.rows[state.row]
        for worker in state.workers:
            # Who forces an older row upon a task that is held takes back renewals too.
            edited = (0, "o", "edit") in state.ghost
            if not edited and worker.believes and row is not None and row.get("lock") == worker.token:
                left = self.space.lease_left(state.row, worker.step)
                if left < worker.lease:
                    return f"{worker.token} believes in {worker.lease} more ticks of its lease, the row says {left}"
        return self.recovery.problem(state.row)

    def moves(self, state: State) -> Iterator[tuple[Any, State, str | None]]:
        """Everything that can happen next: what, the state after it, and what was wrong with it."""
        space, row, net = self.space, state.row, state.net
        room = len(net) < self.scenario.copies
        older = self._tick(state)
        if older != state:
            yield ("tick",), older, None
        for slot, me in enumerate(state.workers):
            if me.phase != IDLE:
                yield ("crash", slot), self._with(state, slot, Worker()), None
            spec = me.request
            if me.phase != WAIT or spec is None:
                for each in self._sent(slot, me):
                    yield ("send", slot, each.request), self._with(state, slot, each), None
                continue
            if room:  # the request is delayed on its way: it may arrive at any time, beside what the worker resends
                left = state._replace(net=_plus(net, spec))
                yield ("copy", slot, spec), left, None
            if spec.event in protocol.RENEWALS:  # the block goes on without an answer
                on = me._replace(phase=protocol.HOLD, request=None)
                yield ("unanswered", slot, spec), self._with(state, slot, on), None
            result = space.execute(spec, row)
            after, problem = self._land(state, spec, result)
            if result.applied and problem is None:
                yield ("lands", slot, spec), after, None
            worker, told = protocol.reply(space, self.rules, slot, me, result)
            if spec.event in FINISHES and spec.event != "give_back" and problem is None:
                problem = self._told(me, spec, told, after.ghost)
            yield ("answer", slot, spec, result), self._with(after, slot, worker), problem
        for place, spec in enumerate(net):
            if place and net[place - 1] == spec:
                continue
            rest = net[:place] + net[place + 1 :]
            result = space.execute(spec, row)
            after, problem = self._land(state, spec, result)
            decided = spec.event in ("redrive", "ignore", "evict")
            # All redrives here go by one id, as those of one interrupted redrive do: each may find the work of another.
            who = None if spec.event == "redrive" else spec.token
            if (
                result.mine
                and decided
                and not any(
                    number == 0 and event == spec.event and who in (None, token) for number, token, event in state.ghost
                )
            ):
                problem = f"{spec.event} took somebody else's write for its own"
            if result.applied or problem:
                yield ("arrives", spec, result), after._replace(net=rest), problem
                if room and not problem:
                    yield ("twice", spec, result), after, None
            if not problem:
                yield ("dropped", spec), state._replace(net=rest), None
        if state.operations:
            yield from self._operate(state)

    def _operate(self, state: State) -> Iterator[tuple[Any, State, str | None]]:
        """An operator reads the row, decides, and sends."""
        row = self.space.rows[state.row]
        name = f"op{state.operations}"
        for event in self.scenario.operators:
            for step, config in enumerate(self.space.configs):
                if event == "create":
                    wanted = step == 0
                elif row is None:
                    wanted = False
                elif event in ("evict", "edit"):
                    wanted = row["status"] == config.in_progress_status
                    if event == "evict" and ("mate" in self.scenario.operators or self.scenario.operations > 2):
                        # Evicting a live holder delays the next claim by ready_at, which pynamodb_mate does not know,
                        # and which an operator undoes who then redrives the task, or deletes and creates it. The verb
                        # itself evicts a live holder only when it is forced.
                        wanted = wanted and self.space.lease_left(state.row, step) <= 0
                elif event in ("expire", "lift_expiry"):
                    due = "expire_at" in row and row["expire_at"] <= NOW // 1_000_000
                    wanted = step == 0 and (due if event == "expire" else "expire_at" in row)
                elif event == "redrive":
                    over = row["status"] in (config.failed_status, config.ignored_status)
                    wanted = over and state.age < self.space.delay
                elif event in ("ignore", "mate"):
                    wanted = row["status"] in (config.pending_status, config.failed_status)
                else:  # the guard, not the operator, looks whether somebody holds it
                    wanted = row["status"] in config.codes
                if wanted:
                    token = "edit" if event == "edit" else name
                    spec = Spec(event, step, token, -1 if event == "create" else state.row, state.age, 0)
                    after = state._replace(net=_plus(state.net, spec), operations=state.operations - 1)
                    yield ("operator", spec), after, None

    # --- parts --------------------------------------------------------------------------------------------------

    def _land(self, state: State, spec: Spec, result: Result) -> tuple[State, str | None]:
        """The state after a write was carried out, nobody having been told."""
        if not result.applied:
            return state, (result.problems[0] if result.problems else None)
        problem = result.problems[0] if result.problems else None
        ghost = state.ghost
        if result.ended is not None:
            if any(each[:2] == result.ended[:2] for each in ghost):
                problem = problem or f"attempt {result.ended[0]} of {result.ended[1]} ended twice"
            ghost = tuple(sorted({*ghost, result.ended}))
        if spec.event in ("redrive", "ignore", "evict", "edit"):
            ghost = tuple(sorted({*ghost, (0, "o" if spec.event == "edit" else spec.token, spec.event)}))
        if spec.event in ("delete", "expire", "edit"):  # the outcomes went with the row: nobody can be told of them
            ghost = tuple(each for each in ghost if each[0] == 0)
        lock = (self.space.rows[state.row] or {}).get("lock")
        if (
            is_foreign(lock)
            and state.foreign
            and spec.event not in ("late_result", "edit", "evict", "too_large", "mate")
        ):
            problem = problem or f"{spec.event} while a foreign holder's lease stands"
        foreign = max(0, LEASE - spec.age) if spec.event == "mate" else state.foreign
        return state._replace(row=result.row, ghost=ghost, foreign=foreign), problem

    def _told(self, me: Worker, spec: Spec, told: str | None, ghost: tuple[tuple[int, str, str], ...]) -> str | None:
        """Whether what a worker learns of its outcome is the truth."""
        attempt = int((self.space.rows[me.held] or {})["attempt"])
        recorded = [outcome for number, token, outcome in ghost if (number, token) == (attempt, me.token)]
        if (0, "o", "edit") in ghost:
            return None  # who forces an older row upon a task takes its recorded outcomes with it
        if told is None:
            mine = [outcome for outcome in recorded if outcome not in LOSSES]
            return f"{spec.token} was told that it lost, and {mine[0]!r} is recorded" if mine else None
        if recorded != [told]:
            return f"{spec.token} was told {told!r}, and {recorded} is recorded"
        expected = FINISHES[spec.event]
        # An attempt whose row was ended for its size is told that, whatever it wanted to record.
        too_large = told == "ignored" and "too_large" in self.scenario.operators
        fits = told == expected or too_large or (spec.event == "fail" and told == "ignored")
        return None if fits else f"{spec.token} sent {spec.event} and was told {told!r}"

    def _sent(self, slot: int, me: Worker) -> list[Worker]:
        known = self._sends.get((slot, me))
        if known is None:
            known = self._sends[slot, me] = list(protocol.sends(self.space, self.rules, slot, me))
        return known

    def _with(self, state: State, slot: int, worker: Worker) -> State:
        workers = state.workers
        return state._replace(workers=(*workers[:slot], worker, *workers[slot + 1 :]))

    def _tick(self, state: State) -> State:
        workers = []
        for worker in state.workers:
            after = self._ticked.get(worker)
            if after is None:
                after = self._ticked[worker] = protocol.tick(self.space, worker)
            workers.append(after)
        net = state.net
        if net:
            net = tuple(spec for spec in (protocol.aged(self.space, each) for each in net) if spec is not None)
        age = min(state.age + 1, self.space.delay) if state.operations else 0
        return state._replace(
            row=self.space.older(state.row), workers=tuple(workers), net=net, age=age, foreign=max(0, state.foreign - 1)
        )

    def _canonical(self, state: State) -> tuple[State, tuple[int, ...]]:
        names, order, workers, net, ghost = self.canon.rename(state.row, state.workers, state.net, state.ghost)
        return state._replace(row=names.row(state.row), workers=workers, net=net, ghost=ghost), order

    def _trace(self, origin: dict[State, Any], place: tuple[State, Any]) -> list[str]:
        path = [(place[1], None)] if place[1] else []
        state: State | None = place[0]
        while state is not None:
            state, action, order = origin[state]
            path.append((action, order))
        lines, who = [path.pop()[0]], list(range(self.scenario.workers))
        for action, order in reversed(path):
            lines.append(told(action, who))
            who = [who[place] for place in order] if order else who
        return lines


def _plus(net: tuple[Spec, ...], spec: Spec) -> tuple[Spec, ...]:
    return tuple(sorted((*net, spec)))


def told(action: Any, who: list[int]) -> str:
    """One line of a trace; ``who`` gives workers back the numbers that they began with."""
    kind, rest = action[0], action[1:]
    if kind == "tick":
        return "a tick passes"
    if kind == "operator":
        return f"an operator reads the task and sends {rest[0].event}"
    if kind == "dropped":
        return f"a late {rest[0].event} ({rest[0].token}) never arrives, or too late for anything"
    if kind in ("arrives", "twice"):
        spec, result = rest
        left = " (and will once more)" if kind == "twice" else ""
        return f"a late {spec.event} ({spec.token}) arrives, {spec.age} ticks late: {_what(result)}{left}"
    slot, *rest = rest
    slot = who[slot]
    if kind == "crash":
        return f"worker {slot} crashes"
    spec = rest[0]
    if kind == "answer":
        return f"worker {slot}: {spec.event} {_what(rest[1])}, and it learns so"
    words = {
        "send": "sends", "copy": "a copy is delayed of", "lands": "an answer is lost: landed",
        "unanswered": "goes on without an answer to",
    }  # fmt: skip
    return f"worker {slot}: {words[kind]} {spec.event} ({spec.token})"


def _what(result: Result) -> str:
    return "landed" if result.applied else "had landed before" if result.mine else "is refused"
