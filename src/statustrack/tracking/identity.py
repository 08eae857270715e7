"""Who this process is: the worker name that claims and notes carry, new with every process start (and fork)."""

from __future__ import annotations

import os
import sys

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_pid = os.getpid()
_worker = ""


def process() -> int:
    """``os.getpid()``, without the system call: it is asked several times for each task."""
    return _pid


def worker_name() -> str:
    """``host:pid:8 hexadecimal digits``. The digits are new per process start: pids and host names come back."""
    global _worker
    if not _worker:
        _worker = f"{_host()[:24] or 'host'}:{_pid}:{new_token()[:8]}"
    return _worker


def _in_child() -> None:
    global _pid, _worker
    _pid, _worker = os.getpid(), ""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def new_token() -> str:
    """A fresh random uuid (RFC 9562, version 4) in hexadecimal, without the object that ``uuid.uuid4()`` makes of
    it."""
    digits = os.urandom(16).hex()
    return f"{digits[:12]}4{digits[13:16]}{_VARIANT[digits[16]]}{digits[17:]}"


def operator_name() -> str:
    """Who acts as an operator, for notes: ``user@host``."""
    import getpass  # needed by operators only

    try:
        user = getpass.getuser()
    except Exception:  # no such user in a container: KeyError before 3.13, OSError since
        user = "unknown"
    return f"{user}@{_host()}"[:80]


def _host() -> str:
    if sys.platform != "win32":  # the socket module costs more to import than all the rest of this package
        name = os.uname().nodename
    else:
        import socket

        name = socket.gethostname()
    return name.split(".", 1)[0]
