"""What a sweep shows while it runs: a progress bar on a terminal, plain lines elsewhere.

In: messages of the ranks. Out: text. Must not decide anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from harness.plan.config import Config
from harness.plan.points import Cell, Session
from harness.session.messages import Visit
from harness.sweep.durations import in_words


@dataclass
class _Progress:
    """How far a cell is. share: of the session that goes on."""

    points: int
    sessions: int = 0
    share: float = 0.0

    def worth(self, sessions: int) -> float:
        """In points: all of its own when it was measured in so many sessions."""
        return self.points * min((self.sessions + self.share) / sessions, 1.0)


class Display:
    """Progress over points, the last result beside it, and the time left."""

    def __init__(self, console: Console, total: int, done: int, config: Config) -> None:
        self.console, self.total = console, total
        self.first, self.started = done, time.monotonic()
        self.bar: Progress | None = None
        # By cell: points, the sessions that have measured them, and the share of the session that goes on.
        self.cells: dict[str, _Progress] = {}
        self.sessions = config.timing.sessions
        if console.is_terminal:
            # No refresh thread: the launcher forks, and a thread of ours would take time from the ranks.
            self.bar = Progress(
                BarColumn(bar_width=20, table_column=Column(min_width=20)),
                MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=7)),
                TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True, min_width=10)),
                # What is left of the line; cut rather than at the cost of the others.
                TextColumn(
                    "{task.fields[last]}",
                    table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
                    markup=False,
                ),
                console=console,
                auto_refresh=False,
                transient=True,
                expand=True,
            )
            self.task = self.bar.add_task(
                "points", total=total, completed=done, left="", last="starting ranks"
            )

    def __enter__(self) -> Display:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def session(self, session: Session, session_id: str) -> None:
        self._line(
            f"session {session_id}: {session.ranks} ranks, {len(session.cells)} cells, {session.points} points"
        )

    def note(self, text: str) -> None:
        """Show something that must be seen, above the bar where there is one."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def event(self, message: dict[str, Any]) -> None:
        """Show a message of a rank."""
        visit = Visit.of(message)
        if visit is None:
            return
        result = _result(visit)
        cell = self.cells.setdefault(visit.cell, _Progress(visit.points))
        cell.share = visit.share % 1
        if visit.share < 1:
            if self.bar:
                self._line(f"{result} | {visit.label}")
            return
        cell.sessions += 1
        # The result first: on a terminal the line is cut at its end.
        self._line(f"{result} | {visit.label}" if self.bar else f"{visit.label}: {result}", counted=True)

    def lost(self, cell: Cell, points: int, status: str, reason: str) -> None:
        """Show a cell that broke its session, and took so many of its points with it."""
        lost = self.cells.setdefault(f"{cell.id} lost", _Progress(0, self.sessions))
        lost.points += points
        if cell.id in self.cells:
            known = self.cells[cell.id]
            known.points, known.share = max(known.points - points, 0), 0.0
        self._line(f"{cell.label}: {status}: {reason}", counted=True)

    def further(self, cells: int, sessions: int) -> None:
        """Show that so many cells get further sessions, so many in all."""
        self._line(f"{cells} cells have wide intervals: they are measured in up to {sessions} sessions")

    @property
    def done(self) -> float:
        """Points' worth of what is measured."""
        worth = sum(cell.worth(self.sessions) for cell in self.cells.values())
        return min(self.first + worth, self.total)

    def tick(self) -> None:
        if self.bar:
            self.bar.update(self.task, completed=self.done, left=self._left())
            self.bar.refresh()

    def _left(self) -> str:
        """Time left at the pace so far, at most; empty until some of it is done."""
        so_far = self.done
        if so_far <= self.first or so_far >= self.total:
            return ""
        seconds = (time.monotonic() - self.started) / (so_far - self.first) * (self.total - so_far)
        return f"{in_words(seconds)} left"

    def _line(self, text: str, *, counted: bool = False) -> None:
        if self.bar:
            self.bar.update(self.task, completed=self.done, left=self._left(), last=text)
            self.bar.refresh()
            return
        where = f"[{round(self.done)}/{self.total}] " if counted else ""
        left = f" ({self._left()})" if counted and self._left() else ""
        self.console.print(f"{where}{text}{left}", markup=False, highlight=False, soft_wrap=True)


def _result(visit: Visit) -> str:
    """The medians of a cell that has just ended, as rank 0 saw them; the report has the intervals."""
    told = (f"{mode} {us:.4g} us" for mode, us in visit.step_us.items())
    return ", ".join(told) or "no mode could be measured"
