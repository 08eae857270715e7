"""``@Step.handler``: which function works on the tasks of a step, and how a worker is to run it."""

# A parent of BaseTask whose methods are typed as BaseTask's; mypy's check that "self" is a supertype does not know that
# nobody else inherits from it.
# mypy: disable-error-code="misc"

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from statustrack.core.errors import ConfigError

if TYPE_CHECKING:
    from statustrack.tracking.task import BaseTask

F = TypeVar("F", bound=Callable[..., Any])

KINDS = ("thread", "process")


@dataclass(frozen=True)
class Handler:
    """The function of a step and its options."""

    function: Callable[..., Any]
    max_concurrency: int | None = None
    timeout_seconds: float | None = None
    kind: str = "thread"
    is_async: bool = False
    declared_in: str = ""  #: the module that another process must import to know of it; not always the function's

    @property
    def name(self) -> tuple[str, str]:
        """Module and qualified name: what tells a function that was defined again from another one."""
        return _name(self.function)


class HandlerVerb:
    """The verb of a task class that declares who works on its tasks."""

    @overload
    @classmethod
    def handler(cls, function: F, /) -> F: ...

    @overload
    @classmethod
    def handler(
        cls, /, *, max_concurrency: int | None = None, timeout_seconds: float | None = None, kind: str = "thread"
    ) -> Callable[[F], F]: ...

    @classmethod
    def handler(
        cls: type[BaseTask],
        function: Any = None,
        /,
        *,
        max_concurrency: int | None = None,
        timeout_seconds: float | None = None,
        kind: str = "thread",
    ) -> Any:
        """Declare the function that a worker runs on each task of this step; returns it unchanged::

            @Step1.handler
            def extract(ctx):
                return {"text": read(ctx.task.task_id)}

        It takes the :class:`ExecutionContext`. A dict that it returns is merged into the task's data (top level); None
        keeps what ``ctx.set_data`` has set; anything else is a failure. A coroutine function is run in an event loop.

        :param max_concurrency: at most so many at a time in one worker process.
        :param timeout_seconds: an attempt that takes longer is recorded as failed (timed out): a coroutine is
            cancelled, the process of a process handler is killed. A thread cannot be killed: it is told by
            ``ctx.lease_lost``, and its slot is lost until it ends.
        :param kind: ``thread``, or ``process``: in a process of its own that is kept for the next task (for work
            that burns CPU, leaks, or crashes). Its function must be at the top level of a module.
        :raises ConfigError: an option that cannot work, or a second, different handler. The same name again (a notebook
            cell that is run twice) replaces it.
        """

        module = str(sys._getframe(1).f_globals.get("__name__", ""))

        def declare(given: F) -> F:
            found = replace(_checked(cls, given, max_concurrency, timeout_seconds, kind), declared_in=module)
            before = cls.__dict__.get("_handler")
            if before is not None and before.name != found.name:
                raise ConfigError(
                    f"{cls.__name__} has a handler already, {'.'.join(before.name)}, and {'.'.join(found.name)} would "
                    "be a second one: a step has one handler. Call the one from the other, or make another step."
                )
            cls._handler = found
            return given

        return declare if function is None else declare(function)


def handler_of(step: type[BaseTask]) -> Handler | None:
    """The handler of a step; that of a parent class is not its own."""
    found: Handler | None = step.__dict__.get("_handler")
    return found


def _name(function: Callable[..., Any]) -> tuple[str, str]:
    kind = type(function)
    return (
        getattr(function, "__module__", kind.__module__) or "",
        getattr(function, "__qualname__", None) or kind.__qualname__,
    )


def _checked(step: type[BaseTask], function: Any, max_concurrency: Any, timeout_seconds: Any, kind: Any) -> Handler:
    step._config()
    if not callable(function):
        raise ConfigError(f"{step.__name__}.handler takes a function of one argument (the context), not {function!r}.")
    if max_concurrency is not None and (
        isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1
    ):
        raise ConfigError(f"max_concurrency={max_concurrency!r} must be a whole number of 1 or more, or None.")
    if timeout_seconds is not None and (
        isinstance(timeout_seconds, bool)
        or not isinstance(timeout_seconds, (int, float))
        or not math.isfinite(timeout_seconds)
        or timeout_seconds <= 0
    ):
        raise ConfigError(f"timeout_seconds={timeout_seconds!r} must be a number above 0, or None.")
    if kind not in KINDS:
        raise ConfigError(f"kind={kind!r} must be one of {', '.join(KINDS)} (coroutine functions need none).")
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(function.__call__)
    if kind == "process":
        module, name = _name(function)
        if is_async:
            raise ConfigError(f"{name}: a coroutine function runs in an event loop; kind='process' is for functions.")
        if "<" in name or inspect.ismethod(function):
            raise ConfigError(
                f"{module}.{name}: with kind='process' the function must be at the top level of a module, where the "
                "other process can import it."
            )
    return Handler(
        function, max_concurrency, None if timeout_seconds is None else float(timeout_seconds), kind, is_async
    )
