"""SIGTERM as a reason to give tasks back: for spot instances, containers and anything else that is told to go."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from statustrack.core.errors import ConfigError


class Shutdown(SystemExit):
    """The process was told to end (SIGTERM). Ends the program with 128 + the signal's number, as a shell would say it;
    tasks that are held are released, uncounted."""


_installed: tuple[int, Any] | None = None


def release_on_sigterm() -> None:
    """From now on SIGTERM raises :class:`Shutdown` in the main thread: blocks of ``start()`` give their tasks back
    and the
    program ends with status 143. A handler that was there before is called first.

    :raises ConfigError: called outside the main thread (Python lets only that one set handlers).
    """
    global _installed
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError(
            "release_on_sigterm() must be called in the main thread: only that one may set signal handlers."
        )
    if _installed is not None and _installed[0] == os.getpid():
        return
    owner = os.getpid()
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked child (a data loader's worker): the task is not its own
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if callable(before):
            before(number, frame)
        raise Shutdown(128 + number)

    signal.signal(signal.SIGTERM, handle)
    _installed = (owner, handle)
