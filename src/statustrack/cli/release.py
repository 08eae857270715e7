"""``statustrack release``: take tasks from workers that are dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from statustrack.cli import choice
from statustrack.cli.options import Refusal, debug_option, engine_option, json_option, step_options, tables_option

if TYPE_CHECKING:
    from statustrack.tracking.operate import ActionReport, Progress
    from statustrack.tracking.task import BaseTask


@click.command()
@choice.ids_argument
@click.option("--worker", metavar="NAME", help="All that this worker holds; host: is a whole machine.")
@click.option("--expired", is_flag=True, help="All whose lease is over.")
@step_options
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many.")
@click.option("--force", is_flag=True, help="Also where the lease still runs: the worker is known to be dead.")
@choice.reason_option
@choice.dry_run_option
@choice.yes_option
@engine_option()
@tables_option
@json_option
@debug_option
def release(
    ids: tuple[str, ...],
    worker: str | None,
    expired: bool,
    use_case: str | None,
    step: str | None,
    limit: int | None,
    force: bool,
    reason: str,
    dry_run: bool,
    yes: bool,
    url: str,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Evict dead workers: their attempts count as lost, and the tasks can be claimed again.

    Nobody has to: a worker takes such a task over as soon as its lease is over. With --force it can be claimed at once,
    although the lease still runs; it asks first, since the worker may only seem dead. It can then record nothing any
    more, but what it does elsewhere cannot be undone.

    \b
    statustrack release inv-7 --force --reason "machine 7 burnt down"
    statustrack release --worker "machine7:" --force --dry-run
    statustrack release --expired

    Exit status: 0 done, 1 an id could not be released, or the answer was no, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.acting import Words, act

    named = choice.given_ids(ids)
    if named is None and not (worker or expired):
        raise Refusal("release what? Give ids, --worker or --expired.")
    if expired and force:
        raise Refusal("--expired takes what is over anyway, --force what is not: give one of them.")
    where = choice.place(url, tables)

    def call(
        each: type[BaseTask], own: list[str] | None, most: int | None, dry: bool, progress: Progress
    ) -> ActionReport:
        return each.release_many(
            own, worker=worker, limit=most, why=reason, force=force, dry_run=dry, progress=progress
        )

    words = Words("release", "released", "still held")
    act(
        where, choice.choose(where, named, use_case, step), words, call,
        limit=limit, dry_run=dry_run, asks=force, yes=yes, quiet=as_json,
    )  # fmt: skip
