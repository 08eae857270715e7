"""SIGTERM and Ctrl-C while a worker runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class Signals:
    """SIGTERM and SIGINT stop the worker while it runs in the main thread; what was there before comes back."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before is None or (number == signal.SIGINT and before is signal.SIG_IGN):
                continue  # not set by Python, or told to leave Ctrl-C to a parent
            self._before[number] = before
            signal.signal(number, lambda got, _: self._told(signal.Signals(got).name))

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
