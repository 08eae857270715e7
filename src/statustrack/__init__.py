"""statustrack: the status of business-critical tasks, in one SQLite file or in Amazon DynamoDB."""

TYPE_CHECKING = False  # type checkers take it for true, and typing is most of what a bare import would cost

if TYPE_CHECKING:
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

#: Where a name lives that is no error. Each is imported when it is first looked at: whoever asks for the version pays
#: for nothing else, and whoever creates tasks does not pay for workers.
_HOMES = {
    "BaseStatusEnum": "statustrack.core.status",
    "BaseTask": "statustrack.tracking.task",
    "CreateReport": "statustrack.tracking.bulk",
    "ExecutionContext": "statustrack.tracking.context",
    "Pipeline": "statustrack.worker.pipeline",
    "Report": "statustrack.worker.report",
    "Results": "statustrack.tracking.results",
    "Shutdown": "statustrack.tracking.signals",
    "StatusAndUpdateTimeIndex": "statustrack.tracking.index",
    "StatusNameEnum": "statustrack.core.status",
    "TaskEvent": "statustrack.tracking.hooks",
    "TrackerConfig": "statustrack.core.config",
    "Worker": "statustrack.worker.worker",
    "on": "statustrack.tracking.hooks",
    "release_on_sigterm": "statustrack.tracking.signals",
    "use_engine": "statustrack.tracking.location",
}

if not TYPE_CHECKING:  # a type checker would take it for the promise that any name is here

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(_HOMES.get(name, "statustrack.core.errors")), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
