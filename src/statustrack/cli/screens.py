"""What the commands that look show: the status of a table, a list of tasks, failures, findings."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import split
from typing import TYPE_CHECKING

from rich.text import Text

from statustrack.cli.options import to_type
from statustrack.cli.sheet import STYLES, Column, Sheet
from statustrack.cli.words import ago, count, plural, shown, since, span

if TYPE_CHECKING:
    from statustrack.engines.protocol import Engine, Finding
    from statustrack.tracking.checkup import Checkup
    from statustrack.tracking.groups import Failures
    from statustrack.tracking.listing import ListedTask, Listing
    from statustrack.tracking.overview import Overview, StepCounts, UseCaseCounts
    from statustrack.tracking.pace import Paces

#: So many use cases are shown; a table may have thousands.
USE_CASES = 30
#: Narrower than this, a listing says once what is the same in all its lines.
NARROW = 120
#: The order in which people look: what waits and runs, what went wrong, what is done.
ORDER = ("pending", "in_progress", "failed", "ignored", "succeeded")


def title(sheet: Sheet, table: str, url: str, complete: bool = True, said: str = "") -> None:
    """Which table this is about; and what is said of all that follows."""
    sheet.line((f"{shown(table)} at {shown(url)}", "dim"), f": {shown(said)}" if said else "")
    if not complete:
        sheet.words("Written by others: shards may be missing until `statustrack init --adopt`.", "yellow")


def spent(sheet: Sheet, engine: Engine) -> None:
    """What the command took, all in all."""
    units = f", {engine.meter.read_units:,.1f} read units" if engine.meter.read_units else ""
    sheet.space()
    sheet.line((f"{plural(engine.meter.requests, 'request')}{units}", "dim"))


# --- status ----------------------------------------------------------------------------------------------------------


def status(sheet: Sheet, url: str, overview: Overview, paces: Paces | None = None) -> None:
    """The counts of every use case, step and status, and what of it should be looked at."""
    title(sheet, overview.table, url, overview.complete)
    if not overview.use_cases:
        sheet.line("No tasks yet.")
    for use_case in overview.use_cases[:USE_CASES]:
        sheet.space()
        sheet.line(Text(f"{shown(use_case.use_case)}: {count(use_case.tasks, bool(use_case.capped))} tasks", "bold"))
        _counts(sheet, use_case)
        notes = [note for step in use_case.steps for note in _notes(step)]
        if notes:
            sheet.space()
            sheet.grid([Column(), Column(), Column(gives_way=True)], notes)
        if paces is not None:
            _paces(sheet, paces, use_case.use_case)
    if len(overview.use_cases) > USE_CASES:
        more = plural(len(overview.use_cases) - USE_CASES, "more use case")
        sheet.space()
        sheet.line((f"{more}: --use-case NAME shows one, --json has all", "dim"))


def _counts(sheet: Sheet, use_case: UseCaseCounts) -> None:
    columns = [Column("step", gives_way=True)]
    columns += [Column(name.replace("_", " "), right=True) for name in ORDER]
    rows: list[list[str | Text]] = []
    for step in use_case.steps:
        row: list[str | Text] = [Text(shown(step.step), "bold")]
        for name in ORDER:
            number = step.counts[name]
            if number is None:
                row.append(Text(f"{sheet.arrow} {shown(step.goes_on_to)}", "dim"))
            else:
                capped = step.codes[name] in use_case.capped
                row.append(Text(count(number, capped), STYLES[name] if number else "dim"))
        rows.append(row)
    if rows:
        sheet.grid(columns, rows)
    for code, number in use_case.other.items():
        sheet.line(f"status {code}: {count(number, int(code) in use_case.capped)} (of no known step)")


def _notes(step: StepCounts) -> list[list[str | Text]]:
    """Lines about one step: the oldest that waits, what runs, what is stuck."""
    name = Text(shown(step.step), "bold")
    lines: list[list[str | Text]] = []
    waiting, running = step.oldest_waiting, step.running
    if waiting is not None:
        lines.append([name, "waiting", f"longest {span(waiting.seconds)}: {shown(waiting.task_id)}"])
    if running.oldest is not None:
        text = f"longest {span(running.oldest.seconds)}: {shown(running.oldest.task_id)}"
        lines.append([name, Text("running", STYLES["in_progress"]), text])
    plus = "+" * running.partly
    if running.stuck:
        what = "lease is" if running.stuck == 1 else "leases are"
        text = f"{running.stuck:,}{plus} {what} over: {to_type('list', '--stuck')}"
        lines.append([name, Text("stuck", "bold red"), text])
    elif running.stuck is None:
        text = f"{running.long:,}{plus} for longer than a lease: {to_type('status', '--leases')}"
        lines.append([name, Text("stuck?", "yellow"), text])
    return lines


def _paces(sheet: Sheet, paces: Paces, use_case: str) -> None:
    columns = [
        Column("step", gives_way=True), Column("last", right=True), Column("succeeded", right=True),
        Column("failed", right=True), Column("per minute", right=True), Column("median", right=True),
        Column("95 %", right=True), Column("until", right=True),
    ]  # fmt: skip
    rows: list[list[str | Text]] = [
        [
            Text(shown(pace.step), "bold"),
            f"{pace.attempts:,}",
            Text(f"{pace.succeeded:,}", STYLES["succeeded"] if pace.succeeded else "dim"),
            Text(f"{pace.failed:,}", STYLES["failed"] if pace.failed else "dim"),
            "" if pace.per_minute is None else f"{pace.per_minute:,.1f}",
            span(pace.median_seconds),
            span(pace.p95_seconds),
            since(pace.until, paces.now),
        ]
        for pace in paces.steps
        if pace.use_case == use_case
    ]
    if rows:
        sheet.space()
        sheet.grid(columns, rows)


# --- list ------------------------------------------------------------------------------------------------------------


def listing(sheet: Sheet, url: str, table: str, found: Listing, several_use_cases: bool) -> None:
    """A page of tasks."""
    alike = {
        name: found.tasks[0].status.replace("_", " ") if name == "status" else found.tasks[0].step
        for name in ("step", "status")
        if sheet.is_terminal and sheet.width < NARROW and len({getattr(task, name) for task in found.tasks}) == 1
    }
    title(sheet, table, url, said=", ".join(filter(None, alike.values())))
    if not found.tasks:
        what = "No more such task" if found.after is None else "None"
        sheet.line(f"{what} among {found.looked_at:,} looked at." if found.looked_at else "No such task.")
    else:
        columns = [
            Column("task", gives_way=True), Column("use case", gives_way=True), Column("step", gives_way=True),
            Column("status"), Column("since", right=True), Column("tries", right=True), Column("", gives_way=True),
        ]  # fmt: skip
        rows = [
            [
                shown(task.task_id),
                shown(task.use_case) if several_use_cases else "",
                "" if "step" in alike else shown(task.step),
                "" if "status" in alike else Text(task.status.replace("_", " "), STYLES.get(task.status, "")),
                since(task.since, found.now),
                f"{task.attempt:,}" if task.attempt else "",
                _remark(task, found),
            ]
            for task in found.tasks
        ]
        sheet.space()
        sheet.grid(columns, rows)
    if found.after is not None:
        sheet.space()
        sheet.line((f"More: --after {found.after}", "dim"))


def _remark(task: ListedTask, found: Listing) -> str | Text:
    holder = task.holder
    if holder is not None:
        if holder.state == "running":
            said = _progress(holder.progress)
            return f"{shown(holder.worker or '')}, lease {span(holder.lease_seconds)}{said}"
        what = {"over": f"lease over {ago(-(holder.lease_seconds or 0))}", "odd": "odd lease", "free": "no holder"}
        return Text(f"{what[holder.state]}, {shown(holder.worker or 'no name')}", "bold red")
    if task.ready_at is not None:
        wait = f"again {ago((found.now - task.ready_at).total_seconds())}"
        return f"{wait}: {shown(task.error)}" if task.error else wait
    return shown(task.error or "")


def _progress(progress: dict[str, object] | None) -> str:
    fraction = (progress or {}).get("fraction")
    return f", {fraction:.0%} done" if isinstance(fraction, (int, float)) else ""


# --- failures --------------------------------------------------------------------------------------------------------


def failures(sheet: Sheet, url: str, table: str, found: Failures, several_use_cases: bool, limit: int) -> None:
    """The largest failure groups."""
    title(sheet, table, url)
    if not found.groups:
        sheet.line("No failures.")
        return
    plus = "+" * found.more
    sheet.line(f"{found.looked_at:,}{plus} failed or ignored, {plural(len(found.groups), 'group')}")
    width = max(len(f"{group.count:,}{plus}") for group in found.groups)
    for group in found.groups[:limit]:
        sheet.space()
        head = Text.assemble((f"{group.count:,}{plus}".rjust(width), "bold"), "  ")
        sheet.words(Text(shown(group.summary or "no error is recorded"), "bold red"), first=head)
        where = shown(f"{group.use_case} / {group.step}" if several_use_cases else group.step)
        parts = [f"{group.failed:,} failed" * bool(group.failed), f"{group.ignored:,} ignored" * bool(group.ignored)]
        seen = f"first {since(group.first_seen, found.now)}, last {since(group.last_seen, found.now)}"
        indent = len(head.plain)
        sheet.words(f"{where}: {', '.join(filter(None, parts))}; {seen}", indent=indent)
        more = f" and {group.count - len(group.samples):,} more" * (group.count > len(group.samples))
        sheet.words(f"{', '.join(map(shown, group.samples))}{more}", "dim", indent)
        if group.group is not None:
            sheet.line((shown(to_type("list", "--group", group.group)), "cyan"), indent=indent)
    if len(found.groups) > limit:
        sheet.space()
        sheet.line((f"{plural(len(found.groups) - limit, 'more group')}: --limit {len(found.groups)}", "dim"))
    if found.more:
        sheet.space()
        sheet.line(("There are older ones: --exact looks at all.", "dim"))


# --- doctor ----------------------------------------------------------------------------------------------------------


def findings(sheet: Sheet, url: str, found: Checkup) -> None:
    """What the doctor has found, each with its remedy."""
    title(sheet, found.table, url)
    sheet.space()
    width = max(len(finding.topic) for finding in found.findings)
    mark_width = max(len(mark) for mark in sheet.marks.values())
    for finding in found.findings:
        mark = sheet.marks[finding.state].ljust(mark_width)
        first = Text.assemble((mark, STYLES[finding.state]), f" {finding.topic:{width}}  ")
        sheet.words(shown(finding.says), "dim" if finding.state == "absent" else "", first=first)
        if finding.fix and finding.state not in ("good", "absent"):
            sheet.line((shown(_remedy(finding.fix)), "cyan"), indent=len(first.plain))
    sheet.space()
    sheet.line(_verdict(found.findings))


def _remedy(fix: str) -> str:
    """A remedy; where it is a command of ours, with what was said of engine and table."""
    program, _, rest = fix.partition(" ")
    return to_type(*split(rest)) if program == "statustrack" else fix


def _verdict(found: Sequence[Finding]) -> Text:
    states = [finding.state for finding in found]
    bad, warnings = states.count("bad"), states.count("warning")
    if bad:
        return Text(f"{plural(bad, 'fault')} to mend" + f", {plural(warnings, 'warning')}" * bool(warnings), "bold red")
    if warnings:
        return Text(f"{plural(warnings, 'warning')} to look at", "yellow")
    return Text("All is well.", "green")
