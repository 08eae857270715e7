"""One worker process of the demo: it claims and works until nothing is left, or until it is told to stop."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

logger = logging.getLogger("statustrack.demo")

#: How long a worker that found nothing to claim waits: others hold the rest, and may die.
IDLE_SECONDS = 0.1
#: Tasks of one step before it looks at the other one again: answers should not wait for the last extraction.
TURN = 5
#: Looks that must find nothing before it ends: DynamoDB's index may miss a task while it moves.
LOOKS = 2
START = "start"
#: How often in a row the storage may fail to answer.
PATIENCE = 10


class Job(NamedTuple):
    """What a worker must know; it travels to another process."""

    url: str
    use_case_id: str
    folder: str
    as_of: str
    log: str


def main(job: Job, pipe: Connection) -> None:
    """The life of the process: say who it is, wait for the start, work, and say why when it cannot go on.

    The pipe is the only tie to the parent. A queue or an event has a lock that all workers share, and a worker that is
    killed while it holds that lock would stop the others for ever.
    """
    shutdown = _Shutdown()
    # The library's log goes to a file: the terminal is the parent's.
    logging.basicConfig(
        filename=job.log, encoding="utf-8", level=logging.INFO,
        format="%(asctime)s %(process)d %(levelname)s %(message)s",
    )  # fmt: skip
    try:
        from statustrack.tracking.identity import worker_name

        turns = _turns(job)
        pipe.send(("ready", worker_name()))
        if pipe.recv() == START:  # given to all at once
            _work(turns, lambda: shutdown.wanted or pipe.poll(), shutdown)  # whatever else it says means: stop
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        logger.info("the demo is gone: stopping")
    except Exception as error:
        logger.exception("worker failed")
        pipe.send(("error", f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from None


class _Shutdown:
    """Ctrl-C is for the parent, who then tells us. SIGTERM gives the task that is being worked on back."""

    def __init__(self) -> None:
        self.wanted = False
        self.in_block = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, *_: Any) -> None:
        self.wanted = True
        # Only in the user's part: in the tracker's own, the signal would break into the recording of an outcome.
        if self.in_block:
            raise SystemExit(0)


Turn = tuple[Any, Callable[[Any], None]]


def _turns(job: Job) -> list[Turn]:
    """The steps with their handlers, the last step first: what is nearly done comes before what is not begun."""
    from statustrack.demo.steps import answer_questions, extract_document, steps_of
    from statustrack.tracking.location import use_engine

    use_engine(job.url)
    extract, answer = steps_of(job.use_case_id)
    return [
        (answer, partial(answer_questions, as_of=date.fromisoformat(job.as_of))),
        (extract, partial(extract_document, folder=Path(job.folder))),
    ]


def _work(turns: list[Turn], stopped: Callable[[], bool], shutdown: _Shutdown) -> None:
    from statustrack.core.errors import StorageUnavailableError

    failures = looks = 0
    while not stopped():
        try:
            worked = sum(_turn(step, handler, stopped, shutdown) for step, handler in turns)
            failures = 0
            if worked == 0:
                looks = 0 if any(_unfinished(step) for step, _ in turns) else looks + 1
                if looks == LOOKS:
                    return
                time.sleep(IDLE_SECONDS)
        except StorageUnavailableError as error:
            failures += 1
            if failures >= PATIENCE:
                raise
            logger.warning("the storage does not answer (%d in a row): %s", failures, error)
            time.sleep(0.2 * failures)


def _turn(step: Any, handler: Callable[[Any], None], stopped: Callable[[], bool], shutdown: _Shutdown) -> int:
    """Work on a few tasks of one step; how many."""
    from statustrack.core.errors import StorageError, TaskExecutionError

    worked = 0
    # One at a time, so that whoever is killed takes one document with it; a real job would claim in larger batches.
    for ctx in step.claim_many(limit=TURN, batch=1):
        worked += 1
        try:
            with ctx:
                shutdown.in_block = True
                try:
                    handler(ctx)
                finally:
                    shutdown.in_block = False
        except StorageError:
            raise
        except TaskExecutionError as error:  # lost its lease, say: whoever took the task over goes on with it
            logger.warning("%s", error)
        except Exception as error:  # the document's own fault: it is on record
            logger.info("%s: %r", ctx.task.task_id, error)
        if stopped():
            break
    return worked


def _unfinished(step: Any) -> bool:
    """Whether the step has work, now or later: waiting, held by others, or in the pause before another try."""
    return any(step.count_by_status(["pending", "in_progress", "failed"], most=1).values())
