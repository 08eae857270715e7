"""The options that commands share, and the errors that end one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

TABLE_VARIABLE = "STATUSTRACK_TABLE"
DEBUG_VARIABLE = "STATUSTRACK_DEBUG"

#: Exit statuses beside 0: what was asked for is not so, or there is something to look at; the command could not do it;
#: the storage cannot be reached (another try may do); Ctrl-C.
CHECK_FAILED, REFUSED, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


class Refusal(click.ClickException):
    """Ends a command with a message on stderr, and exit status 2."""

    exit_code = REFUSED

    def show(self, file: Any = None) -> None:
        from statustrack.cli import render

        render.error(self.format_message())


class Unreachable(Refusal):
    """Ends a command whose storage does not answer, with exit status 3."""

    exit_code = UNREACHABLE


def engine_option(default: str | None = "", shown: str | bool = True) -> Callable[[F], F]:
    """``--engine URL``, else the variable, else the default (empty: the file in the working directory)."""
    from statustrack.tracking.location import DEFAULT_URL, ENVIRONMENT

    return click.option(
        "--engine",
        "url",
        metavar="URL",
        envvar=ENVIRONMENT,
        default=DEFAULT_URL if default == "" else default,
        show_default=shown,
        show_envvar=True,
        help="Where the tasks live: sqlite:///FILE or dynamodb://REGION.",
    )


def tables_option(command: F) -> F:
    """``--table NAME``, repeatable; none given means the only one there."""
    return click.option(
        "--table",
        "tables",
        metavar="NAME",
        multiple=True,
        envvar=TABLE_VARIABLE,
        show_envvar=True,
        help="A table (repeatable); default: the only one there.",
    )(command)


def json_option(command: F) -> F:
    """``--json``: the same facts for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(command)


def debug_option(command: F) -> F:
    """``--debug``: errors with their traceback; taken before and after the command's name."""
    return click.option(
        "--debug",
        is_flag=True,
        envvar=DEBUG_VARIABLE,
        show_envvar=True,
        expose_value=False,
        is_eager=True,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )(command)


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    root = ctx.find_root()
    root.meta[DEBUG_VARIABLE] = value or root.meta.get(DEBUG_VARIABLE, False)
