"""What code written for pynamodb_mate 6.0.1 may call, it can call here: the same names, in the same positions."""

import importlib
import inspect
from importlib.metadata import version
from inspect import Parameter
from types import ModuleType
from typing import Any

import pytest

import statustrack
import statustrack.api as pm

# Not imported by name: it has no type hints that a checker could follow.
original_pm: Any = importlib.import_module("pynamodb_mate.api")
original = original_pm.patterns.status_tracker
ours: Any = pm.patterns.status_tracker

METHODS = {
    "BaseStatusEnum": ["from_value", "value_to_name", "values"],
    "TrackerConfig": ["make"],
    "StatusAndUpdateTimeIndex": ["query"],
    "ExecutionContext": ["begin_update", "set_data", "update"],
    "BaseTask": [
        *("batch_write", "count_tasks_by_use_case_id", "create_table", "delete", "delete_all"),
        *("delete_tasks_by_use_case_id", "get_one_or_none", "is_failed", "is_ignored", "is_in_progress", "is_locked"),
        *("is_pending", "is_succeeded", "make", "make_and_save", "make_key", "make_value", "query_by_status"),
        *("query_for_unfinished", "refresh", "save", "start", "to_dict"),
    ],
}

#: Defaults that differ on purpose. A listing that stops at ten without a word loses tasks.
DEFAULTS: dict[tuple[str, str], Any] = {
    ("BaseTask.query_by_status", "limit"): None,
    ("BaseTask.query_for_unfinished", "limit"): None,
    # A refresh is asked for to see what is there now; half a read unit is not worth seeing what was there before.
    ("BaseTask.refresh", "consistent_read"): True,
}

#: Where an argument that the original requires may have a default here, whichever it is.
MAY_BE_LEFT_OUT = {"TrackerConfig.make"}

#: Parameters that take pynamodb's own expression objects or steer its version attribute, which cannot exist here. They
#: may be missing; then nothing else may stand in their positions, so that a call that passes one is refused.
PYNAMODB_ONLY = {
    *(("BaseTask.save", name) for name in ("condition", "add_version_condition")),
    *(("BaseTask.delete", name) for name in ("condition", "add_version_condition")),
}

PROPERTIES = ["shard_id", "status_name", "task_id", "use_case_id"]

ATTRIBUTES = ["key", "value", "status", "create_time", "update_time", "retry", "lock", "lock_time", "data", "errors"]

ERRORS = [
    *("TaskExecutionError", "TaskIsNotInitializedError", "TaskIsNotReadyToStartError"),
    *("TaskLockedError", "TaskAlreadySucceedError", "TaskIgnoredError"),
]

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
CODES = {"pending_status": 0, "in_progress_status": 1, "failed_status": 2, "succeeded_status": 3, "ignored_status": 4}
SHARDS = {f"n_{name.removesuffix('_status')}_shard": 2 for name in CODES}


def parameters(owner: type, name: str) -> dict[str, Parameter]:
    """What a caller may pass: without self or cls, whether the method is one of the class or of its instances."""
    found = dict(inspect.signature(getattr(owner, name)).parameters)
    found.pop("self", None)
    return found


def differences(method: str, theirs: dict[str, Parameter], mine: dict[str, Parameter]) -> list[str]:
    """Every way in which a call that the original takes would fail, or mean something else."""
    found = []
    my_positions = [name for name, parameter in mine.items() if parameter.kind in POSITIONAL]
    for position, (name, parameter) in enumerate(theirs.items()):
        own = mine.get(name)
        if own is None:
            taken = parameter.kind in POSITIONAL and my_positions[position : position + 1]
            if (method, name) not in PYNAMODB_ONLY:
                found.append(f"{name} is missing")
            elif taken:
                found.append(f"{taken[0]} stands in the position of {name}")
        elif parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and own.kind is not parameter.kind:
            found.append(f"{name} is {own.kind.description}, not {parameter.kind.description}")
        elif parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and my_positions.index(name) != position:
            found.append(f"{name} is argument {my_positions.index(name) + 1}, not {position + 1}")
        elif parameter.kind is Parameter.KEYWORD_ONLY and own.kind is Parameter.VAR_KEYWORD:
            found.append(f"{name} cannot be passed by name")
        elif parameter.default is Parameter.empty:
            if own.default is not Parameter.empty and method not in MAY_BE_LEFT_OUT:
                found.append(f"{name} has a default")
        elif own.default != (default := DEFAULTS.get((method, name), parameter.default)):
            found.append(f"the default of {name} is {own.default!r}, not {default!r}")
    for name, own in mine.items():
        variable = own.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        if name not in theirs and own.default is Parameter.empty and not variable:
            found.append(f"{name} is required, and the original does not know it")
    return found


@pytest.mark.parametrize(
    ("theirs", "mine", "expected"),
    [
        (lambda a, b=1, **kwargs: 0, lambda a, b=1, c=2, *, d=3, **kwargs: 0, []),
        (lambda a, b: 0, lambda b, a: 0, ["a is argument 2, not 1", "b is argument 1, not 2"]),
        (lambda a: 0, lambda *, a: 0, ["a is keyword-only, not positional or keyword"]),
        (lambda a=1: 0, lambda a=2: 0, ["the default of a is 2, not 1"]),
        (lambda a: 0, lambda a=1: 0, ["a has a default"]),
        (lambda a: 0, lambda: 0, ["a is missing"]),
        (lambda **kwargs: 0, lambda: 0, ["kwargs is missing"]),
        (lambda: 0, lambda a: 0, ["a is required, and the original does not know it"]),
    ],
)
def test_a_difference_is_seen(theirs: Any, mine: Any, expected: list[str]) -> None:
    found = differences("any", *(dict(inspect.signature(function).parameters) for function in (theirs, mine)))
    assert found == expected


