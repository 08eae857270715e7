"""What ``watch`` shows: one screen that is redrawn in a terminal, a line for each step and look elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.live import Live
from rich.text import Text

from statustrack.cli import screens
from statustrack.cli.sheet import Sheet, console, is_live
from statustrack.cli.words import count, shown, span
from statustrack.engines.protocol import Engine
from statustrack.tracking.overview import Overview
from statustrack.tracking.pace import Paces


class Watching:
    """The screen, for the time of a block."""

    def __init__(self, engine: Engine, cost: bool) -> None:
        self.engine = engine
        self.cost = cost
        self.sheet = Sheet()
        self._last = Text()
        self._live = Live(console=console(), auto_refresh=False, screen=False) if is_live() else None

    def __enter__(self) -> Watching:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, found: Sequence[tuple[Overview, Paces]]) -> None:
        """How things stand."""
        if self._live is None:
            for overview, paces in found:
                self._lines(overview, paces)
            return
        self.sheet = Sheet()  # the window may have another size by now
        with self.sheet.out.capture() as drawn:
            for position, (overview, paces) in enumerate(found):
                if position:
                    self.sheet.space()
                screens.status(self.sheet, self.engine.url, overview, paces)
            self.sheet.space()
            self.sheet.line((f"{found[0][0].now:%H:%M:%S} UTC, Ctrl-C ends it", "dim"))
            if self.cost:
                screens.spent(self.sheet, self.engine)
        self._last = Text.from_ansi(drawn.get())
        self._live.update(self._last, refresh=True)

    def trouble(self, why: str) -> None:
        """The storage did not answer; it will be asked again. What was seen last stays on the screen."""
        if self._live is None:
            self.sheet.line(f"no answer: {shown(why)}")
            self.sheet.out.file.flush()
        else:
            lines = Text.assemble(self._last, "\n", (f"No answer: {shown(why)}", "yellow"))
            self._live.update(lines, refresh=True)

    def _lines(self, overview: Overview, paces: Paces) -> None:
        speeds = {(pace.use_case, pace.step): pace for pace in paces.steps}
        for use_case in overview.use_cases:
            for step in use_case.steps:
                counts = [
                    f"{name} {count(number, step.codes[name] in use_case.capped)}"
                    for name in screens.ORDER
                    if (number := step.counts[name]) is not None
                ]
                pace = speeds.get((use_case.use_case, step.step))
                if pace is not None and pace.per_minute is not None:
                    counts.append(f"{pace.per_minute:,.1f} per minute")
                if pace is not None and pace.median_seconds is not None:
                    counts.append(f"median {span(pace.median_seconds)}")
                if step.running.stuck:
                    counts.append(f"stuck {step.running.stuck:,}")
                name = f"{shown(use_case.use_case)} / {shown(step.step)}"
                self.sheet.line(f"{overview.now:%H:%M:%S}  {name}: {', '.join(counts)}")
        if self.cost:
            screens.spent(self.sheet, self.engine)
        self.sheet.out.file.flush()
