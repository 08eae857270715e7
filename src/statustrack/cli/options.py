"""The options that commands share, and the errors that end one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

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


class NotThere(Refusal):
    """Ends a command about something that is not there, with exit status 1."""

    exit_code = CHECK_FAILED


def to_type(*words: str) -> str:
    """A command to type next, quoted for the shell, with what was said of engine and table on the command line."""
    from shlex import join

    ctx = click.get_current_context(silent=True)
    given: list[str] = []
    for name, option in (("url", "--engine"), ("tables", "--table"), ("use_case", "--use-case")):
        value = None if ctx is None or option in words else ctx.params.get(name)
        if ctx is None or not value or ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        for each in (value,) if isinstance(value, str) else value:
            given += [option, each]
    return join(["statustrack", *words, *given])


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


def _table_names(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Completes ``--table`` with the tables of the engine that was named before, or of the default one."""
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.location import DEFAULT_URL

    try:
        names = open_engine(ctx.params.get("url") or DEFAULT_URL).tables()
    except Exception:  # a key was pressed, no command given: nothing to offer is better than an error
        return []
    return [name for name in names if name.startswith(begun)]


def tables_option(command: F) -> F:
    """``--table NAME``, repeatable; none given means the only one there."""
    return click.option(
        "--table",
        "tables",
        metavar="NAME",
        multiple=True,
        envvar=TABLE_VARIABLE,
        shell_complete=_table_names,
        show_envvar=True,
        help="A table (repeatable); default: the only one there.",
    )(command)


def use_case_option(command: F) -> F:
    """``--use-case NAME``."""
    return click.option("--use-case", metavar="NAME", help="Only this use case.")(command)


def step_options(command: F) -> F:
    """``--use-case`` and ``--step``: which steps of the table are meant."""
    step = click.option("--step", metavar="NAME", help="Only this step: its name, or a status code of it.")
    return use_case_option(step(command))


def json_option(command: F) -> F:
    """``--json``: the same facts for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(command)


def cost_option(command: F) -> F:
    """``--cost``: what the answer took."""
    return click.option("--cost", is_flag=True, help="Say how many requests and read units it took.")(command)


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
