"""When which cell was measured, by the times of its blocks and windows.

In: records of one rank, in their order. Out: Spans. Must not know samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.records.kinds import Round, Session, Window


@dataclass(frozen=True)
class Span:
    """A stretch of time in which a rank measured one cell. Times are of its host's clock."""

    session: str
    cell: str
    host: str
    start_ns: int
    end_ns: int


class Spans:
    """Of one rank."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cell, self._start_ns, self._end_ns = "", 0, 0
        self._found: list[Span] = []

    def take(self, record: Round | Window) -> None:
        if isinstance(record, Window):
            first, last = record.start_ns, record.end_ns
        elif record.blocks:
            first, last = record.blocks[0].start_ns, record.blocks[-1].end_ns
        else:
            return
        if record.cell != self._cell:
            self._close()
            self._cell, self._start_ns = record.cell, first
        self._end_ns = last

    def finished(self) -> list[Span]:
        self._close()
        return self._found

    def _close(self) -> None:
        if self._cell:
            own = self._session
            self._found.append(Span(own.session, self._cell, own.host, self._start_ns, self._end_ns))
            self._cell = ""
