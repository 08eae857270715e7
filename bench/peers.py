"""One peer, one run, in a process of its own: enqueue tasks one by one, then take and finish each; prints JSON.

``python -m bench.peers NAME COUNT``. Every peer stores a result durably for each task and is counted afterwards.
"""

from __future__ import annotations

import importlib.metadata
import json
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from bench.measure import cpu_seconds

NOW = "2024-05-23T06:07:26.{:06d}+0000"


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


class Peer:
    """``put`` and ``take`` one task; ``counts`` says how many were executed, twice, lost."""

    durable = "synced at each commit"

    def __init__(self, count: int) -> None:
        self.ids = [uuid.uuid4().hex for _ in range(count)]
        self.executed: list[str] = []
        self.version = ""

    def put(self, task_id: str) -> None:
        raise NotImplementedError

    def run(self) -> None:
        """Take and finish all."""
        raise NotImplementedError


class Ours(Peer):
    """``with Step.start(id)`` around nothing."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        import statustrack as st
        from bench.steps import Step

        self.version = f"statustrack {st.__version__}"
        self.step = Step
        Step.create_table(wait=True)

    def put(self, task_id: str) -> None:
        self.step.create(task_id)

    def run(self) -> None:
        start, done = self.step.start, self.executed.append
        for task_id in self.ids:
            with start(task_id):
                done(task_id)


class Raw(Peer):
    """Two hand-written transactions on the same table with the same indexes: the bound."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        from bench.steps import Step

        self.version = f"sqlite3 {sqlite3.sqlite_version}"
        Step.create_table(wait=True)
        self.db = sqlite3.connect("statustrack.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.number = 0

    def _now(self) -> str:
        self.number += 1
        return NOW.format(self.number)

    def put(self, task_id: str) -> None:
        now = self._now()
        self.db.execute(
            "INSERT INTO bench (key, value, status, create_time, update_time, retry, lock, lock_time, data, errors, "
            "attempt, "
            "create_id) VALUES (?, 'bench____010____001', 10, ?, ?, 0, '__not_locked__', ?, '{}', "
            "'{\"history\":[]}', 0, ?)",
            (f"bench____{task_id}", now, now, now, uuid.uuid4().hex),
        )

    def run(self) -> None:
        execute = self.db.execute
        for task_id in self.ids:
            key, token, now = f"bench____{task_id}", uuid.uuid4().hex, self._now()
            execute("BEGIN IMMEDIATE")
            row = execute(
                "UPDATE bench SET claimed_from = value, value = 'bench____020____001', status = 20, lock = ?, "
                "lease_until = ?, "
                "lock_time = ?, update_time = ?, start_time = ?, worker = 'host:1:00000000', attempt = attempt + 1 "
                "WHERE key = ? AND status IN (10, 30) AND lock = '__not_locked__' RETURNING *",
                (token, time.time_ns() // 1_000_000 + 60_000, now, now, now, key),
            ).fetchone()
            execute("COMMIT")
            assert row is not None
            self.executed.append(task_id)
            execute("BEGIN IMMEDIATE")
            row = execute(
                "UPDATE bench SET value = 'bench____040____001', status = 40, lock = '__not_locked__', update_time "
                "= ?, "
                "retry = 0, lease_until = NULL, claimed_from = NULL, attempts = ? WHERE key = ? AND lock = ? AND "
                "status = 20 "
                "RETURNING *",
                (self._now(), f'[[1,"{token[:8]}",20,"succeeded",1,1,"host:1:00000000"]]', key, token),
            ).fetchone()
            execute("COMMIT")
            assert row is not None


class Huey(Peer):
    """A task that returns a value, so that its result is stored; dequeued and executed by hand."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        from huey import SqliteHuey

        self.version = _version("huey")
        self.huey = SqliteHuey(filename="huey.db", fsync=True, utc=True)
        executed = self.executed

        @self.huey.task()  # type: ignore[untyped-decorator]
        def work(task_id: str) -> int:
            executed.append(task_id)
            return 1

        self.work = work

    def put(self, task_id: str) -> None:
        self.work(task_id)

    def run(self) -> None:
        while (task := self.huey.dequeue()) is not None:
            self.huey.execute(task)


class PersistQueue(Peer):
    """SQLiteAckQueue: no lease, no status query."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        import persistqueue

        self.version = _version("persist-queue")
        self.queue = persistqueue.SQLiteAckQueue("persist", auto_commit=True)

    def put(self, task_id: str) -> None:
        self.queue.put(task_id)

    def run(self) -> None:
        import persistqueue

        while True:
            try:
                task_id = self.queue.get(block=False)
            except persistqueue.Empty:
                return
            self.executed.append(task_id)
            self.queue.ack(task_id)


class LiteQueue(Peer):
    """litequeue with synchronous=FULL set by us (its default is NORMAL: a power cut loses the last commits)."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        from litequeue import LiteQueue as Queue

        self.version = _version("litequeue")
        self.queue = Queue("lite.db")
        self.queue.conn.execute("PRAGMA synchronous=FULL")

    def put(self, task_id: str) -> None:
        self.queue.put(task_id)

    def run(self) -> None:
        while (message := self.queue.pop()) is not None:
            self.executed.append(message.data)
            self.queue.done(message.message_id)


class Dbos(Peer):
    """A workflow called directly, on its SQLite system database; a workflow is recorded at start and end."""

    durable = "synced at each commit (rollback journal)"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        import logging

        from dbos import DBOS

        logging.disable(logging.WARNING)
        self.version = _version("dbos")
        executed = self.executed
        DBOS(config={"name": "bench", "system_database_url": "sqlite:///dbos.db", "log_level": "ERROR"})

        @DBOS.workflow()
        def work(task_id: str) -> int:
            executed.append(task_id)
            return 1

        DBOS.launch()
        self.work, self.dbos = work, DBOS

    def put(self, task_id: str) -> None:
        """A direct call enqueues nothing."""

    def run(self) -> None:
        for task_id in self.ids:
            self.work(task_id)
        self.dbos.destroy()


PEERS: dict[str, Callable[[int], Peer]] = {
    "raw": Raw,
    "statustrack": Ours,
    "huey": Huey,
    "persist-queue": PersistQueue,
    "litequeue": LiteQueue,
    "dbos": Dbos,
}


def main(name: str, count: int) -> dict[str, Any]:
    """One run of one peer."""
    peer = PEERS[name](count)
    began, cpu = time.perf_counter(), cpu_seconds()
    for task_id in peer.ids:
        peer.put(task_id)
    enqueue = time.perf_counter() - began
    began, cpu_life = time.perf_counter(), cpu_seconds()
    peer.run()
    life = time.perf_counter() - began
    distinct = set(peer.executed)
    return {
        "version": peer.version,
        "durable": peer.durable,
        "enqueue_per_s": count / enqueue if enqueue > 0.001 else None,
        "life_per_s": count / life,
        "cpu_ms": (cpu_seconds() - cpu_life) / count * 1000,
        "cpu_enqueue_ms": (cpu_life - cpu) / count * 1000,
        "executed": len(peer.executed),
        "duplicate": len(peer.executed) - len(distinct),
        "lost": len(set(peer.ids) - distinct),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
