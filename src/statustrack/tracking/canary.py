"""A canary: a few redriven tasks whose outcomes are waited for before the others are redriven."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from statustrack.core.config import TrackerConfig
from statustrack.core.errors import ConfigError
from statustrack.core.record import attempts_of
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine
from statustrack.tracking.arguments import seconds_of

#: The pauses between two looks grow from the first to the last of these, each drawn from half to one and a half of it.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
#: How many tasks the sample is drawn from, at the least: the oldest ones alone may all be of one kind.
DRAWN_FROM = 500


@dataclass
class CanaryReport:
    """How the sample of a redrive did. ``passed`` is None until it is decided."""

    size: int  #: how many were redriven as the sample
    needed: int  #: how many of them must succeed
    ids: list[str] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0  #: failed, ignored, lost, evicted, or deleted meanwhile
    waiting: int = 0
    seconds: float = 0.0
    passed: bool | None = None


def size_of_canary(canary: Any) -> int | None:
    """A sample size: None (no canary) or a whole number from 1. Raises ``ConfigError``."""
    if canary is None:
        return None
    if isinstance(canary, bool) or not isinstance(canary, int) or canary < 1:
        raise ConfigError(f"canary={canary!r} must be a whole number of 1 or more, or None for no canary.")
    return canary


def share_of(require: Any) -> float:
    """The part that must succeed, from 0.95, 1 or ``"95%"``. Raises ``ConfigError``."""
    share = require
    if isinstance(require, str):
        text, percent, rest = require.strip().partition("%")
        try:
            share = float(text) / (100 if percent else 1)
        except ValueError:
            share = None
        if rest:
            share = None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ConfigError(f'require={require!r} must be a part of the canary: 0.95 or "95%", above 0 and at most 100%.')
    return float(share)


def seconds_to_wait(wait: Any) -> float:
    """How long to wait for the outcomes. Raises ``ConfigError``."""
    seconds = seconds_of(wait, "wait")
    if seconds < 0:
        raise ConfigError(f"wait={wait!r} must not be negative.")
    return seconds


def needed_of(size: int, share: float) -> int:
    """How many of a sample must succeed (rounding errors aside, rounded up)."""
    return max(1, math.ceil(size * share - 1e-9))


def outcome_since(row: Row | None, config: TrackerConfig, attempt: int) -> str | None:
    """What came of a task that was redriven after this attempt: ``succeeded``, ``failed``, or None (not yet).

    The first attempt that counts decides: a release or a snooze does not, and a task that fails and succeeds at its
    next try has failed.
    """
    if row is None:
        return "failed"
    for entry in attempts_of(row):
        if entry.attempt > attempt and entry.status == config.in_progress_status:
            if entry.outcome == "succeeded":
                return "succeeded"
            if entry.outcome not in ("released", "snoozed"):
                return "failed"
    status = row.get("status")
    if status in (config.pending_status, config.in_progress_status):
        return None
    # pynamodb_mate keeps no attempts: its status says it. A code of another step: it has gone on from here.
    return "failed" if status in (config.failed_status, config.ignored_status) else "succeeded"


def watch(
    engine: Engine,
    table: str,
    config: TrackerConfig,
    attempts: dict[str, int],
    report: CanaryReport,
    wait_seconds: float,
    progress: Callable[[], None],
) -> None:
    """Look at the redriven tasks (key: their attempt when they were redriven) until it is decided, or time is up."""
    clock = engine.clock
    began, pause = clock.boot(), FIRST_PAUSE_SECONDS
    open_keys = dict(attempts)
    nobody = threading.Event()
    while True:
        rows = engine.get(table, list(open_keys)) if open_keys else {}
        for key, attempt in list(open_keys.items()):
            outcome = outcome_since(rows.get(key), config, attempt)
            if outcome is not None:
                del open_keys[key]
                report.succeeded += outcome == "succeeded"
                report.failed += outcome == "failed"
        report.waiting = len(open_keys)
        report.seconds = (clock.boot() - began) / 1_000_000
        if report.succeeded >= report.needed:
            report.passed = True
        elif report.succeeded + report.waiting < report.needed or report.seconds >= wait_seconds:
            report.passed = False
        progress()
        if report.passed is not None:
            return
        clock.wait(nobody, min(pause * (0.5 + random.random()), max(0.0, wait_seconds - report.seconds)))
        pause = min(pause * 1.6, LONGEST_PAUSE_SECONDS)
