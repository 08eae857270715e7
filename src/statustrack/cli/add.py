"""``statustrack add``: tasks from ids or JSON lines, in files or from a pipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO, Any

import click

from statustrack.cli.options import Refusal, debug_option, engine_option, json_option
from statustrack.cli.targets import load

EVERY = 500
LINES = click.File("r", encoding="utf-8")


@click.command()
@click.argument("target", metavar="MODULE:STEP")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=LINES)
@engine_option(default=None, shown="that of the step's Meta")
@json_option
@debug_option
def add(target: str, files: tuple[IO[str], ...], url: str | None, as_json: bool) -> None:
    """Add tasks to a step: one per line, as an id, or as JSON with an id and data. Existing ones are left alone.

    \b
    ls invoices | statustrack add jobs.invoices:Step1
    statustrack add jobs.invoices:Step1 tasks.jsonl
    with lines like   {"id": "inv-1", "data": {"path": "in/1.pdf"}}
    """
    from statustrack.cli.progress import Progress
    from statustrack.tracking.location import use_engine
    from statustrack.tracking.task import BaseTask

    if url is not None:
        use_engine(url)
    loaded: Any = load((target,))[0]
    step: type[BaseTask] = loaded
    if not (isinstance(loaded, type) and issubclass(loaded, BaseTask)):
        raise Refusal(f"{target} is no step (a task class): name the first step of a pipeline.")
    streams = files or (LINES.convert("-", None, None),)
    progress = Progress()
    if as_json:
        click.echo(json.dumps(asdict(step.create_many(_items(streams, lambda _: None))), indent=2))
        return
    with progress.live():
        report = step.create_many(_items(streams, progress.adding))
    progress.added(step.__name__, report)


def _items(streams: tuple[IO[str], ...], told: Callable[[int], None]) -> Iterator[Any]:
    """Ids and (id, data) pairs of all lines; empty lines are passed over."""
    count = 0
    for stream in streams:
        for number, line in enumerate(stream, start=1):
            text = line.strip()
            if not text:
                continue
            yield _item(text, f"{getattr(stream, 'name', 'stdin')}:{number}") if text[0] == "{" else text
            count += 1
            if count % EVERY == 0:
                told(count)


def _item(text: str, where: str) -> tuple[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refusal(f"{where}: the line begins like JSON and is none: {error}.") from None
    task_id = value.get("id", value.get("task_id"))
    unknown = sorted(set(value) - {"id", "task_id", "data"})
    if not isinstance(task_id, str) or unknown:
        raise Refusal(f'{where}: a JSON line must be {{"id": "...", "data": {{...}}}} (data may be left out).')
    return task_id, value.get("data")
