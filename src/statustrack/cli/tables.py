"""Which tables a command is about: those that were named, else the only one there; and a look at each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statustrack.cli.options import Refusal

if TYPE_CHECKING:
    from statustrack.engines.protocol import Engine
    from statustrack.tracking.view import View

#: An error lists so many candidates.
SHOWN = 12


def chosen(engine: Engine, tables: tuple[str, ...]) -> list[str]:
    """The tables that were named; else the only one that is there."""
    if tables:
        return list(dict.fromkeys(tables))
    there = engine.tables()
    if not there:
        raise Refusal(
            f"there is no table at {engine.url}. Name another place with --engine, or make one: statustrack init."
        )
    if len(there) > 1:
        names = ", ".join(there[:SHOWN]) + f" and {len(there) - SHOWN} more" * (len(there) > SHOWN)
        raise Refusal(f"there are {len(there)} tables at {engine.url}: choose with --table: {names}.")
    return there


def views(engine: Engine, tables: tuple[str, ...]) -> list[View]:
    """A look at each chosen table."""
    from statustrack.tracking.view import View

    return [View(engine, table) for table in chosen(engine, tables)]


def one_view(engine: Engine, tables: tuple[str, ...]) -> View:
    """A look at the one table that a command takes."""
    names = chosen(engine, tables)
    if len(names) > 1:
        raise Refusal(f"this command takes one --table, not {len(names)}.")
    return views(engine, (names[0],))[0]


def places(engine: Engine, tables: tuple[str, ...], task_id: str) -> list[tuple[View, str]]:
    """Where a task may be: in each chosen table; by the id as it was typed, or as it is if it was copied from a screen
    that had to escape it."""
    from statustrack.cli.words import unshown

    ids = dict.fromkeys((task_id, unshown(task_id)))
    return [(view, each) for view in views(engine, tables) for each in ids]
