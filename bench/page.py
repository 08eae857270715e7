"""The page of the benchmarks and its plot, from their results: no number on it is written by hand.

``python -m bench.page`` writes docs/benchmarks.md from bench/results.json, ``--check`` tells whether it is current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import ROOT

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = "images/benchmarks.svg"

#: What each SQLite peer does for a task.
NOTES = {
    "raw": "two transactions by hand on the same table and indexes: the bound",
    "statustrack": "lease, history, query by status",
    "huey": "dequeued, executed, its result stored; no lease, no query by status",
    "persist-queue": "taken and acknowledged; no lease, no query by status",
    "litequeue": "taken and marked as done; no lease that ends; set to FULL by us",
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


def table(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]], side: str = "---:") -> list[str]:
    """A Markdown table; all columns but the first to the right, unless told otherwise."""
    lines = ["", "| " + " | ".join(heads) + " |", "| --- |" + f" {side} |" * (len(heads) - 1)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def text_of(results: dict[str, Any]) -> str:
    """The text of the page."""
    sections = (head, one_by_one, processes, in_bulk, on_dynamodb, what_it_costs, what_is_asked)
    lines = [line for section in sections for line in section(results)]
    return "\n".join([*lines, *END])


def head(results: dict[str, Any]) -> list[str]:
    """What this is, and when and where it was measured."""
    disk = results["sqlite_one"]["fdatasync_ms"]
    return [
        "# Benchmarks",
        "",
        "This page is written by `make bench`; nothing on it is edited by hand. The peers run beside us in one run, in",
        "turns, each in a process and on files of its own; every figure is a median of rounds.",
        "",
        f"Measured on {results['date']}: {results['machine']}. Overwriting 4 KiB with `fdatasync` took {disk:.3f} ms",
        "in the same minutes. Absolute figures are those of such a disk; on another one look at the ratios, and at the",
        "CPU time.",
        "",
        f"![Tasks per second on SQLite, and the time to list 1,000 failed tasks on DynamoDB Local]({PLOT})",
        "",
    ]


def one_by_one(results: dict[str, Any]) -> list[str]:
    """The peers on SQLite."""
    peers = results["sqlite_one"]["peers"]
    rows = (
        (
            peer["version"],
            f"{peer['life_per_s']:,.0f}",
            f"{peer['of_bound']:.2f}",
            f"{peer['cpu_ms']:.2f}",
            f"{peer['enqueue_per_s']:,.0f}" if peer["enqueue_per_s"] else "",
            f"{peer['executed']:,}",
            peer["duplicate"],
            peer["lost"],
        )
        for peer in peers.values()
    )
    return [
        "## SQLite: one task at a time",
        "",
        "A task is started and succeeds, around nothing: two durable transactions. `of the bound` is the ratio to",
        "two transactions written by hand, in the same round; `executed`, `twice` and `lost` count the tasks of all",
        "rounds.",
        *table(("", "tasks/s", "of the bound", "CPU ms", "created/s", "executed", "twice", "lost"), rows),
        "What each of them does, so that like is compared with like:",
        "",
        *table(
            ("", "what is stored when", "what is done for a task"),
            ((peer["version"], peer["durable"], NOTES[name]) for name, peer in peers.items()),
            "---",
        )[1:],
    ]


def processes(results: dict[str, Any]) -> list[str]:
    """Four processes on one file."""
    four = results["four_processes"]
    rows = (
        ("tasks/s in all", f"{four['one_per_s']:,.0f}", f"{four['four_per_s']:,.0f} ({four['of_one']:.2f} of one)"),
        (
            "the least busy process, of the busiest",
            "",
            f"{four['least_of_most']:.2f} (worst round {four['worst_least_of_most']:.2f})",
        ),
        (
            "slowest transaction, its wait included",
            f"{four['slowest_ms_of_one']:.0f} ms",
            f"{four['slowest_ms']:.0f} ms (worst round {four['worst_slowest_ms']:.0f} ms)",
        ),
    )
    return [
        "## SQLite: four processes on one file",
        "",
        "A file has one writer at a time, so four processes cannot do more than one. They can take turns fairly.",
        *table(("", "one process", "four processes"), rows),
    ]


def in_bulk(results: dict[str, Any]) -> list[str]:
    """Creating, listing, and what finished tasks cost."""
    many, listing, slower = results["create_many"], results["sqlite_listing"], results["finished"]
    rows = [
        (f"`create_many` of {many['count']:,} random ids into an empty table", f"{many['empty_per_s']:,.0f}/s"),
        (f"the same into a table of {many['there']:,}", f"{many['full_per_s']:,.0f}/s"),
        (f"1,000 failed tasks with all attributes, among {listing['tasks']:,}", f"{listing['ms']:.1f} ms"),
        ("the same rows by a `SELECT` by hand", f"{listing['raw_ms']:.1f} ms"),
    ]
    for name, value in slower["slower"].items():
        rows.append((f"{slower['tasks']:,} finished tasks slow “{name}” by", percent(value)))
    return ["## SQLite: many at once", *table(("", ""), rows)]


def on_dynamodb(results: dict[str, Any]) -> list[str]:
    """The clients of DynamoDB, and the listing."""
    clients, listing = results["dynamodb_one"], results["dynamodb_listing"]
    rows = []
    for name, place in clients.items():
        ours, theirs = place["statustrack"], place["pynamodb_mate"]
        rates = (f"{ours['life_per_s']:,.0f}", f"{theirs['life_per_s']:,.0f}")
        rows.append((name, *rates, f"{ours['cpu_ms']:.2f}", f"{theirs['cpu_ms']:.2f}", f"{place['cpu_ratio']:.2f}"))
    counted = []
    for peer in ("statustrack", "pynamodb_mate"):
        runs = [place[peer] for place in clients.values()]
        executed, twice, lost = (sum(run[key] for run in runs) for key in ("executed", "duplicate", "lost"))
        counted.append(f"{runs[0]['version']} executed {executed:,}, {twice} twice, {lost} lost")
    asked = ", ".join(f"{count} {name}" for name, count in listing["requests"].items())
    slower = percent(listing["finished_slow_by"])
    return [
        "## DynamoDB",
        "",
        "Start to success, one task at a time: two requests. `5 ms` is a wait before each request, as a network would",
        "have it. The stub answers at once whatever it is asked, so that what is left is the client. DynamoDB Local",
        "keeps its tables in memory: it says nothing about the speed or the durability of the service.",
        *table(("", "ours: tasks/s", "pynamodb_mate: tasks/s", "ours: CPU ms", "pynamodb_mate: CPU ms", "ratio"), rows),
        "; ".join(counted) + ".",
        "",
        f"1,000 failed tasks with all attributes from among {listing['tasks']:,}, on DynamoDB Local:",
        *table(("", "ms"), ((name, f"{value:,.0f}") for name, value in listing["ms"].items())),
        f"boto3 sends the same requests by hand ({asked}) and makes nothing of the answers. {listing['tasks']:,}",
        f"finished tasks in the table slow creating, working and looking by {slower} there.",
        "",
    ]


def what_it_costs(results: dict[str, Any]) -> list[str]:
    """Requests, write units, imports."""
    costs = results["costs"]
    operations = ((name, requests, f"{units:.0f}") for name, (requests, units) in costs["operations"].items())
    imports = ((name, f"{value:.0f} ms") for name, value in costs["imports"].items())
    return [
        "What an operation on a small task costs, as DynamoDB Local reports it (the first one of a process on a table",
        "takes at most two requests more):",
        *table(("operation", "requests", "write units"), operations),
        "## Import",
        *table(("", "CPU above bare Python"), imports),
    ]


def what_is_asked(results: dict[str, Any]) -> list[str]:
    """The bars."""
    rows = ((bar.text, bar.measured, bar.asked, "" if bar.met else "missed") for bar in bars(results))
    return ["## What is asked of it", *table(("", "measured", "asked", ""), rows)]


END = (
    "## Run it",
    "",
    "`make bench` makes an environment of its own (`.venv-bench`, the peers at pinned versions) and takes about a",
    "quarter of an hour; DynamoDB Local needs Java. `make bench ARGS=--quick` runs all of it in a small way, writes to",
    "`build/bench`, and leaves this page alone.",
    "",
)


def plot(results: dict[str, Any], path: Path) -> None:
    """Two panels: the SQLite peers, and the listing on DynamoDB Local."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "statustrack", "font.size": 9})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    peers = results["sqlite_one"]["peers"]
    rates = {("by hand" if name == "raw" else name): peer["life_per_s"] for name, peer in peers.items()}
    listing = results["dynamodb_listing"]["ms"]
    titles = ("SQLite, one process: tasks per second", "DynamoDB Local: ms to list 1,000 failed tasks")
    for axes, title, values in zip(panels, titles, (rates, listing), strict=True):
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
