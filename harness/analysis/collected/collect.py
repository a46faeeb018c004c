"""What the ranks wrote, sorted: complete measurements of cells, and the rounds that they consist of.

In: raw files. Out: a Collected. Must not know the plan, nor what becomes of the numbers.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.analysis.collected.blocks import Blocks
from harness.analysis.collected.placement import Placement
from harness.analysis.collected.rounds import OverRanks, Series
from harness.analysis.collected.spans import Span, Spans
from harness.analysis.sampled.window import Rank
from harness.analysis.sampled.window import Window as Held
from harness.core.processes.parallel import mapped
from harness.records.kinds import (
    AnyRecord,
    Closing,
    Dropped,
    End,
    Environment,
    Prepared,
    Round,
    Serialisation,
    Session,
    Window,
)
from harness.records.lines import HEADLESS, MISPLACED
from harness.records.naming import NULL_ENDING, null_key, session_of
from harness.records.raw import RawFiles

# Bytes of raw files from which on a second process is worth it.
LARGE = 2**25
# Why blocks of complete measurements are in no round of a point.
TWICE, LACKING = "of rounds that stand there twice", "of rounds that another rank lacks"


@dataclass
class MeasuredCell:
    """One complete measurement of a cell: what rank 0's `end` line closed.

    session: the record that begins rank 0's file. stop: why its rounds ended. keys: of points that were measured to
    the end. share: how much of what was to be measured in that session. prepared: key -> what each rank wrote when the
    mode was prepared. turns: in how many its environments were measured.
    """

    session: Session
    stop: str
    keys: list[str]
    share: float = 1.0
    prepared: dict[str, list[Prepared]] = field(default_factory=dict)
    turns: int = 1


def sessions_worth(cells: Iterable[MeasuredCell]) -> dict[str, float]:
    """Point key -> how many whole sessions what was measured of it makes: of one that was broken off, its share."""
    worth: dict[str, float] = {}
    for cell in cells:
        for key in cell.keys:
            worth[key] = worth.get(key, 0.0) + cell.share
    return worth


@dataclass(frozen=True)
class RankDrop:
    """A point that a rank gave up."""

    session: str
    rank: int
    said: Dropped


@dataclass
class Collected:
    """measured: in the order of the files. rounds: by session and point, of points that all ranks have. drops: of ended
    cells. ranks: by session. windows: by session and point. placements: by session. spans: of rank 0 of each session.
    environments: by name what the latest driver of it said of itself. serialisations: by key how a mode was saved.
    speeds: ns that the reference work took, of each session in which it was timed. timed: keys of points of which there
    are blocks, complete or not. unused: why blocks of complete measurements are in no round -> how many."""

    measured: list[MeasuredCell] = field(default_factory=list)
    rounds: dict[tuple[str, str], Series] = field(default_factory=dict)
    drops: list[RankDrop] = field(default_factory=list)
    ranks: dict[str, list[Rank]] = field(default_factory=dict)
    windows: dict[tuple[str, str], list[Held]] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    serialisations: dict[str, Serialisation] = field(default_factory=dict)
    speeds: list[float] = field(default_factory=list)
    timed: set[str] = field(default_factory=set)
    unused: Counter[str] = field(default_factory=Counter)


def collect(raw: RawFiles) -> Collected:
    """From the files of all ranks; what cannot be used is counted in raw.skipped.

    Sessions have nothing to do with each other, so that those of a large run are read side by side.
    """
    sessions = [list(names) for _, names in itertools.groupby(raw.of_ranks, key=session_of)]
    if len(sessions) > 1 and raw.bytes >= LARGE:
        parts = mapped(partial(_part, raw), sessions)
        if _are_apart([part.found for part in parts]):
            for part in parts:
                raw.skipped += part.skipped
                raw.unread += part.unread
            return _together([part.found for part in parts])
    return _of_files(raw, raw.of_ranks)


@dataclass(frozen=True)
class _Part:
    """What some of the files hold. skipped, unread: as of RawFiles, of them alone."""

    found: Collected
    skipped: Counter[str]
    unread: list[str]


def _part(raw: RawFiles, names: list[str]) -> _Part:
    own = raw.anew()
    return _Part(_of_files(own, names), own.skipped, own.unread)


def _of_files(raw: RawFiles, names: Iterable[str]) -> Collected:
    sorting = _Sorting()
    for name in names:
        sorting.take(raw, raw.records(name))
    return sorting.finished()


def _are_apart(parts: Sequence[Collected]) -> bool:
    """Whether no session stands in two of them, as it does where a file lies under another one's name."""
    return len({session for part in parts for session in part.ranks}) == sum(
        len(part.ranks) for part in parts
    )


