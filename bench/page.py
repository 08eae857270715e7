"""The page of the benchmarks and its plot, from their results: no number on it is written by hand.

``python -m bench.page`` writes docs/benchmarks.md from bench/results.json, ``--check`` tells whether it is current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import ROOT

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = "images/benchmarks.svg"

#: What each SQLite peer stores and does for a task, where it is not the same as ours.
NOTES = {
    "raw": "two transactions written by hand, same table and indexes: the bound",
    "statustrack": "",
    "huey": "its result is stored; no lease, no query by status",
    "persist-queue": "no lease, no query by status",
    "litequeue": "set to FULL by us; no lease that ends",
    "dbos": "a workflow called directly",
}


class Bar(NamedTuple):
    """One thing that is asked of the library, and what was measured."""

    text: str
    measured: str
    asked: str
    met: bool


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{share * 100:.0f} %"


def bars(results: dict[str, Any]) -> list[Bar]:
    """Everything that is asked, for which there are results."""
    made: list[Bar] = []

    def at_least(text: str, value: float, bar: float, show: str = "{:.2f}") -> None:
        made.append(Bar(text, show.format(value), "at least " + show.format(bar), value >= bar))

    def at_most(text: str, value: float, bar: float, show: str = "{:.2f}") -> None:
        made.append(Bar(text, show.format(value), "at most " + show.format(bar), value <= bar))

    if one := results.get("sqlite_one"):
        at_least("SQLite, one process: of two hand-written transactions", one["peers"]["statustrack"]["of_bound"], 0.75)
        at_least("SQLite, one process: of huey", one["peers"]["statustrack"]["of_huey"], 0.9)
    if four := results.get("four_processes"):
        at_least("SQLite, four processes: of one process's total", four["of_one"], 0.85)
        at_least("SQLite, four processes: least share of the largest", four["least_of_most"], 0.5)
        at_most("SQLite, four processes: slowest transaction", four["worst_slowest_ms"], 100, "{:.0f} ms")
    if many := results.get("create_many"):
        at_least("create_many, random ids, empty table", many["empty_per_s"], 40_000, "{:,.0f}/s")
        at_least(f"create_many, random ids, {many['there']:,} there", many["full_per_s"], 40_000, "{:,.0f}/s")
    if listing := results.get("sqlite_listing"):
        at_most(f"SQLite: 1,000 failed among {listing['tasks']:,}", listing["ms"], 15, "{:.1f} ms")
    if listing := results.get("dynamodb_listing"):
        at_least("DynamoDB Local: the same, times faster than pynamodb_mate", listing["of_pynamodb_mate"], 7, "{:.1f}")
        at_most("DynamoDB Local: the same, of bare boto3", listing["of_boto3"], 1.3)
    if clients := results.get("dynamodb_one"):
        at_most("Client CPU from start to success, of pynamodb_mate", clients["instant answers"]["cpu_ratio"], 1.0)
    if costs := results.get("costs"):
        for name, bar in (("start to success", 2), ("refused start", 1), ("take-over to success", 3), ("heartbeat", 1)):
            at_most(f"Requests: {name}", costs["operations"][name][0], bar, "{:.0f}")
        for name, bar in (("create", 2), ("claim", 3), ("finish", 3), ("heartbeat", 1)):
            at_most(f"Write units: {name}", costs["operations"][name][1], bar, "{:.0f}")
        at_most("import statustrack, CPU above bare Python", costs["imports"]["import statustrack"], 60, "{:.0f} ms")
    if slower := results.get("finished"):
        for name, value in slower["slower"].items():
            at_most(f"SQLite: {slower['tasks']:,} finished tasks slow “{name}” by", value * 100, 15, "{:.0f} %")
    if listing := results.get("dynamodb_listing"):
        at_most(
            f"DynamoDB Local: {listing['tasks']:,} finished tasks slow work by",
            listing["finished_slow_by"] * 100, 15, "{:.0f} %",
        )  # fmt: skip
    return made


def table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """A Markdown table; all columns but the first to the right."""
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def text_of(results: dict[str, Any]) -> str:
    """The text of the page."""
    one, four, many = results["sqlite_one"], results["four_processes"], results["create_many"]
    listing, remote = results["sqlite_listing"], results["dynamodb_listing"]
    clients, costs, slower = results["dynamodb_one"], results["costs"], results["finished"]
    lines = [
        "# Benchmarks",
        "",
        "This page is written by `make bench`; nothing on it is edited by hand. Its peers run beside us in one run, in turns, each",
        "in a process and on files of its own; every figure is a median. Only what is equally durable is compared: each commit",
        "is synced to the disk.",
        "",
        f"Measured on {results['date']}: {results['machine']}. Overwriting 4 KiB and `fdatasync` took {one['fdatasync_ms']:.3f} ms in the same",
        "minutes: the absolute figures are of a disk like that; on another one look at the ratios and at the CPU time.",
        "",
        f"![Tasks per second on SQLite, and the time to list 1,000 failed tasks on DynamoDB Local]({PLOT})",
        "",
        "## SQLite: one task at a time",
        "",
        "A task is started and succeeds, around nothing: two durable transactions. `executed`, `twice` and `lost` count tasks over all",
        "rounds.",
        "",
        *table(
            ("peer", "tasks/s", "of the bound", "CPU ms", "created/s", "executed", "twice", "lost"),
            [
                (
                    f"{name if name == 'raw' else ''} {peer['version']}".strip(),
                    f"{peer['life_per_s']:,.0f}",
                    f"{peer['of_bound']:.2f}",
                    f"{peer['cpu_ms']:.2f}",
                    f"{peer['enqueue_per_s']:,.0f}" if peer["enqueue_per_s"] else "",
                    f"{peer['executed']:,}",
                    peer["duplicate"],
                    peer["lost"],
                )
                for name, peer in one["peers"].items()
            ],
        ),
        *[f"* {peer['version']}: {peer['durable']}{'; ' if NOTES[name] else ''}{NOTES[name]}." for name, peer in one["peers"].items()],
        "",
        "## SQLite: four processes on one file",
        "",
        *table(
            ("", "one process", "four processes"),
            [
                ("tasks/s in all", f"{four['one_per_s']:,.0f}", f"{four['four_per_s']:,.0f} ({four['of_one']:.2f} of one)"),
                ("least busy process, of the busiest", "", f"{four['least_of_most']:.2f} (worst round {four['worst_least_of_most']:.2f})"),
                ("slowest transaction, its wait included", f"{four['slowest_ms_of_one']:.0f} ms", f"{four['slowest_ms']:.0f} ms (worst round {four['worst_slowest_ms']:.0f} ms)"),
            ],
        ),
        "A file has one writer at a time, so four processes cannot do more than one; they can take turns fairly.",
        "",
        "## SQLite: many at once",
        "",
        *table(
            ("", ""),
            [
                (f"`create_many` of {many['count']:,} random ids, empty table", f"{many['empty_per_s']:,.0f}/s"),
                (f"the same, {many['there']:,} tasks there", f"{many['full_per_s']:,.0f}/s"),
                (f"1,000 failed tasks with all attributes, among {listing['tasks']:,}", f"{listing['ms']:.1f} ms"),
                ("the same rows, a `SELECT` by hand", f"{listing['raw_ms']:.1f} ms"),
                *[(f"{slower['tasks']:,} finished tasks make “{name}” slower by", percent(value)) for name, value in slower["slower"].items()],
            ],
        ),
        "## DynamoDB",
        "",
        "Start to success, one task at a time: two requests. `5 ms` is a wait before each request is sent, as a network would",
        "have it; the stub answers at once whatever it is asked, so that what is left is the client.",
        "",
        *table(
            ("", "statustrack: tasks/s", "CPU ms", "pynamodb_mate: tasks/s", "CPU ms", "CPU, ours of theirs"),
            [
                (
                    name,
                    f"{place['statustrack']['life_per_s']:,.0f}",
                    f"{place['statustrack']['cpu_ms']:.2f}",
                    f"{place['pynamodb_mate']['life_per_s']:,.0f}",
                    f"{place['pynamodb_mate']['cpu_ms']:.2f}",
                    f"{place['cpu_ratio']:.2f}",
                )
                for name, place in clients.items()
            ],
        ),
        "Executed "
        + ", ".join(
            f"{sum(place[peer]['executed'] for place in clients.values()):,} by {clients['instant answers'][peer]['version']}"
            for peer in ("statustrack", "pynamodb_mate")
        )
        + f"; twice {sum(place[peer]['duplicate'] for place in clients.values() for peer in ('statustrack', 'pynamodb_mate'))}, "
        f"lost {sum(place[peer]['lost'] for place in clients.values() for peer in ('statustrack', 'pynamodb_mate'))}.",
        "DynamoDB Local keeps its tables in memory here: it says nothing about the service's own speed or durability.",
        "",
        f"1,000 failed tasks with all attributes from among {remote['tasks']:,}, on DynamoDB Local:",
        "",
        *table(("", "ms"), [(name, f"{value:,.0f}") for name, value in remote["ms"].items()]),
        "boto3 sends the same requests (" + ", ".join(f"{count} {name}" for name, count in remote["requests"].items()) + ") and makes nothing of the",
        f"answers. {remote['tasks']:,} finished tasks in the table make creating, working and looking slower by {percent(remote['finished_slow_by'])} there.",
        "",
        "What an operation on a small task costs:",
        "",
        *table(
            ("operation", "requests", "write units"),
            [(name, requests, f"{units:.0f}") for name, (requests, units) in costs["operations"].items()],
        ),
        "The first operation of a process on a table takes at most two requests more.",
        "",
        "## Import",
        "",
        *table(("", "CPU above bare Python"), [(f"`{name}`" if name == "import statustrack" else name, f"{value:.0f} ms") for name, value in costs["imports"].items()]),
        "## What is asked of it",
        "",
        *table(("", "measured", "asked", ""), [(bar.text, bar.measured, bar.asked, "" if bar.met else "missed") for bar in bars(results)]),
        "## Run it",
        "",
        "`make bench` makes an environment of its own (`.venv-bench`, with the peers at pinned versions) and takes about a quarter of an",
        "hour; DynamoDB Local needs Java. `make bench ARGS=--quick` runs all of it in a small way and leaves this page alone.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def plot(results: dict[str, Any], path: Path) -> None:
    """Two panels: the SQLite peers, and the listing on DynamoDB Local."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "statustrack", "font.size": 9, "svg.fonttype": "path"})
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    peers = results["sqlite_one"]["peers"]
    panels = (
        (left, "SQLite, one process: tasks per second", {
            ("by hand" if name == "raw" else name): peer["life_per_s"] for name, peer in peers.items()
        }),
        (right, "DynamoDB Local: ms to list 1,000 failed tasks", results["dynamodb_listing"]["ms"]),
    )  # fmt: skip
    for axes, title, values in panels:
        names = list(values)[::-1]
        colours = ["#0b7285" if name == "statustrack" else "#adb5bd" for name in names]
        drawn = axes.barh(names, [values[name] for name in names], color=colours)
        axes.bar_label(drawn, fmt="{:,.0f}", padding=3, fontsize=8)
        axes.set_title(title, fontsize=9, loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.margins(x=0.12)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    pyplot.close(figure)


def write(results: dict[str, Any], instead: Path | None = None) -> None:
    """Page and plot, in docs or in a folder instead."""
    home = instead or PAGE.parent
    (home / "images").mkdir(exist_ok=True)
    plot(results, home / PLOT)
    (home / PAGE.name).write_text(text_of(results), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write or check the page; 1 if it is not what the results say."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    if "--check" in arguments:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text_of(results)
        if not current:
            print("docs/benchmarks.md is not what bench/results.json says: run `python -m bench.page`")
        return 0 if current else 1
    write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
