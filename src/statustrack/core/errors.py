"""Every error that a user can meet, in one tree.

::

    StatusTrackError
    |-- ConfigError (ValueError)            a configuration, an engine URL or an argument that cannot work
    |-- InvalidDataError (ValueError)       data that cannot be stored: not JSON, or too large
    |-- TaskExecutionError                  something about one task
    |   |-- TaskIsNotReadyToStartError      the task cannot be started now; .reason says why
    |   |   |-- TaskIsNotInitializedError   it is not in the table
    |   |   |-- TaskLockedError             another worker holds it (alias TaskIsLockedError)
    |   |   |-- TaskAlreadySucceedError     it is done
    |   |   `-- TaskIgnoredError            it failed too often
    |   |-- TaskAlreadyExistsError          create found it in the table
    |   |-- TaskChangedError                save or delete found another version than the one that was read
    |   |-- TaskLeaseLostError              the lease ran out and the task is no longer this worker's
    |   `-- TaskOutcomeUnknownError         the storage never said whether the outcome was recorded
    |-- StorageError                        the storage refused or failed; never the user's code
    |   |-- TableNotFoundError              the table or the file is not there
    |   |-- TableMismatchError              it is there, but is not a table of ours
    |   `-- StorageUnavailableError         it does not answer, or has no room; a later try may succeed
    `-- TaskInstruction                     raised by user code to steer the tracker
        |-- GiveUp                          this task can never succeed: ignore it
        `-- Snooze                          not now: give the task back for a while

Errors pickle with their fields.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from statustrack.core.limits import LONGEST_DELAY_SECONDS


class StatusTrackError(Exception):
    """The base of all errors of this library."""


class ConfigError(StatusTrackError, ValueError):
    """A configuration, an engine URL or an argument that cannot work. Nothing was written."""


class InvalidDataError(StatusTrackError, ValueError):
    """Data that cannot be stored: not JSON, or too large. Nothing was written."""


class StorageError(StatusTrackError):
    """The storage refused or failed. The task is as it was, unless the message says otherwise."""


class TableNotFoundError(StorageError):
    """The table or the database file is not there."""


class TableMismatchError(StorageError):
    """The table or file is there, but it is not one that this library made or can use."""


class StorageUnavailableError(StorageError):
    """The storage does not answer, throttles or has no room. The same call may succeed later."""


class TaskExecutionError(StatusTrackError):
    """Something about one task. ``task`` is the task as last seen (None where it is not known)."""

    task: Any = None

    @staticmethod
    def to_task(use_case_id: str, task_id: str) -> str:
        """How messages name a task."""
        return f"Task(use_case_id={use_case_id!r}, task_id={task_id!r})"


class TaskIsNotReadyToStartError(TaskExecutionError):
    """The task cannot be started now.

    ``reason`` is one of ``locked``, ``succeeded``, ``ignored``, ``not_ready`` (in backoff, or snoozed), ``other_step``
    (its status belongs to another step) and ``not_initialized``; ``task`` is the task as the refusal found it;
    ``retry_at`` (aware UTC datetime or None) is when a start may succeed without anybody's doing.
    """

    reason: str = "not_ready"
    retry_at: datetime | None = None

    @classmethod
    def make(cls, use_case_id: str, task_id: str) -> TaskIsNotReadyToStartError:
        """The error with its standard message."""
        return cls(
            f"{cls.to_task(use_case_id, task_id)} is not ready to start, "
            "either it is locked or status is not in 'pending' or 'failed'. "
            "You may use ``with Task.start(task_id=..., detailed_error=True) as execution_context:`` "
            "to get more details."
        )


class TaskIsNotInitializedError(TaskIsNotReadyToStartError):
    """The task is not in the table."""

    reason = "not_initialized"

    @classmethod
    def make(cls, use_case_id: str, task_id: str) -> TaskIsNotInitializedError:
        """The error with its standard message."""
        return cls(
            f"{cls.to_task(use_case_id, task_id)} is not found in the table. "
            "Run ``Task.make_and_save(task_id=...)`` first, or start it with ``create=True``."
        )


class TaskLockedError(TaskIsNotReadyToStartError):
    """Another worker holds the task; ``retry_at`` is when its lease ends unless it is renewed."""

    reason = "locked"

    @classmethod
    def make(cls, use_case_id: str, task_id: str) -> TaskLockedError:
        """The error with its standard message."""
        return cls(f"{cls.to_task(use_case_id, task_id)} is locked")


#: The name that the original's prose uses.
TaskIsLockedError = TaskLockedError


class TaskAlreadySucceedError(TaskIsNotReadyToStartError):
    """The task is done."""

    reason = "succeeded"

    @classmethod
    def make(cls, use_case_id: str, task_id: str) -> TaskAlreadySucceedError:
        """The error with its standard message."""
        return cls(f"{cls.to_task(use_case_id, task_id)} is already succeeded.")


class TaskIgnoredError(TaskIsNotReadyToStartError):
    """The task failed too often, or was given up."""

    reason = "ignored"

    @classmethod
    def make(cls, use_case_id: str, task_id: str) -> TaskIgnoredError:
        """The error with its standard message."""
        return cls(f"{cls.to_task(use_case_id, task_id)} is ignored.")


class TaskAlreadyExistsError(TaskExecutionError):
    """A create found the task in the table; ``task`` is what is there, untouched."""


class TaskChangedError(TaskExecutionError):
    """A save or delete found another version of the task than the one it was given; ``task`` is what is there."""


class TaskLeaseLostError(TaskExecutionError):
    """The lease ran out: the task is no longer this worker's, and its outcome was not recorded.

    ``task`` is the task as this worker last knew it, ``current`` as it was found (None: deleted, or not looked at).
    What the worker would have recorded is kept in the task's ``late_results``. An error of the user's block is
    chained (``__cause__``).
    """

    current: Any = None


class TaskOutcomeUnknownError(TaskExecutionError):
    """The storage never said whether the outcome was recorded, until the lease ended; ``task`` is as last known.

    The task is not lost: either the outcome was recorded, or another worker takes the task over.
    """


class TaskInstruction(StatusTrackError):
    """Raised by user code inside the block to steer the tracker; the block ends without an error."""


class GiveUp(TaskInstruction):
    """This task can never succeed: it becomes ignored at once, with the reason."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = str(reason)


class Snooze(TaskInstruction):
    """Not now: the task goes back to where it was claimed from and can be claimed after ``seconds`` (0 to 366 days).

    No attempt is counted against the task. Raises ``ConfigError`` for seconds that are not finite or out of range.
    """

    def __init__(self, seconds: Any, reason: str = "") -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
            raise ConfigError(f"Snooze({seconds!r}): seconds must be a finite number.")
        if not 0 <= seconds <= LONGEST_DELAY_SECONDS:
            raise ConfigError(f"Snooze({seconds!r}): seconds must be between 0 and {LONGEST_DELAY_SECONDS} (366 days).")
        super().__init__(seconds, reason)
        self.seconds = float(seconds)
        self.reason = str(reason)
