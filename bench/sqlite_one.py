"""SQLite with an fsync per commit, tasks one by one, one process: peers interleaved, round by round, beside the
bound."""

from __future__ import annotations

from typing import Any

from bench.measure import child, fdatasync_ms, median

PEERS = ("raw", "statustrack", "huey", "persist-queue", "litequeue", "dbos")
COUNTS = {"dbos": 300}


def run(rounds: int = 5, count: int = 2000, peers: tuple[str, ...] = PEERS) -> dict[str, Any]:
    """Medians per peer, and the ratio to the bound within the same round."""
    results: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    disk = []
    for number in range(rounds):
        for peer in peers if number % 2 == 0 else reversed(peers):
            disk.append(fdatasync_ms())
            results[peer].append(child("bench.peers", peer, str(COUNTS.get(peer, count))))
    table = {}
    for peer, runs in results.items():
        ratios = [run["life_per_s"] / bound["life_per_s"] for run, bound in zip(runs, results[peers[0]], strict=True)]
        enqueued = [run["enqueue_per_s"] for run in runs if run["enqueue_per_s"]]
        table[peer] = {
            "version": runs[0]["version"],
            "durable": runs[0]["durable"],
            "life_per_s": median([run["life_per_s"] for run in runs]),
            "of_bound": median(ratios),
            "cpu_ms": median([run["cpu_ms"] for run in runs]),
            "enqueue_per_s": median(enqueued) if enqueued else None,
            "executed": sum(run["executed"] for run in runs),
            "duplicate": sum(run["duplicate"] for run in runs),
            "lost": sum(run["lost"] for run in runs),
        }
    if "huey" in table:
        table["statustrack"]["of_huey"] = median(
            [
                ours["life_per_s"] / huey["life_per_s"]
                for ours, huey in zip(results["statustrack"], results["huey"], strict=True)
            ]
        )
    return {"fdatasync_ms": median(disk), "rounds": rounds, "count": count, "peers": table}


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]) or PEERS), indent=1))
