"""Where claimable tasks of a step are looked for: partition by partition, oldest first, nothing read twice for
nothing."""

from __future__ import annotations

import heapq
import random
import zlib
from collections import deque
from collections.abc import Iterable
from time import monotonic

from statustrack.core import lifecycle, times
from statustrack.core.config import TrackerConfig
from statustrack.core.writes import Row
from statustrack.engines.protocol import Engine
from statustrack.tracking.directory import directory_of
from statustrack.tracking.identity import worker_name
from statustrack.worker.partition import SMALLEST_PAGE, Partition

#: How old the copy of the directory may be that says over how many shards a status is spread.
DIRECTORY_SECONDS = 30.0
#: A row may become visible so much later than its update_time says (a slow commit, an index that lags).
OVERLAP_MICROS = 10_000_000
#: What happened so long ago is in every index, and clocks agree about it.
LAG_MICROS = 1_000_000
#: A partition that was read to its end is read from its head again after so long, whatever we believe to know.
REWALK_SECONDS = 240.0
#: Tasks in backoff that are remembered, so that they need not be read again until they are ready; and tasks left to
#: rivals.
REMEMBERED = 100_000
HINTS = 1000
#: How long a worker that was quicker counts as a rival.
RIVAL_SECONDS = 30.0
#: How often a worker in a crowd looks who the others are: while it learns of new ones, and later.
MEET_SECONDS, MEET_AGAIN_SECONDS = 0.3, 5.0
MEET_ROWS = 250
#: How many tasks are taken at a time of the part of a rival that is at work.
MOST_HELP = 25
#: How long lies between two looks at what rivals have done with their parts: so long, or so many exchanges.
PATIENCE_SECONDS, PATIENCE_EXCHANGES = 0.6, 8
#: A walk is repeated after so long for each row that it has passed over (in backoff, say, within the overlap).
POLL_SECONDS_PER_ROW, LONGEST_POLL_SECONDS = 0.0002, 2.0
LARGEST_PAGE = 1000
#: 2 ** 32 divided by the golden ratio.
_GOLDEN = 0x9E3779B1
#: All that is asked of a row that may be claimed; SQLite's index has it, so no row is looked at.
_WANTED = ("ready_at",)


