"""``statustrack delete``: tasks gone for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from statustrack.cli import choice
from statustrack.cli.options import Refusal, debug_option, engine_option, json_option, step_options, tables_option
from statustrack.core.status import STATUS_NAMES

if TYPE_CHECKING:
    from statustrack.tracking.operate import ActionReport, Progress
    from statustrack.tracking.task import BaseTask


@click.command()
@choice.ids_argument
@click.option("--status", type=click.Choice(STATUS_NAMES), multiple=True, help="All of these (repeatable).")
@choice.filter_options
@step_options
@click.option("--force", is_flag=True, help="Also what a worker holds.")
@choice.reason_option
@choice.dry_run_option
@choice.yes_option
@engine_option()
@tables_option
@json_option
@debug_option
def delete(
    ids: tuple[str, ...],
    status: tuple[str, ...],
    group: str | None,
    text: str | None,
    older: str | None,
    newer: str | None,
    limit: int | None,
    use_case: str | None,
    step: str | None,
    force: bool,
    reason: str,
    dry_run: bool,
    yes: bool,
    url: str,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Delete tasks for good, by ids ("-" reads them from a pipe) or by status. It asks first.

    What a worker holds is left alone, unless --force. A status that a later step waits for is deleted as that step's:
    name it by --step. Nothing is left to carry a note; the reason goes to the log.

    \b
    statustrack delete inv-7 inv-9
    statustrack delete --status ignored --older 90d --dry-run
    statustrack delete --step Extract --status ignored --older 90d --yes

    Exit status: 0 done, 1 an id could not be deleted, or the answer was no, 2 refused, 3 storage unreachable.
    """
    from statustrack.cli.acting import Words, act

    named = choice.given_ids(ids)
    if named is None and not status:
        raise Refusal("delete what? Give ids, or --status (and filters).")
    where = choice.place(url, tables)
    found = choice.choose(where, named, use_case, step)
    if named is None:
        _check_shared(where, found, status)

    def call(
        each: type[BaseTask], own: list[str] | None, most: int | None, dry: bool, progress: Progress
    ) -> ActionReport:
        return each.delete_many(
            own, status=list(status) or None, group=group, text=text, since=newer, until=older, limit=most, why=reason,
            force=force, dry_run=dry, progress=progress,
        )  # fmt: skip

    act(
        where, found, Words("delete", "deleted", "held, or changed meanwhile"), call,
        limit=limit, dry_run=dry_run, asks=True, yes=yes, quiet=as_json,
    )  # fmt: skip


def _check_shared(where: choice.Place, found: choice.Chosen, status: tuple[str, ...]) -> None:
    """Succeeded of one step may be pending of another: those tasks wait, and ``--status succeeded`` does not mean
    them."""
    if "succeeded" not in status:
        return
    from statustrack.tracking.view import View

    view = View(where.engine, where.table)
    for each, _ in found.steps:
        code = each.config.succeeded_status
        entry = view.directory.use_cases[each.config.use_case_id]
        if entry.goes_on(code):
            waits = view.step_at(each.config.use_case_id, code)
            name = waits.__name__ if waits is not None and waits.config.codes != each.config.codes else "a later step"
            raise Refusal(
                f"what has succeeded in {each.__name__} waits for {name} (status {code}): it is not done. To delete it "
                f"all the same, choose it as that: --step {name} --status pending."
            )
