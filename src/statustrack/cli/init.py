"""``statustrack init``: make a table, or get to know one that others wrote."""

from __future__ import annotations

import json

import click

from statustrack.cli.options import TABLE_VARIABLE, debug_option, engine_option, json_option
from statustrack.tracking.location import DEFAULT_TABLE


@click.command()
@engine_option()
@click.option(
    "--table",
    metavar="NAME",
    envvar=TABLE_VARIABLE,
    default=DEFAULT_TABLE,
    show_default=True,
    show_envvar=True,
    help="Its name: the table_name of your task's Meta.",
)
@click.option("--adopt", is_flag=True, help="Read every task once, to learn what a table holds that others wrote.")
@json_option
@debug_option
def init(url: str, table: str, adopt: bool, as_json: bool) -> None:
    """Make a table (and, on SQLite, its file). A table that is there stays as it is.

    \b
    statustrack init --table jobs
    statustrack init --table jobs --engine dynamodb://eu-central-1
    statustrack init --table old_jobs --adopt    (written by pynamodb_mate)
    """
    from statustrack.cli import render
    from statustrack.core.errors import TableNotFoundError
    from statustrack.engines.protocol import TableOptions
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.directory import directory_of

    engine = open_engine(url)
    if adopt and not engine.exists(table):
        raise TableNotFoundError(
            f"--adopt: there is no table {table!r} at {engine.url}. Without --adopt, init makes an empty one."
        )
    made = not adopt and engine.create_table(table, TableOptions(), wait=True)
    directory = directory_of(engine, table)
    if made:
        directory.create()
    known = directory.adopt() if adopt else directory.read()
    found = {
        name: {str(status): count for status, count in sorted(entry.shards.items())}
        for name, entry in sorted(known.use_cases.items())
    }
    if as_json:
        result = {
            "engine": engine.url, "table": table, "made": made, "complete": known.complete, "use_cases": found,
        }  # fmt: skip
        click.echo(json.dumps(result, indent=2))
    else:
        render.table_made(engine.url, table, made, adopt, known.complete, found)
