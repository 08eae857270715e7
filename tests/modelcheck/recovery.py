"""What becomes of a task when every worker is dead and a fresh one comes: it must always come to an end."""

from __future__ import annotations

from statustrack.core.lifecycle import lease_is_over
from tests.modelcheck.space import Space
from tests.modelcheck.words import NOW, Spec

#: A worker whose handler works, one whose handler always fails, and one that every attempt kills.
HANDLERS = ("works", "fails", "kills")
#: Far more than any row here needs: ticks and writes together.
MOST_STEPS = 60


class Recovery:
    """Remembers for each row whether a fresh worker brings it to an end."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.longest = 0
        self._known: dict[int, str | None] = {}

    def problem(self, number: int) -> str | None:
        """What is wrong with a row, if a fresh worker cannot end it."""
        if number not in self._known:
            self._known[number] = self._find(number)
        return self._known[number]

    def _find(self, number: int) -> str | None:
        for handler in HANDLERS:
            steps, problem = self._drive(number, handler)
            self.longest = max(self.longest, steps)
            if problem is not None:
                return f"with all workers dead and a fresh one whose handler {handler}: {problem}"
        return None

    def _ended(self, number: int) -> bool:
        row = self.space.rows[number]
        if row is None:
            return True
        last = self.space.configs[-1].succeeded_status
        ignored = [config.ignored_status for config in self.space.configs]
        return row["status"] == last or (row["status"] in ignored and row["status"] not in self._more())

    def _more(self) -> list[int]:
        return [code for config in self.space.configs for code in config.more_pending_status]

    def _step_of(self, number: int) -> int:
        status = (self.space.rows[number] or {}).get("status")
        for step, config in enumerate(self.space.configs):
            own = (config.pending_status, config.in_progress_status, config.failed_status)
            if status in (*own, *config.more_pending_status):
                return step
        return 0

    def _drive(self, number: int, handler: str) -> tuple[int, str | None]:
        for count in range(MOST_STEPS):
            if self._ended(number):
                return count, None
            row = self.space.rows[number]
            if row is not None and 0 < row.get("expire_at", NOW) <= NOW // 1_000_000:
                return count, None  # retention takes it
            step, token = self._step_of(number), f"r{count}"
            result = self.space.execute(Spec("claim", step, token, -1, 0, 0), number)
            if not result.applied and row is not None and lease_is_over(self.space.configs[step], row, NOW):
                result = self.space.execute(Spec("take_over", step, token, number, 0, 0), number)
            if result.problems:
                return count, result.problems[0]
            if not result.applied:
                number = self.space.older(number)
                continue
            number = result.row
            held = (self.space.rows[number] or {}).get("lock") == token
            if held and handler != "kills":
                finish = "succeed" if handler == "works" else "fail"
                result = self.space.execute(Spec(finish, step, token, self.space.stripped(number), 0, 0), number)
                if result.problems or not result.applied:
                    return count, (result.problems or ("its outcome was refused",))[0]
                number = result.row
        return MOST_STEPS, f"no end after {MOST_STEPS} steps"