def _together(parts: Sequence[Collected]) -> Collected:
    """In the order of the parts, which is that of their files."""
    whole = Collected()
    for part in parts:
        for name, found in vars(part).items():
            own = getattr(whole, name)
            if isinstance(own, list):
                own += found
            else:
                own.update(found)  # of counts their sum
    return whole


class _Sorting:
    def __init__(self) -> None:
        self.found = Collected()
        self.measured: dict[tuple[str, str], MeasuredCell] = {}
        self.rounds: dict[tuple[str, str], OverRanks] = {}
        self.ranks: dict[str, int] = {}
        self.firsts: set[str] = set()  # sessions of which there is rank 0's file, which says what is complete
        self.prepared: list[tuple[str, Prepared]] = []
        self.drops: list[RankDrop] = []

    def take(self, raw: RawFiles, records: Iterator[AnyRecord]) -> None:
        """The file of one rank."""
        session = _head(raw, records)
        if session is None:
            return
        rank = Rank.of(session)
        found = self.found
        found.ranks.setdefault(session.session, []).append(rank)
        self.ranks[session.session] = max(session.ranks, self.ranks.get(session.session, 0))
        if session.rank == 0:
            self.firsts.add(session.session)
        reference_ns = session.reference_ns
        placement = found.placements.setdefault(session.session, Placement())
        placement.opened(rank.host, session.issuing_cores)
        blocks = Blocks(session.clock_offset_ns)
        spans = Spans(session) if session.rank == 0 else None
        for record in records:
            if isinstance(record, Round):
                blocks.take(record)
                if spans:
                    spans.take(record)
            elif isinstance(record, Closing):
                placement.closed(rank.host, record.issuing_cores)
                reference_ns = record.reference_ns or reference_ns
            elif isinstance(record, Session) or (isinstance(record, End) and session.rank != 0):
                raw.skipped[MISPLACED] += 1
            else:
                self._take_other(session, rank, record, spans)
        if reference_ns:
            found.speeds.append(reference_ns)
        self._join(session, blocks)
        if spans:
            found.spans += spans.finished()

    def _take_other(self, session: Session, rank: Rank, record: AnyRecord, spans: Spans | None) -> None:
        name = session.session
        if isinstance(record, Prepared):
            self.prepared.append((name, record))
        elif isinstance(record, End):
            measured = MeasuredCell(session, record.stop, record.keys, record.share, turns=record.turns)
            self.measured[name, record.cell] = measured
        elif isinstance(record, Environment):
            self.found.environments[record.environment] = record.facts
        elif isinstance(record, Serialisation):
            self.found.serialisations[record.key] = record
        elif isinstance(record, Dropped):
            self.drops.append(RankDrop(name, session.rank, record))
        elif isinstance(record, Window):
            held = Held(rank, record.start_ns, record.end_ns, record.steps)
            self.found.windows.setdefault((name, record.key), []).append(held)
            if spans:
                spans.take(record)

    def _join(self, session: Session, blocks: Blocks) -> None:
        for key, columns, twice in blocks.finished():
            over_ranks = self.rounds.setdefault((session.session, key), OverRanks())
            if session.rank in over_ranks.ranks:
                twice = len(columns["round"])  # of a second file of the same rank
            else:
                over_ranks.take(session.rank, columns)
            if twice:
                self.found.unused[TWICE] += twice

    def finished(self) -> Collected:
        """Give each measured cell what belongs to it."""
        found = self.found
        for name, record in self.prepared:
            if (name, record.cell) in self.measured:
                cell = self.measured[name, record.cell]
                cell.prepared.setdefault(record.key, []).append(record)
        found.drops = [drop for drop in self.drops if (drop.session, drop.said.cell) in self.measured]
        for drop in found.drops:
            # Failed at a later visit, where its session broke before another `end` line could leave it out.
            cell = self.measured[drop.session, drop.said.cell]
            cell.keys = [key for key in cell.keys if key != drop.said.key]
        found.measured = list(self.measured.values())
        complete = {(cell.session.session, key) for cell in found.measured for key in cell.keys}
        complete |= {(session, null_key(key)) for session, key in complete}
        for place, over_ranks in self.rounds.items():
            session, key = place
            found.timed.add(key.removesuffix(NULL_ENDING))
            lacking = over_ranks.lacking(self.ranks[session])
            if lacking and (place in complete or session not in self.firsts):
                found.unused[LACKING] += lacking
            series = over_ranks.finished()
            if len(over_ranks.ranks) == self.ranks[session] and len(series["round"]):
                found.rounds[place] = series
        return found


def _head(raw: RawFiles, records: Iterator[AnyRecord]) -> Session | None:
    """The record that says whose file it is; None where that is lost, and what stands before it is."""
    for record in records:
        if isinstance(record, Session):
            return record
        raw.skipped[HEADLESS] += 1
    return None
