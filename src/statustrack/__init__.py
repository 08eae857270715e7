"""statustrack: the status of business-critical tasks, in one SQLite file or in Amazon DynamoDB."""

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
from statustrack.tracking.index import StatusAndUpdateTimeIndex
from statustrack.tracking.location import use_engine
from statustrack.tracking.results import Results
from statustrack.tracking.signals import Shutdown, release_on_sigterm
from statustrack.tracking.task import BaseTask

__version__ = "0.1.0"

__all__ = [
    "BaseStatusEnum",
    "BaseTask",
    "ConfigError",
    "CreateReport",
    "ExecutionContext",
    "GiveUp",
    "InvalidDataError",
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
    "__version__",
    "release_on_sigterm",
    "use_engine",
]
