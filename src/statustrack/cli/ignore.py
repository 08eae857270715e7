"""``statustrack ignore``: give tasks up by hand."""

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
@click.option(
    "--status",
    type=click.Choice(["pending", "failed"]),
    multiple=True,
    help="Only these (repeatable); default: both.",
)
@choice.filter_options
@step_options
@choice.reason_option
@choice.dry_run_option
@choice.yes_option
@engine_option()
@tables_option
@json_option
@debug_option
def ignore(
    ids: tuple[str, ...],
    status: tuple[str, ...],
    group: str | None,
    text: str | None,
    older: str | None,
    newer: str | None,
    limit: int | None,
    use_case: str | None,
    step: str | None,
    reason: str,
    dry_run: bool,
    yes: bool,
    url: str,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Give pending and failed tasks up: they become ignored, with a note.

    Choose by ids ("-" reads them from a pipe), status, failure group, text, age. It asks first, unless ids are given.
    What is ignored can be redriven.

    \b
    statustrack ignore inv-7 --reason "the customer withdrew it"
    statustrack ignore --group 5f2c9a01b3d4 --reason spam --yes

    Exit status: 0 done, 1 an id could not be ignored, or the answer was no, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.acting import Words, act

    named = choice.given_ids(ids)
    if named is None and not (status or group or text or older or newer or step):
        raise Refusal("ignore what? Give ids, --status, --group, --text, --older, --newer or --step.")
    where = choice.place(url, tables)

    def call(
        each: type[BaseTask], own: list[str] | None, most: int | None, dry: bool, progress: Progress
    ) -> ActionReport:
        return each.ignore_many(
            own, status=list(status) or ["pending", "failed"], group=group, text=text, since=newer, until=older,
            limit=most, why=reason, dry_run=dry, progress=progress,
        )  # fmt: skip

    act(
        where, choice.choose(where, named, use_case, step), Words("ignore", "ignored", "changed meanwhile"), call,
        limit=limit, dry_run=dry_run, asks=named is None, yes=yes, quiet=as_json,
    )  # fmt: skip
