"""The command ``statustrack``: its group, and how the errors of the library reach the terminal."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from statustrack.cli.options import DEBUG_VARIABLE, INTERRUPTED, Refusal, Unreachable, debug_option

#: Where each command is, and its line in the list of commands: in the order of a first hour, not of the alphabet.
#: A module is imported when its command is used, so that none pays for what another needs. ``module:name`` where the
#: command cannot be called as its function is.
COMMANDS = {
    "demo": ("statustrack.cli.demo", "See it work: 200 PDF invoices, two steps, a worker killed."),
    "init": ("statustrack.cli.init", "Make a table (and, on SQLite, its file)."),
    "add": ("statustrack.cli.add", "Add tasks: ids or JSON lines from files or a pipe."),
    "run": ("statustrack.cli.run", "Run a worker: the handlers of your steps on their tasks."),
    "status": ("statustrack.cli.status", "How many tasks wait, run, have failed, are done."),
    "list": ("statustrack.cli.list:list_", "List tasks by status, group, age and id, in pages."),
    "show": ("statustrack.cli.show", "Show one task: its attempts, errors, holder, notes."),
    "explain": ("statustrack.cli.explain", "Why a task is not running, and what to do."),
    "failures": ("statustrack.cli.failures", "What fails, as groups of like failures."),
    "watch": ("statustrack.cli.watch", "Watch a table at work, live."),
    "doctor": ("statustrack.cli.doctor", "Check a table and what it lives in; say how to mend it."),
    "redrive": ("statustrack.cli.redrive", "Put failed and ignored tasks back to pending."),
    "ignore": ("statustrack.cli.ignore", "Give pending and failed tasks up."),
    "release": ("statustrack.cli.release", "Take tasks from workers that are dead."),
    "delete": ("statustrack.cli.delete", "Delete tasks for good."),
    "copy": ("statustrack.cli.copy", "Copy a table to another place."),
    "prune": ("statustrack.cli.prune", "Delete tasks whose retention has ended."),
    "completion": ("statustrack.cli.completion", "Print the script for completion in your shell."),
}


class Commands(click.Group):
    """A group that imports a command when it is used, and ends one with a clean message instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        place, line = COMMANDS[name]
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute or name)
        command.short_help = line
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without looking at any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:  # `| head`: click ends quietly
            raise
        except Exception as error:
            from statustrack.core.errors import StatusTrackError, StorageUnavailableError

            if not isinstance(error, (StatusTrackError, OSError)) or ctx.find_root().meta.get(DEBUG_VARIABLE):
                raise
            raise (Unreachable if isinstance(error, StorageUnavailableError) else Refusal)(_words(error)) from error


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from statustrack import __version__

        click.echo(f"statustrack, version {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
@debug_option
def cli() -> None:
    """Status of business-critical tasks, in one SQLite file or in Amazon DynamoDB.

    New here? `statustrack demo` shows all of it on real documents in half a minute.
    """


def main() -> None:
    """The entry point of the installed command."""
    cli(prog_name="statustrack")
