"""Functions of yours that are told of what happens to tasks in this process: ``st.on("failed", f)``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from statustrack.core.errors import ConfigError
from statustrack.tracking.trace import logger

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

F = TypeVar("F", bound=Callable[..., Any])
Hook = Callable[["TaskEvent"], Any]

#: Everything that can be listened to.
EVENTS = ("started", "succeeded", "failed", "ignored", "gave_up", "released", "snoozed", "taken_over", "lost")

#: Event to the functions that listen to it. Empty while nobody does: all that a task then pays is one look at it.
registered: dict[str, tuple[Hook, ...]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class TaskEvent:
    """What happened to a task, as the storage has confirmed it.

    ``event`` is one of ``EVENTS``; ``step`` the name of the task class; ``status`` the code that is stored now;
    ``error`` the summary of the last failure (for ``lost``: why); ``retry_at`` when a failed or snoozed task can be
    claimed again (None: at once); ``task`` the task itself, as recorded (for ``lost``: as last seen).
    """

    event: str
    use_case_id: str
    task_id: str
    key: str
    step: str
    status: int
    attempt: int
    retry: int
    worker: str | None
    error: str | None
    error_group: str | None
    retry_at: datetime | None
    task: Any


@overload
def on(event: str | Iterable[str], hook: None = None) -> Callable[[F], F]: ...
@overload
def on(event: str | Iterable[str], hook: Hook) -> Callable[[], None]: ...
def on(event: str | Iterable[str], hook: Hook | None = None) -> Callable[..., Any]:
    """Have a function called with a :class:`TaskEvent` whenever this happens in this process::

        unsubscribe = st.on("failed", tell)

        @st.on(["ignored", "gave_up", "lost"])
        def page_somebody(event): ...

    Events: ``started``, ``succeeded``, ``failed`` (will be tried again), ``ignored`` (failed too often, or killed its
    workers too often), ``gave_up`` (the code raised ``GiveUp``), ``released``, ``snoozed``, ``taken_over`` (from a
    worker that died; ``started`` follows when it runs again), ``lost`` (this process has lost the lease). They fire for
    ``start()``, ``claim_many`` and workers, after the storage has confirmed what happened, in the thread that recorded
    it (``lost``: in one of its own). So be quick, or put the event into a queue. What a hook raises is logged, and
    harms nothing. Processes of a worker call the hooks of the modules that they import.

    :returns: with a hook: a function that ends it. Without: a decorator, which gives the function back as it is.
    :raises ConfigError: an event that there is not.
    """
    names = (event,) if isinstance(event, str) else tuple(event)
    unknown = [name for name in names if name not in EVENTS]
    if unknown or not names:
        raise ConfigError(f"unknown events {unknown}: there are {', '.join(EVENTS)}.")
    if hook is None:

        def decorate(function: F) -> F:
            _add(names, function)
            return function

        return decorate
    return _add(names, hook)


def _add(names: tuple[str, ...], hook: Hook) -> Callable[[], None]:
    if not callable(hook):
        raise ConfigError(f"{hook!r} is no function: a hook is called with the event.")

    # Registered as itself: the same function may be registered twice, and each registration ends by itself.
    def call(event: TaskEvent) -> Any:
        return hook(event)

    with _lock:
        for name in names:
            registered[name] = (*registered.get(name, ()), call)

    def unsubscribe() -> None:
        with _lock:
            for name in names:
                left = tuple(each for each in registered.get(name, ()) if each is not call)
                if left:
                    registered[name] = left
                else:
                    registered.pop(name, None)

    return unsubscribe


def fire(event: str, task: BaseTask, error: str | None = None) -> None:
    """Tell the hooks. Call it only where ``registered`` is not empty, and after the storage has confirmed it."""
    listening = registered.get(event)
    if not listening:
        return
    try:
        told = TaskEvent(
            event=event,
            use_case_id=task.use_case_id,
            task_id=task.task_id,
            key=task.key,
            step=type(task).__name__,
            status=task.status,
            attempt=task.attempt,
            retry=task.retry,
            worker=task.worker,
            error=error if error is not None else task.error_summary,
            error_group=task.error_group,
            retry_at=task.ready_at,
            task=task,
        )
    except Exception:  # a row that others wrote in a way of their own: nobody's task may suffer from it
        logger.exception("hooks of %s could not be told of %r", event, task)
        return
    for hook in listening:
        try:
            hook(told)
        except KeyboardInterrupt:  # the user's, not the hook's
            raise
        except BaseException:
            logger.exception("a hook of %s raised; %s is as it was recorded", event, told.key)


def fire_apart(event: str, task: BaseTask, error: str | None = None) -> None:
    """The same in a thread of its own, for those who must not wait: the leases of others depend on them."""
    if registered.get(event):
        threading.Thread(target=fire, args=(event, task, error), name="statustrack-hook", daemon=True).start()
