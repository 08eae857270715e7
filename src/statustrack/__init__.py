"""statustrack: the status of business-critical tasks, in one SQLite file or in Amazon DynamoDB."""

from typing import TYPE_CHECKING, Any

from statustrack.core.config import TrackerConfig
from statustrack.core.errors import (
    ConfigError,
    GiveUp,
    InvalidDataError,
    Snooze,
    StatusTrackError,
    StorageError,
    StorageUnavailableError,
    TableMismatchError,
    TableNotFoundError,
    TaskAlreadyExistsError,
    TaskAlreadySucceedError,
    TaskChangedError,
    TaskExecutionError,
    TaskIgnoredError,
    TaskInstruction,
    TaskIsLockedError,
    TaskIsNotInitializedError,
    TaskIsNotReadyToStartError,
    TaskLeaseLostError,
    TaskLockedError,
    TaskOutcomeUnknownError,
)
from statustrack.core.status import BaseStatusEnum, StatusNameEnum
from statustrack.tracking.bulk import CreateReport
from statustrack.tracking.context import ExecutionContext
from statustrack.tracking.hooks import TaskEvent, on
from statustrack.tracking.index import StatusAndUpdateTimeIndex
from statustrack.tracking.location import use_engine
from statustrack.tracking.results import Results
from statustrack.tracking.signals import Shutdown, release_on_sigterm
from statustrack.tracking.task import BaseTask

if TYPE_CHECKING:
    from statustrack.worker.pipeline import Pipeline
    from statustrack.worker.report import Report
    from statustrack.worker.worker import Worker

__version__ = "0.1.0"

__all__ = [
    "BaseStatusEnum",
    "BaseTask",
    "ConfigError",
    "CreateReport",
    "ExecutionContext",
    "GiveUp",
    "InvalidDataError",
    "Pipeline",
    "Report",
    "Results",
    "Shutdown",
    "Snooze",
    "StatusAndUpdateTimeIndex",
    "StatusNameEnum",
    "StatusTrackError",
    "StorageError",
    "StorageUnavailableError",
    "TableMismatchError",
    "TableNotFoundError",
    "TaskAlreadyExistsError",
    "TaskAlreadySucceedError",
    "TaskChangedError",
    "TaskEvent",
    "TaskExecutionError",
    "TaskIgnoredError",
    "TaskInstruction",
    "TaskIsLockedError",
    "TaskIsNotInitializedError",
    "TaskIsNotReadyToStartError",
    "TaskLeaseLostError",
    "TaskLockedError",
    "TaskOutcomeUnknownError",
    "TrackerConfig",
    "Worker",
    "__version__",
    "on",
    "release_on_sigterm",
    "use_engine",
]

#: Imported when they are first looked at: whoever only reads or creates tasks does not pay for workers.
_LAZY = {
    "Pipeline": "statustrack.worker.pipeline",
    "Report": "statustrack.worker.report",
    "Worker": "statustrack.worker.worker",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_LAZY[name]), name)
    globals()[name] = found
    return found