def test_the_original_is_the_version_that_is_promised() -> None:
    assert version("pynamodb_mate").startswith("6.0.1")


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(owner, name, id=f"{owner}.{name}") for owner, names in METHODS.items() for name in names],
)
def test_a_call_written_for_the_original_means_the_same(owner: str, name: str) -> None:
    theirs, mine = parameters(getattr(original, owner), name), parameters(getattr(ours, owner), name)
    assert differences(f"{owner}.{name}", theirs, mine) == []


@pytest.mark.parametrize(("method", "name"), sorted([*DEFAULTS, *PYNAMODB_ONLY]))
def test_no_exception_is_listed_in_vain(method: str, name: str) -> None:
    owner, _, method_name = method.partition(".")
    assert name in parameters(getattr(original, owner), method_name)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(owner, name) for owner, names in METHODS.items() for name in names if owner in ("BaseTask", "TrackerConfig")],
)
def test_what_the_class_answers_for_needs_no_instance(owner: str, name: str) -> None:
    if isinstance(inspect.getattr_static(getattr(original, owner), name), classmethod):
        assert "self" not in inspect.signature(getattr(getattr(ours, owner), name)).parameters


def test_a_task_has_the_same_attributes_with_the_same_defaults() -> None:
    theirs, mine = _new_task(original), _new_task(ours)
    for name in ATTRIBUTES:
        if name in ("create_time", "update_time"):
            assert getattr(mine, name).utcoffset() == getattr(theirs, name).utcoffset()
        else:
            assert getattr(mine, name) == getattr(theirs, name), name
    for name in PROPERTIES:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert mine.to_dict().keys() >= theirs.to_dict().keys()


def test_a_configuration_has_the_same_fields() -> None:
    arguments = dict(use_case_id="u", **CODES, **SHARDS, more_pending_status=7)
    theirs, mine = original.TrackerConfig.make(**arguments), ours.TrackerConfig.make(**arguments)
    names = [name for name in parameters(original.TrackerConfig, "__init__") if name != "status_enum"]
    assert {name: _plain(getattr(mine, name)) for name in names} == {
        name: _plain(getattr(theirs, name)) for name in names
    }
    assert mine.status_enum.values() == theirs.status_enum.values()
    assert issubclass(mine.status_enum, ours.BaseStatusEnum)


def _new_task(tracker: Any) -> Any:
    step: Any = type("Step", (tracker.BaseTask,), {"config": tracker.TrackerConfig.make("u", **CODES, **SHARDS)})
    return step.make("t", {"a": 1}, _shard_id=2)


def _plain(value: Any) -> Any:
    """A list where it may be any sequence, a dict where it may be any mapping."""
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(value)
    return dict(value) if hasattr(value, "keys") else value


def test_a_status_is_an_integer() -> None:
    codes = {"pending": 0, "in_progress": 1, "failed": 2, "succeeded": 3, "ignored": 4}
    enum = ours.BaseStatusEnum("Status", codes)
    assert issubclass(ours.BaseStatusEnum, int)
    assert enum.from_value(3) is enum.succeeded
    assert enum.value_to_name(3) == enum.succeeded.status_name == "succeeded"
    assert enum.values() == list(codes.values())


def test_everything_that_the_original_exports_is_exported() -> None:
    exported = {
        name for name, value in vars(original).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert exported >= {"BaseTask", "StatusNameEnum"}
    assert [name for name in sorted(exported) if not hasattr(ours, name)] == []
    assert [name for name in sorted(exported) if getattr(statustrack, name, None) is not getattr(ours, name)] == []


def test_the_names_of_a_status_are_those_of_the_original() -> None:
    assert {member.name: member.value for member in ours.StatusNameEnum} == {
        member.name: member.value for member in original.StatusNameEnum
    }


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_caught_by_what_caught_it(name: str) -> None:
    names = [base.__name__ for base in getattr(ours, name).__mro__]
    assert {base.__name__ for base in getattr(original, name).__mro__} <= set(names)


@pytest.mark.parametrize("name", [name for name in ERRORS if hasattr(getattr(original, name), "make")])
def test_an_error_says_what_it_said(name: str) -> None:
    mine, theirs = (getattr(module, name).make("u", "t") for module in (ours, original))
    if name == "TaskIsNotInitializedError":  # the original's speaks of DynamoDB, wherever the task is looked for
        assert str(mine).startswith("Task(use_case_id='u', task_id='t') is not found in")
    else:
        assert str(mine) == str(theirs)


def test_the_name_of_the_lock_error_in_the_prose_is_an_alias() -> None:
    assert ours.TaskIsLockedError is ours.TaskLockedError


def test_the_names_beside_the_status_tracker() -> None:
    assert pm.constants.PAY_PER_REQUEST_BILLING_MODE == original_pm.constants.PAY_PER_REQUEST_BILLING_MODE
    assert pm.constants.PROVISIONED_BILLING_MODE == original_pm.constants.PROVISIONED_BILLING_MODE
    assert pm.__version__ == statustrack.__version__
