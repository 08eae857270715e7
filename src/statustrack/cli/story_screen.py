"""What is shown of one task: its story with the timeline of its attempts, and its explanation."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from statustrack.cli.screens import title
from statustrack.cli.sheet import STYLES, Column, Sheet
from statustrack.cli.words import ago, clock, lines_of, plural, shown, since, size, span
from statustrack.core.limits import ITEM_BYTES

if TYPE_CHECKING:
    from statustrack.tracking.story import Explained, Story, StoryAttempt, StoryError

#: Lines of data that are shown.
DATA_LINES, DATA_LINE = 200, 2000
CLAIMS = {
    "claim": "takes it",
    "take_over": "takes it over",
    "end_as_ignored": "ends it as ignored: its retries are used up",
    "refuse": "is refused",
    "create_first": "is refused; with create=True it makes the task",
}


# --- explain ---------------------------------------------------------------------------------------------------------


def explanation(sheet: Sheet, url: str, table: str, found: Explained, commands: list[str]) -> None:
    """Why, what a claim would do, what to do."""
    title(sheet, table, url)
    sheet.space()
    said = found.explanation
    place = f"{shown(found.use_case)} / {shown(found.step)}" if found.step else shown(found.use_case)
    state = Text(said.state.replace("_", " "), "bold")
    sheet.line(Text.assemble((shown(found.task_id), "bold"), f"  {place}  " if place else "  ", state))
    sheet.space()
    sheet.words(shown(said.says))
    sheet.space()
    _facts(sheet, [
        ("A claim now", CLAIMS.get(said.claim, said.claim)),
        ("This changes", _by_itself(said.at, found.now)),
        ("What to do", shown(said.advice)),
    ])  # fmt: skip
    if commands:
        sheet.space()
        for command in commands:
            sheet.command(command)


def _by_itself(at: datetime | None, now: datetime) -> str:
    return f"by itself {ago((now - at).total_seconds())}, at {clock(at, now)} UTC" if at is not None else ""


# --- show ------------------------------------------------------------------------------------------------------------


def story(sheet: Sheet, url: str, table: str, found: Story, data: bool, tracebacks: bool) -> None:
    """All that is known of a task."""
    title(sheet, table, url)
    sheet.space()
    status = Text(found.status.replace("_", " "), STYLES.get(found.status, ""))
    where = " ".join(filter(None, [shown(found.use_case), "/", shown(found.step)])) if found.step else found.use_case
    sheet.line(Text.assemble((shown(found.task_id), "bold"), f"  {where}  ", status))
    sheet.space()
    _facts(sheet, _story_facts(found, data))
    if found.attempts:
        sheet.heading("Attempts")
        _timeline(sheet, found)
    if found.errors:
        sheet.heading("Errors")
        for position, error in enumerate(reversed(found.errors)):
            _error(sheet, error, found.now, position == 0 or tracebacks)
        hidden = sum(bool(error.traceback) for error in found.errors[:-1])
        if hidden and not tracebacks:
            sheet.line((f"--tracebacks shows {plural(hidden, 'more traceback')}", "dim"), indent=2)
    if found.notes:
        sheet.heading("Notes")
        for note in found.notes:
            _note(sheet, note, found.now)
    if found.late_results:
        sheet.heading("Late results, from workers that had lost their lease")
        for late in found.late_results:
            _late(sheet, late)
    if data:
        sheet.heading("Data")
        _data(sheet, found.data)


def _facts(sheet: Sheet, facts: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, text in facts if text)
    for name, text in facts:
        if text:
            sheet.words(text, first=Text(f"{name:{width}}  ", "dim"))


def _story_facts(found: Story, data: bool) -> list[tuple[str, str]]:
    now = found.now
    said = found.explanation
    retries = f"{found.retry} of {found.max_retry} used" if found.retry and found.max_retry else ""
    holder = ""
    if found.holder is not None:
        lease = found.holder.lease_seconds
        until = "" if lease is None else f", lease {'over' if lease < 0 else 'ends'} {ago(-lease)}"
        holder = f"{shown(found.holder.worker or 'a worker that left no name')}{until}"
    return [
        ("now", shown(said.says) if said is not None else f"status {found.status} of no known step"),
        ("advice", shown(said.advice) if said is not None and said.state not in ("running", "succeeded") else ""),
        ("holder", holder),
        ("progress", _progress(found.progress, now)),
        ("changed", _when(found.updated, now)),
        ("created", _when(found.created, now)),
        ("retries", retries),
        ("again", _when(found.ready_at, now) if found.ready_at is not None and found.ready_at > now else ""),
        ("deleted", _when(found.expire_at, now)),
        ("group", shown(found.group or "")),
        ("fence", str(found.fence) if found.attempt else ""),
        ("size", f"{size(found.bytes)} of {ITEM_BYTES // 1024} KB, data {size(found.data_bytes)}"
         + " (--data shows it)" * (not data)),
        ("others'", ", ".join(shown(name) for name in found.more)),
    ]  # fmt: skip


def _when(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{since(moment, now)} ({clock(moment, now)} UTC)"


def _progress(progress: dict[str, Any] | None, now: datetime) -> str:
    if progress is None:
        return ""
    fraction, message = progress.get("fraction"), progress.get("message")
    done = f"{fraction:.0%}" if isinstance(fraction, (int, float)) else ""
    return ": ".join(filter(None, [done, shown(message or "")]))


def _timeline(sheet: Sheet, found: Story) -> None:
    """Attempts as bars over the time from the first to the last."""
    room = 16 if sheet.width < 100 else 40
    began = [each.start.timestamp() for each in found.attempts if each.start is not None]
    ended = [each.start.timestamp() + each.seconds for each in found.attempts if each.start is not None]
    first, last = min(began, default=0.0), max(ended, default=0.0)
    columns = [
        Column(right=True), Column(), Column(), Column(right=True), Column(), Column(), Column(gives_way=True),
    ]  # fmt: skip
    rows: list[list[str | Text]] = [
        [
            str(each.attempt),
            shown(each.step),
            Text(shown(each.outcome), STYLES.get(each.outcome, "")),
            span(each.seconds),
            clock(each.start, found.now),
            _bar(sheet, each, first, last, room),
            Text(shown(each.worker), "dim"),
        ]
        for each in found.attempts
    ]
    sheet.grid(columns, rows, indent=2)


def _bar(sheet: Sheet, attempt: StoryAttempt, first: float, last: float, room: int) -> Text:
    if attempt.start is None:
        return Text()
    whole = last - first
    begin = int((attempt.start.timestamp() - first) / whole * room) if whole > 0 else 0
    length = round(attempt.seconds / whole * room) if whole > 0 else room
    begin = min(begin, room - 1)
    length = max(1, min(length, room - begin))
    style = STYLES.get(attempt.outcome, "") or "cyan"
    return Text.assemble(
        (sheet.empty * begin, "dim"), (sheet.full * length, style), (sheet.empty * (room - begin - length), "dim")
    )


def _error(sheet: Sheet, error: StoryError, now: datetime, with_traceback: bool) -> None:
    moment = _moment(error.time)
    parts = [
        f"attempt {error.attempt}" if error.attempt is not None else "",
        shown(error.step),
        _when(moment, now) if moment is not None else shown(error.time),
        error.kind if error.kind != "error" else "",
    ]
    sheet.line((", ".join(filter(None, parts)), "dim"), indent=2)
    for line in lines_of(error.error):
        sheet.words(line, "red", indent=4)
    if with_traceback and error.traceback:
        for line in lines_of(error.traceback.rstrip("\n")):
            sheet.words(line, "dim", indent=4)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _note(sheet: Sheet, note: dict[str, Any], now: datetime) -> None:
    from statustrack.tracking.view import instant

    moment = instant(note.get("time"))
    why = f": {shown(note['why'])}" if note.get("why") else ""
    rest = {name: value for name, value in note.items() if name not in ("time", "action", "who", "why")}
    more = "".join(f", {shown(name)} {shown(value)}" for name, value in rest.items())
    when = since(moment, now) if moment is not None else shown(note.get("time", ""))
    sheet.words(f"{when}: {shown(note.get('action', ''))} by {shown(note.get('who', ''))}{why}{more}", indent=2)


def _late(sheet: Sheet, late: dict[str, Any]) -> None:
    known = ("attempt", "step", "outcome", "worker", "time")
    if "attempt" in late:
        told = f"attempt {late.get('attempt')} of {late.get('step')} would have {late.get('outcome')}"
        sheet.words(shown(f"{told}, by {late.get('worker')} at {late.get('time')}"), indent=2)
    rest = late.get("detail") if set(late) - set(known) else ""
    for line in lines_of(rest or ""):
        if line:
            sheet.words(line, "dim", indent=4)


def _data(sheet: Sheet, data: Any) -> None:
    lines = json.dumps(data, indent=2, ensure_ascii=False, default=str).split("\n")
    for line in lines[:DATA_LINES]:
        sheet.words(shown(line if len(line) <= DATA_LINE else line[:DATA_LINE] + sheet.more), indent=2)
    if len(lines) > DATA_LINES:
        sheet.line((f"{len(lines) - DATA_LINES:,} more lines: --data --json has all", "dim"), indent=2)
