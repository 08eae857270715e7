"""``statustrack show``: the whole story of one task."""

from __future__ import annotations

import json

import click

from statustrack.cli.options import NotThere, cost_option, debug_option, engine_option, json_option, tables_option


@click.command()
@click.argument("task_id", metavar="ID")
@engine_option()
@tables_option
@click.option("--use-case", metavar="NAME", help="Where several use cases have this id.")
@click.option("--data", is_flag=True, help="Also the task's data.")
@click.option("--tracebacks", is_flag=True, help="The traceback of every kept error, not of the last one only.")
@cost_option
@json_option
@debug_option
def show(
    task_id: str,
    url: str,
    tables: tuple[str, ...],
    use_case: str | None,
    data: bool,
    tracebacks: bool,
    cost: bool,
    as_json: bool,
) -> None:
    """Show all that is known of one task: attempts on a timeline, errors, holder, progress, notes, late results.

    \b
    statustrack show inv-17
    statustrack show inv-17 --data --json

    Exit status: 1 there is no such task.
    """
    from statustrack.cli.tables import places
    from statustrack.core.errors import TaskIsNotInitializedError
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.story import story
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    missing: TaskIsNotInitializedError | None = None
    for view, wanted in places(engine, tables, task_id):
        try:
            found = story(view, wanted, use_case)
            break
        except TaskIsNotInitializedError as error:
            missing = missing or error
    else:
        raise NotThere(str(missing)) from missing
    if as_json:
        answer = plain(found)
        if not data:
            del answer["data"]
        click.echo(json.dumps({"engine": engine.url, "table": view.table, **answer}, indent=2))
        return
    from statustrack.cli import story_screen
    from statustrack.cli.screens import spent
    from statustrack.cli.sheet import Sheet

    sheet = Sheet()
    story_screen.story(sheet, engine.url, view.table, found, data, tracebacks)
    if cost:
        spent(sheet, engine)
