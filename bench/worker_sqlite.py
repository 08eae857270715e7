"""Empty handlers on SQLite, side by side with huey in one run: tasks per second and CPU per task, in rounds.

    python bench/worker_sqlite.py --tasks 5000 --rounds 5 --peer-python /path/to/venv/with/huey/bin/python

Each side commits with synchronous=FULL. Both are timed from the first claim to the last acknowledged success, in a
fresh process on a fresh file; huey is driven as its own consumer does, by dequeue() and execute() in one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

OURS = """
import json, sys, time
import statustrack as st
class Step(st.BaseTask):
    class Meta:
        table_name = "jobs"
    config = st.TrackerConfig.make("bench", 10, 20, 30, 40, 50)
@Step.handler
def nothing(ctx):
    pass
def main():
    folder, tasks, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    st.use_engine(f"sqlite:///{folder}/tasks.db")
    Step.create_table(wait=True)
    Step.create_many(f"task-{i:07d}" for i in range(tasks))
    worker = st.Worker(Step, processes=processes)
    cpu, wall = time.process_time(), time.perf_counter()
    report = worker.run(until_idle=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert report.succeeded == report.claimed == tasks, report
    assert Step.count_by_status()["succeeded"] == tasks
    print(json.dumps({"wall": wall, "cpu": cpu, "requests": report.requests, "refused": report.refused}))
if __name__ == "__main__":
    main()
"""
HUEY = """
import json, sys, time
from huey import SqliteHuey
folder, tasks = sys.argv[1], int(sys.argv[2])
huey = SqliteHuey(filename=folder + "/huey.db", fsync=True, results=True)
@huey.task()
def nothing():
    return 1
for _ in range(tasks):
    nothing()
cpu, wall = time.process_time(), time.perf_counter()
done = 0
while True:
    task = huey.dequeue()
    if task is None:
        break
    huey.execute(task)
    done += 1
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
assert done == tasks
print(json.dumps({"wall": wall, "cpu": cpu}))
"""


def measure(python: str, source: str, *arguments: str) -> dict[str, float]:
    """Run one side in a process of its own on a fresh folder."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        script = os.path.join(folder, "side.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(source)
        out = subprocess.run([python, script, folder, *arguments], check=True, capture_output=True, text=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


def main() -> None:
    """Interleave the sides, and print medians and in-round ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--peer-python", help="a Python that has huey")
    given = parser.parse_args()
    ratios, cpu_ratios, ours, cpus = [], [], [], []
    for _ in range(given.rounds):
        mine = measure(sys.executable, OURS, str(given.tasks), str(given.processes))
        line = (
            f"statustrack {given.tasks / mine['wall']:8.0f}/s  {mine['cpu'] / given.tasks * 1000:.4f} ms CPU per task"
        )
        ours.append(given.tasks / mine["wall"])
        cpus.append(mine["cpu"] / given.tasks * 1000)
        if given.peer_python:
            peer = measure(given.peer_python, HUEY, str(given.tasks))
            ratios.append(peer["wall"] / mine["wall"])
            cpu_ratios.append(peer["cpu"] / mine["cpu"])
            line += f"   huey {given.tasks / peer['wall']:8.0f}/s  {peer['cpu'] / given.tasks * 1000:.4f} ms"
            line += f"   x{ratios[-1]:.2f} by wall, x{cpu_ratios[-1]:.2f} by CPU"
        print(line, flush=True)
    print(f"median: {statistics.median(ours):.0f}/s, {statistics.median(cpus):.4f} ms CPU per task")
    if ratios:
        print(f"times huey: {statistics.median(ratios):.2f} by wall, {statistics.median(cpu_ratios):.2f} by CPU")


if __name__ == "__main__":
    main()
