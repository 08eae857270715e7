"""Steps and pipelines named on the command line as ``package.module:Name``, imported from the working directory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from statustrack.cli.options import Refusal

target_argument = click.argument("targets", metavar="MODULE:STEP...", nargs=-1, required=True)


def load(targets: Sequence[str]) -> list[Any]:
    """What these names stand for; modules are found as ``python -m`` finds them, the working directory first."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    return [_load(target) for target in targets]


def _load(target: str) -> Any:
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name):
        raise Refusal(f"{target!r} is not of the form package.module:Step, for example jobs.invoices:Step1.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise Refusal(
                f"there is no module {module_name!r} in {os.getcwd()} (or installed). Run this in the folder that "
                "holds it."
            ) from error
        raise Refusal(f"{module_name} cannot be imported: {error}.") from error
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            steps = ", ".join(sorted(_steps_in(module))) or "none"
            raise Refusal(f"module {module_name} has no {name!r}. Steps and pipelines in it: {steps}.") from None
    return found


def _steps_in(module: Any) -> list[str]:
    from statustrack.tracking.task import BaseTask
    from statustrack.worker.pipeline import Pipeline

    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Pipeline)
        or (isinstance(value, type) and issubclass(value, BaseTask) and getattr(value, "config", None) is not None)
    ]
