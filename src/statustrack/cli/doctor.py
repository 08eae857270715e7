"""``statustrack doctor``: whether a table is as it should be, and what to do where it is not."""

from __future__ import annotations

import json

import click

from statustrack.cli.options import CHECK_FAILED, cost_option, debug_option, engine_option, json_option, tables_option


@click.command()
@engine_option()
@tables_option
@click.option("--everything", is_flag=True, help="Read every task, not only the last ones (DynamoDB bills that).")
@cost_option
@json_option
@debug_option
def doctor(url: str, tables: tuple[str, ...], everything: bool, cost: bool, as_json: bool) -> None:
    """Look at a table from all sides: keys, index, directory, clock, leases, sizes, backup; each fault with its remedy.

    \b
    statustrack doctor
    statustrack doctor --engine dynamodb://eu-central-1 --table jobs

    Changes nothing. Exit status: 0 all is well, 1 there is something to look at.
    """
    from statustrack.cli.tables import chosen
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.checkup import checkup
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    found = [checkup(engine, table, everything) for table in chosen(engine, tables)]
    if as_json:
        click.echo(json.dumps({"engine": engine.url, "tables": [plain(each) for each in found]}, indent=2))
    else:
        from statustrack.cli import screens
        from statustrack.cli.sheet import Sheet

        sheet = Sheet()
        for position, each in enumerate(found):
            if position:
                sheet.space()
            screens.findings(sheet, engine.url, each)
        if cost:
            screens.spent(sheet, engine)
    if any(each.has("warning", "bad") for each in found):
        raise SystemExit(CHECK_FAILED)
