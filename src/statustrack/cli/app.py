"""The command ``statustrack``: its group, and how the errors of the library reach the terminal."""

from __future__ import annotations

import os
from typing import Any

import click

import statustrack
from statustrack.cli.demo import demo
from statustrack.cli.init import init
from statustrack.cli.options import DEBUG_VARIABLE, INTERRUPTED, Refusal, debug_option
from statustrack.cli.status import status


class Commands(click.Group):
    """A group whose commands end with one clean message instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a first hour, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:  # `| head`: click ends quietly
            raise
        except (statustrack.StatusTrackError, OSError) as error:
            if ctx.find_root().meta.get(DEBUG_VARIABLE):
                raise
            raise Refusal(_words(error)) from error


def _words(error: Exception) -> str:
    # Not every OSError says what it is about; FileNotFoundError: [Errno 2] ... is better than half a sentence.
    plain = isinstance(error, statustrack.StatusTrackError) or not getattr(error, "errno", None)
    return str(error) if plain and str(error) else f"{type(error).__name__}: {error}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(statustrack.__version__, prog_name="statustrack")
@debug_option
def cli() -> None:
    """Status of business-critical tasks, in one SQLite file or in Amazon DynamoDB.

    New here? `statustrack demo` shows all of it on real documents in half a minute.
    """


cli.add_command(demo)
cli.add_command(init)
cli.add_command(status)


def main() -> None:
    """The entry point of the installed command."""
    if os.name == "posix":
        _keep_going_without_stdout()
    cli(prog_name="statustrack")