class Source:
    """The claimable tasks of one step, as this worker knows of them."""

    def __init__(self, engine: Engine, table: str, config: TrackerConfig) -> None:
        self.engine = engine
        self.table = table
        self.config = config
        self.partitions: list[Partition] = []
        self.rivals: dict[str, float] = {}  #: other workers that were quicker than us, and when
        self._seeds: list[int] | None = None  # of our name and theirs
        self._names: list[str] = []  # theirs, in this order
        self.siblings: frozenset[str] = frozenset()  #: rivals of whom we are told; set by another thread
        self._met: frozenset[str] = frozenset()
        self._choosy = False  # whether we take our own part of the tasks only
        self._own = False  # whether this walk has seen tasks of our part
        self._before: dict[str, str] | None = None  # what was left to rivals at the last look; None: there was our own
        self._looked_at = 0.0
        self._still: dict[str, int] = {}  # rivals that take nothing of their part: at how many looks that was so
        self._meet_at = 0.0
        self._met_until = 0  # who has taken tasks before then (service time) is known
        self._learned_at = 0.0
        self.exchange_seconds = 0.0  #: how long a request with claims takes just now
        self._me = worker_name()
        self._ahead = 3 if engine.parallel_reads else 1  # where a page is a request, it may be for more than one batch
        self.taboo: set[str] = set()  #: keys that are not to be claimed with others (suspects)
        self._turn = 0
        self._found: deque[str] = deque()
        self._hints: deque[str] = deque()
        self._backoff: list[tuple[int, str]] = []
        self._known: dict[str, int] = {}
        self._forgotten = 0
        self._seen_directory = -1e9

    # --- asked by the worker -----------------------------------------------------------------------------------------

    def hint(self, key: str) -> None:
        """This task has just become claimable (its step before has succeeded here, say). What is in a rival's part is
        left to the rival, who finds it by reading."""
        if len(self._hints) < HINTS and self.is_ours(key):
            self._hints.append(key)

    def is_ours(self, key: str) -> bool:
        """Whether the task is in our part; where we know of no rivals, all are."""
        return not (self._choosy and self.rivals and self._rank(key))

    def forget(self, name: str) -> None:
        """This rival is gone, as far as we know."""
        self._seeds = None
        self.rivals.pop(name, None)
        self._still.pop(name, None)

    def take(self, most: int, now: int) -> list[str]:
        """Keys to claim, at most so many; reads no more than one page. Nothing found does not mean that nothing is
        there: see :attr:`is_read`."""
        keys: dict[str, None] = {}
        now_ms = now // 1000
        if self._hints:  # tasks of our part that no walk comes to see
            self._before = None
        while self._hints and len(keys) < most:
            keys[self._hints.popleft()] = None
        while self._backoff and self._backoff[0][0] <= now_ms and len(keys) < most:
            due, key = heapq.heappop(self._backoff)
            if self._known.get(key) == due:
                del self._known[key]
                keys[key] = None
        if len(keys) < most and not self._found:
            self._read(most - len(keys), now)
            if keys:  # hints are found by reading too
                self._found = deque(key for key in self._found if key not in keys)
        while self._found and len(keys) < most:
            keys[self._found.popleft()] = None
        return [key for key in keys if key not in self.taboo]

    def put_back(self, keys: Iterable[str]) -> None:
        """These were taken and not tried."""
        self._found.extendleft(keys)

    @property
    def is_read(self) -> bool:
        """Whether every partition has been read to its end, and nothing that was found is left."""
        return not self._found and not self._hints and all(each.done for each in self.partitions)

    def next_due(self) -> int | None:
        """When (ms) the first task that is remembered is ready."""
        return self._backoff[0][0] if self._backoff else None

    def poll(self, now: int) -> None:
        """Look for what is new: each partition that was read to its end is read again, from a little before then."""
        self._refresh_directory(now)
        for each in self.partitions:
            if each.done and monotonic() >= each.poll_at:
                if monotonic() >= each.rewalk or (self._forgotten and self._forgotten <= now // 1000):
                    each.rewalk = monotonic() + REWALK_SECONDS * (0.5 + random.random())
                    each.begin(None, now)
                elif each.left:
                    each.begin(each.since, now)
                else:
                    each.begin(times.to_text(each.read_to - OVERLAP_MICROS), now)
        if self._forgotten and self._forgotten <= now // 1000:
            self._forgotten = 0

    def refused(self, key: str, current: Row | None, now: int) -> None:
        """A claim was refused: if the task is claimable later, remember when; if a rival was quicker, remember whom."""
        if current is not None and current.get("worker") not in (None, self._me):
            self._meet(current["worker"])
            self._still.pop(current["worker"], None)
        if current is None or current.get("status") not in lifecycle.claimable(self.config):
            return
        ready = int(current.get("ready_at") or 0)
        if ready > now // 1000:
            self.remember(key, ready)

    def remember(self, key: str, ready_ms: int) -> None:
        """Try this task when it is ready. With rivals, each has the first try at its own part of the tasks."""
        if self.rivals and self._rank(key):
            ready_ms += 1000 + random.randrange(1000 * len(self.rivals))
        if len(self._known) >= REMEMBERED and key not in self._known:
            self._forgotten = min(self._forgotten or ready_ms, ready_ms)
            return
        if self._known.get(key, 0) < ready_ms:
            self._known[key] = ready_ms
            heapq.heappush(self._backoff, (ready_ms, key))

    def jump(self, now: int) -> None:
        """Rivals work at the same place: go on at a random one, and take our own part of the tasks first."""
        self._found.clear()
        self._choosy, self._before = True, None
        self._refresh_directory(now)
        self._meet_rivals(now)
        self._turn = random.randrange(len(self.partitions))
        partition = self.partitions[self._turn]
        if partition.since is not None and partition.head:
            return  # only what is new is left to read
        oldest = self.engine.page(self.table, partition.name, limit=1, attributes=()).rows
        newest = self.engine.page(self.table, partition.name, limit=1, newest_first=True, attributes=()).rows
        if not oldest or not newest:
            return
        try:
            first, last = times.from_text(oldest[0]["update_time"]), times.from_text(newest[0]["update_time"])
        except ValueError:
            return
        partition.begin(times.to_text(first + int((last - first) * random.random())), now)
        partition.head = False

    def _meet_rivals(self, now: int) -> None:
        """Who has taken tasks of this step since the last time, or since we came: whoever holds some from before then
        may be dead."""
        moment = monotonic()
        if moment < self._meet_at:
            return
        learning = moment - self._learned_at < MEET_AGAIN_SECONDS
        self._meet_at = moment + (MEET_SECONDS if learning else MEET_AGAIN_SECONDS)
        directory = directory_of(self.engine, self.table).read(DIRECTORY_SECONDS)
        since, self._met_until = times.to_text(self._met_until - LAG_MICROS), now
        # Who works on something; where tasks are quick that says little, so also who has just been done with one.
        for code in (self.config.in_progress_status, self.config.succeeded_status):
            shards = directory.shards(self.config.use_case_id, code)
            name = self.config.partition(code, random.randint(1, max(1, shards)))
            rows = self.engine.page(
                self.table, name, limit=MEET_ROWS, newest_first=True, since=since, attributes=("worker",)
            ).rows
            for row in rows:
                if row.get("worker") not in (None, self._me):
                    self._meet(row["worker"])
            if len(rows) == MEET_ROWS:
                break

    def _meet_siblings(self) -> None:
        if self.siblings is not self._met:
            for name in self._met - self.siblings:
                self.forget(name)
            self._met = self.siblings
            for name in self._met:
                self._meet(name)

    def _meet(self, name: str) -> None:
        if name not in self.rivals:
            self._seeds, self._learned_at = None, monotonic()
        self.rivals[name] = monotonic()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _refresh_directory(self, now: int) -> None:
        if monotonic() - self._seen_directory < DIRECTORY_SECONDS and self.partitions:
            return
        if not self.partitions:
            self._met_until = now
        directory = directory_of(self.engine, self.table).read(DIRECTORY_SECONDS)
        known = {each.name for each in self.partitions}
        for code in lifecycle.claimable(self.config):
            shards = max(self.config.status_shards.get(code, 1), directory.shards(self.config.use_case_id, code), 1)
            for shard in range(1, shards + 1):
                name = self.config.partition(code, shard)
                if name not in known:
                    self.partitions.append(Partition(name))
                    self.partitions[-1].read_to = now
        self._seen_directory = monotonic()

    def _read(self, wanted: int, now: int) -> None:
        """One page of the next partition that is not read to its end; more where a page brings nothing and storage is
        near."""
        self._refresh_directory(now)
        for _ in range(len(self.partitions)):
            self._turn = (self._turn + 1) % len(self.partitions)
            partition = self.partitions[self._turn]
            if not partition.done:
                self._page(partition, wanted, now)
                if self._found:
                    return

    def _is_news(self, key: str, now_ms: int) -> bool:
        due = self._known.get(key)
        if due is None:
            return True
        if due - now_ms <= (len(self.rivals) + 1) * 1000:
            return False  # its turn comes
        del self._known[key]  # redriven, say: it need not wait any longer
        return True

    def _rank(self, key: str) -> int:
        """0 for a task of our part, 1 if one rival comes before us, and so on."""
        return self._place(key)[0]

    def _place(self, key: str) -> tuple[int, str]:
        """How many rivals come before us, and who comes first: of all workers that we know of, it is whose name and the
        key make the largest number (rendezvous hashing), so that workers who know each other divide the tasks without
        a word; where a rival is slow or gone, the others divide its part in the same way."""
        if self._seeds is None:
            self._seeds = [zlib.crc32(name.encode()) for name in (self._me, *self.rivals)]
            self._names = list(self.rivals)
        data = key.encode("utf-8", "surrogatepass")
        # A CRC is linear: those of one key with two seeds differ by the same bits for all keys, and one worker of eight
        # would get a quarter of the tasks. So each is scattered by Knuth's multiplicative hashing (The Art of Computer
        # Programming, volume 3, 6.4).
        mine, *others = [zlib.crc32(data, seed) * _GOLDEN & 0xFFFFFFFF for seed in self._seeds]
        rank = sum(1 for other in others if other > mine)
        return rank, self._names[others.index(max(others))] if rank else self._me

    def _forget_rivals(self) -> None:
        limit = monotonic() - RIVAL_SECONDS
        for name in [name for name, seen in self.rivals.items() if seen < limit and name not in self._met]:
            self.forget(name)
        if not self.rivals:
            self._choosy = False

    def _page(self, partition: Partition, wanted: int, now: int) -> None:
        self._meet_siblings()
        if self._choosy:
            self._meet_rivals(now)
        choosy = self._choosy and bool(self.rivals)
        limit = max(partition.page, wanted * (len(self.rivals) + 1) if choosy else wanted * self._ahead)
        page = self.engine.page(
            self.table,
            partition.name,
            limit=min(LARGEST_PAGE, limit),
            after=partition.after,
            since=partition.since,
            attributes=_WANTED,
        )
        now_ms, fresh = now // 1000, 0
        for row in page.rows:
            key, ready = row["key"], row.get("ready_at")
            if ready is not None and ready > now_ms:
                if key not in self._known:
                    self.remember(key, ready)
            elif self._is_news(key, now_ms):
                fresh += 1
                rank, first = self._place(key) if choosy else (0, "")
                if rank <= self._still.get(first, 0):
                    self._own = True
                    self._found.append(key)
                elif len(partition.left) < REMEMBERED // len(self.partitions):
                    partition.left[key] = row["update_time"]
        # Where most rows wait, larger pages pass over them in fewer requests.
        partition.page = LARGEST_PAGE if fresh * 4 < len(page.rows) else SMALLEST_PAGE
        partition.after = page.after
        partition.rows += len(page.rows)
        if page.after is None:
            if partition.head:
                partition.done = True
                partition.poll_at = monotonic() + min(LONGEST_POLL_SECONDS, partition.rows * POLL_SECONDS_PER_ROW)
                if not partition.rewalk:
                    partition.rewalk = monotonic() + REWALK_SECONDS * (0.5 + random.random())
            else:
                partition.begin(None, now)  # it began in the middle: now from the head
        if choosy and all(each.done for each in self.partitions):
            self._walked(now)

    def _walked(self, now: int) -> None:
        """A walk that may have left tasks to rivals has ended. Where it had nothing for us, look after a while at what
        they have done with theirs."""
        moment, own, self._own = monotonic(), self._own, False
        self._forget_rivals()
        again = own and any(each.left for each in self.partitions)
        if own:
            self._before = None
        elif self._before is None or moment - self._looked_at > self._patience:
            left = {key: since for each in self.partitions for key, since in each.left.items()}
            again = self._before is not None and self._look(self._before, left) and bool(left)
            self._before, self._looked_at = left, moment
        if again:
            for each in self.partitions:
                each.begin(each.since, now)

    @property
    def _patience(self) -> float:
        return max(PATIENCE_SECONDS, PATIENCE_EXCHANGES * self.exchange_seconds)

    def _look(self, before: dict[str, str], left: dict[str, str]) -> bool:
        """Which rivals need help, as what they have left of their parts since the last look tells; whether any does."""
        stay: dict[str, list[tuple[int, str]]] = {}
        gone: dict[str, int] = {}
        for key in before:
            rank, name = self._place(key)
            if key not in left:
                gone[name] = gone.get(name, 0) + 1
            elif rank:
                stay.setdefault(name, []).append((rank, key))
        helps = False
        for name, tasks in stay.items():
            moved = gone.get(name, 0)
            if not moved:  # it is gone, or its hands are full: the others divide its part
                self._still[name] = self._still.get(name, 0) + 1
                helps = True
            elif len(tasks) > moved:  # it is at work, and will not be done by the next look
                ours = sorted(((left[key], key) for rank, key in tasks if rank == 1), reverse=True)
                # From their newest end, since it takes the oldest first.
                for _, key in ours[: min(MOST_HELP, int(len(ours) * (1 - moved / len(tasks)) / 2))]:
                    self._found.append(key)
                    del left[key]
                    helps = True
        return helps
