"""``statustrack watch``: a table at work, redrawn in a terminal, line by line elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

import click

from statustrack.cli.options import cost_option, debug_option, engine_option, json_option, tables_option

if TYPE_CHECKING:
    from statustrack.core.errors import StorageUnavailableError
    from statustrack.engines.protocol import Engine
    from statustrack.tracking.overview import Overview
    from statustrack.tracking.pace import Paces


@click.command()
@engine_option()
@tables_option
@click.option(
    "--every", metavar="S", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True,
    help="Seconds between two looks.",
)  # fmt: skip
@click.option("--times", metavar="N", type=click.IntRange(1), help="End after N looks.  [default: at Ctrl-C]")
@click.option("--leases", is_flag=True, help="On DynamoDB: read leases too, to tell what is stuck.")
@cost_option
@json_option
@debug_option
def watch(
    url: str, tables: tuple[str, ...], every: float, times: int | None, leases: bool, cost: bool, as_json: bool
) -> None:
    """Watch a table at work: counts, what runs, throughput and durations, again and again. Ctrl-C ends it.

    \b
    statustrack watch
    statustrack watch --every 10 --times 6 > an-hour.log

    Where it is not a terminal, each look is a line for each step (with --json, one JSON object on a line). A storage
    that stops answering is looked at again.
    """
    from statustrack.cli.tables import chosen
    from statustrack.engines.registry import open_engine
    from statustrack.tracking.view import plain

    engine = open_engine(url)
    names = chosen(engine, tables)
    if as_json:
        for found in _looks(engine, names, leases, every, times):
            if not isinstance(found, list):
                click.echo(json.dumps({"engine": engine.url, "error": str(found)}))
                continue
            answer = [{**plain(overview), "paces": plain(paces)} for overview, paces in found]
            click.echo(json.dumps({"engine": engine.url, "tables": answer}))
        return
    from statustrack.cli.watching import Watching

    with Watching(engine, cost) as screen:
        for found in _looks(engine, names, leases, every, times):
            if isinstance(found, list):
                screen.show(found)
            else:
                screen.trouble(str(found))


def _looks(
    engine: Engine, names: list[str], leases: bool, every: float, times: int | None
) -> Iterator[list[tuple[Overview, Paces]] | StorageUnavailableError]:
    """One look after the other, each at the table as it is then, or at why it could not be looked at."""
    from statustrack.core.errors import StorageUnavailableError
    from statustrack.tracking.overview import overview
    from statustrack.tracking.pace import paces
    from statustrack.tracking.view import View

    done = 0
    while True:
        try:
            views = [View(engine, name) for name in names]
            yield [(overview(view, leases=leases), paces(view)) for view in views]
        except StorageUnavailableError as error:
            if not done:  # it has never answered: another address may be needed
                raise
            yield error
        done += 1
        if done == times:
            return
        engine.clock.wait(Event(), every)
