"""How far the sessions of a run came, and the last word on points that were given up.

In: raw records. Out: cells begun and ended, points dropped and why. Must not know the points' table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.records.kinds import CellBegun, Dropped, End, GivenUp
from harness.records.naming import rank_files, rank_of, try_number
from harness.records.raw import RawFiles


@dataclass(frozen=True)
class SessionProgress:
    """How far a session came. begun: cell ids. ended: cell id -> share of what was to be measured of it; dropped:
    point key -> (status, reason)."""

    begun: set[str]
    ended: dict[str, float]
    dropped: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Word:
    """What somebody said of a point that was given up. rank: who; empty for the launcher. at: its place among the words
    on one session."""

    said: GivenUp
    session: str
    at: int
    rank: str = ""

    @property
    def reason(self) -> str:
        return f"rank {self.rank}: {self.said.error}" if self.rank else self.said.error


def session_progress(directory: Path, session_id: str) -> SessionProgress:
    """How far the ranks of one session came."""
    begun: set[str] = set()
    ended: dict[str, float] = {}
    words: list[Word] = []
    raw = RawFiles(directory, prefix=rank_files(session_id))
    for name in raw.of_ranks:
        for record in raw.records(name):
            if isinstance(record, CellBegun):
                begun.add(record.cell)
            elif isinstance(record, End):
                ended[record.cell] = record.share
            elif isinstance(record, Dropped):
                words.append(Word(record, session_id, record.at_ns, rank_of(name)))
    return SessionProgress(begun, ended, last_word(words))


def last_word(words: Iterable[Word]) -> dict[str, tuple[str, str]]:
    """Point key -> (status, reason) of the last try at it.

    Within a try the first rank's word counts, since the others may have failed because of it.
    """
    last: dict[str, tuple[str, str]] = {}
    for word in sorted(words, key=lambda each: (-try_number(each.session), each.at)):
        last.setdefault(word.said.key, (word.said.status, word.reason))
    return last
