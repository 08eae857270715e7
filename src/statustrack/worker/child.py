"""The other side of a process handler: runs the function on a task that it was sent, in a process kept for the next."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from typing import Any

from statustrack.core.errors import StatusTrackError
from statustrack.core.payload import decode, encode_data


class ChildContext:
    """What a handler with ``kind="process"`` is given: the task and the verbs of an :class:`ExecutionContext`.

    ``set_data`` and ``also`` travel with the result; the others ask the worker, which holds the lease.
    """

    def __init__(self, pipe: Any, task: Any, facts: dict[str, Any]) -> None:
        self.task = task
        self.attempt: int = facts["attempt"]
        self.fence: int = facts["fence"]
        self.lock_token: str = facts["lock_token"]
        self.lease_until: datetime = facts["lease_until"]
        self._pipe = pipe
        self._data: str | None = None
        self._transact: list[Any] = []
        self._sql: list[Any] = []

    def _ask(self, verb: str, *arguments: Any) -> Any:
        self._pipe.send((verb, arguments))
        kind, value = self._pipe.recv()
        if kind == "error":
            raise value
        return value

    @property
    def data(self) -> dict[str, Any]:
        """The task's data as it would be stored now. A fresh dict."""
        found: dict[str, Any] = decode(self._data if self._data is not None else self.task._row.get("data"), {})
        return found

    @property
    def lease_lost(self) -> bool:
        """Whether the task is no longer this worker's."""
        return bool(self._ask("lease_lost"))

    def check(self) -> None:
        """Raise ``TaskLeaseLostError`` if the lease is lost."""
        self._ask("check")

    def set_data(self, data: dict[str, Any] | None) -> ChildContext:
        """Replace the task's data when the handler succeeds."""
        self._data = encode_data(data)
        return self

    def progress(self, fraction: Any = None, message: str = "") -> None:
        """Say how far the work is (0 to 1)."""
        self._ask("progress", fraction, message)

    def update(self) -> None:
        """Store what was set so far now."""
        self._ask("update", self._data)

    def also(self, *, transact: Any = (), sql: Any = ()) -> None:
        """Writes of your own that commit together with the success (statements: functions cannot travel)."""
        self._transact += transact
        self._sql += sql

    @contextmanager
    def begin_update(self) -> Iterator[ChildContext]:
        """A block after whose exception everything that it set is forgotten again."""
        before = self._data
        try:
            yield self
        except BaseException:
            self._data = before
            raise


class RemoteTraceback(Exception):
    """The traceback in the handler's own process, as text: the cause of the exception that came back."""

    def __str__(self) -> str:
        return "\n" + str(self.args[0])


def serve(pipe: Any, module: str, name: str) -> None:
    """The life of the process: one task after the other, until the worker closes the pipe."""
    # Signals to a whole group are for the worker, which decides. Not ignored: programs that a handler starts would
    # ignore them too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        function: Any = _function(module, name)
        pipe.send(("ready", None))
    except Exception as error:
        pipe.send(("raised", portable(error)))
        os._exit(1)
    while True:
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)  # nothing of the user's may keep it alive
        try:
            task, facts = pickle.loads(message)
            ctx = ChildContext(pipe, task, facts)
            returned = function(ctx)
            if returned is not None and not isinstance(returned, dict):
                raise TypeError(f"{name} returned {type(returned).__name__}: it must return a dict or None.")
            if returned:
                ctx.set_data({**ctx.data, **returned})
            answer: tuple[str, Any] = ("done", (ctx._data, ctx._transact, ctx._sql))
        except BaseException as error:
            answer = ("raised", portable(error))
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            os._exit(0)
        except Exception as error:  # something in the answer cannot be pickled
            pipe.send(("raised", portable(error)))


def portable(error: BaseException) -> BaseException:
    """An exception that survives the way: itself where it pickles, else one that says what it was."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        again = pickle.loads(pickle.dumps(error))
        if type(again) is type(error):
            return _Pickled(error, text)  # type: ignore[return-value]
    except Exception:
        pass
    return _Pickled(StatusTrackError(f"{type(error).__name__}: {error}"), text)  # type: ignore[return-value]


class _Pickled:
    """An exception and its traceback as text; unpickles as the exception, with the text as its cause."""

    def __init__(self, error: BaseException, text: str) -> None:
        self._error = error
        self._text = text

    def __reduce__(self) -> Any:
        return _rebuild, (self._error, self._text)


def _rebuild(error: BaseException, text: str) -> BaseException:
    error.__cause__ = RemoteTraceback(text)
    return error


def _function(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
