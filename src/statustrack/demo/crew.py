"""The demo's side of its worker processes: start them together, kill one in the act, replace it, stop them all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from statustrack.core.errors import StorageError
from statustrack.demo.worker import START, Job, main

#: How long workers may take to start, on a machine that has a lot else to do.
START_SECONDS = 60.0
#: After a stop: how long a worker may go on with its task, and then how long it may take to give it back.
GRACE_SECONDS = 1.0
RELEASE_SECONDS = 5.0

_spawn = multiprocessing.get_context("spawn")


class Member:
    """One worker process, seen from the parent."""

    def __init__(self, job: Job) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self.process = _spawn.Process(target=main, args=(job, theirs), daemon=True)
        with _without_ctrl_c():
            self.process.start()
        theirs.close()  # so that either side sees the end of the other
        self.pid = self.process.pid or 0
        self.name = ""  #: how it signs its claims
        self.begun = False

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def hears(self) -> Any:
        """What the worker said since the last time; None for nothing."""
        try:
            return self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError):
            return None

    def tell(self, word: str) -> None:
        """Start, or stop; one that is gone hears nothing."""
        with suppress(OSError):
            self._pipe.send(word)

    def close(self) -> None:
        """Forget the process, which has ended."""
        self._pipe.close()
        self.process.close()


class Crew:
    """All workers of a run; use it in a ``with``: whatever happens, none of them is left behind."""

    def __init__(self, job: Job, size: int) -> None:
        self._job = job
        self._size = size
        self.members: list[Member] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all, and let them begin together when the last one is ready.

        :raises StorageError: one of them cannot work; its words.
        """
        self.members = [Member(self._job) for _ in range(self._size)]
        deadline = time.monotonic() + START_SECONDS
        while not all(member.name for member in self.members):
            for member in self.members:
                self._listen(member)
                if not member.name and not member.is_alive:
                    raise StorageError(f"a worker process could not start (exit code {member.process.exitcode}).")
            if time.monotonic() > deadline:
                raise StorageError(f"the worker processes did not start within {START_SECONDS:g} s.")
            time.sleep(0.01)
        for member in self.members:
            self._begin(member)

    def _listen(self, member: Member) -> None:
        said = member.hears()
        if said is None:
            return
        kind, text = said
        if kind == "error":
            raise StorageError(f"a worker process cannot go on: {text}")
        member.name = text

    def _begin(self, member: Member) -> None:
        member.begun = True
        member.tell(START)

    def tend(self) -> list[tuple[Member, Member]]:
        """Replace who died on duty (killed by us, or by the system for want of memory); the pairs (old, new)."""
        pairs = []
        for position, member in enumerate(self.members):
            dead = not member.is_alive  # before listening: its last words count
            self._listen(member)
            if member.name and not member.begun:
                self._begin(member)
            if dead and member.process.exitcode != 0:
                if not member.name:
                    raise StorageError(f"a worker process could not start (exit code {member.process.exitcode}).")
                member.close()
                self.members[position] = Member(self._job)
                pairs.append((member, self.members[position]))
        return pairs

    @property
    def is_done(self) -> bool:
        """Whether every worker has found nothing left to do."""
        return all(not member.is_alive and member.process.exitcode == 0 for member in self.members)

    def kill_one_that(self, holds: Callable[[str], Any]) -> tuple[Member, Any] | None:
        """SIGKILL a worker at the very moment at which it holds a task; None: none did just now.

        Each is frozen, looked at, and killed only if ``holds(its name)`` finds a task; else it goes on. Where a process
        cannot be frozen (Windows) it may have finished meanwhile: the caller looks again.
        """
        for member in self.members:
            if not (member.begun and member.is_alive):
                continue
            with _frozen(member.pid):
                held = holds(member.name)
                if held is not None:
                    member.process.kill()
            if held is not None:
                member.process.join()
                return member, held
        return None

    def stop(self) -> None:
        """End all: after their task; or, if that takes long, giving it back; or, if even that does, by force."""
        for member in self.members:
            member.tell("stop")
        self._join(GRACE_SECONDS)
        for member in self.members:
            if member.is_alive:
                member.process.terminate()
        self._join(RELEASE_SECONDS)
        for member in self.members:
            if member.is_alive:
                member.process.kill()
            member.process.join()
            member.close()
        self.members = []

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for member in self.members:
            member.process.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process started here never sees the terminal's Ctrl-C, not even while it is still importing; ours waits."""
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # started by the first process, it would lift the mask again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by the child
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    else:
        yield


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    if sys.platform != "win32":
        try:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.003)  # until it stands still
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    else:
        yield
