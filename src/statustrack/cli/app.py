"""The command ``statustrack``: its group, and how the errors of the library reach the terminal."""

from __future__ import annotations

from typing import Any

import click

import statustrack
from statustrack.cli.add import add
from statustrack.cli.demo import demo
from statustrack.cli.init import init
from statustrack.cli.options import DEBUG_VARIABLE, INTERRUPTED, Refusal, debug_option
from statustrack.cli.run import run
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
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(statustrack.__version__, prog_name="statustrack")
@debug_option
def cli() -> None:
    """Status of business-critical tasks, in one SQLite file or in Amazon DynamoDB.

    New here? `statustrack demo` shows all of it on real documents in half a minute.
    """


cli.add_command(demo)
cli.add_command(init)
cli.add_command(add)
cli.add_command(run)
cli.add_command(status)


def main() -> None:
    """The entry point of the installed command."""
    cli(prog_name="statustrack")
