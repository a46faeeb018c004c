"""What the ranks wrote, sorted: complete measurements of cells, and the blocks they consist of.

In: raw records. Out: a Collected. Must not know the plan, nor what becomes of the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.analysis.placement import Placement
from harness.analysis.sampled.window import Rank, Window
from harness.core.numbers import is_number, whole_number
from harness.records.raw import MAYBE, RawData

BLOCK_COLUMNS = (
    *("session", "rank", "ranks", "cell", "round", "build", "key", "steps", "start_ns", "end_ns"),
    *MAYBE,
)


@dataclass
class MeasuredCell:
    """One complete measurement of a cell: what rank 0's `end` line closed.

    session: the record that begins rank 0's file. stop: why its rounds ended. keys: of points that were measured to
    the end. prepared: key -> what each rank wrote when the mode was prepared.
    """

    session: dict[str, Any]
    stop: str
    keys: list[str]
    prepared: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Collected:
    """measured: in the order of the files. blocks: of all sessions, columns of BLOCK_COLUMNS. drops: dropped points of
    ended cells. ranks: by session. windows: by session and point. placements: by session.
    speeds: ns that the reference work took, of each session in which it was timed."""

    measured: list[MeasuredCell]
    blocks: pd.DataFrame
    drops: list[dict[str, Any]]
    ranks: dict[str, list[Rank]]
    windows: dict[tuple[str, str], list[Window]]
    placements: dict[str, Placement] = field(default_factory=dict)
    speeds: list[float] = field(default_factory=list)


class _Sorting:
    def __init__(self) -> None:
        self.measured: dict[tuple[str, str], MeasuredCell] = {}
        self.blocks: list[tuple[Any, ...]] = []
        self.prepared: list[tuple[str, dict[str, Any]]] = []
        self.drops: list[dict[str, Any]] = []
        self.ranks: dict[str, list[Rank]] = {}
        self.windows: dict[tuple[str, str], list[Window]] = {}
        self.placements: dict[str, Placement] = {}
        self.speeds: list[float] = []

    def take(self, session: dict[str, Any], records: list[dict[str, Any]]) -> None:
        """The file of one rank."""
        name, rank = session["session"], Rank.of(session)
        if is_number(took := session.get("reference_ns")) and took > 0:
            self.speeds.append(float(took))
        self.ranks.setdefault(name, []).append(rank)
        placement = self.placements.setdefault(name, Placement())
        for record in records:
            kind = record["type"]
            if kind in ("session", "closing"):
                placement.take(rank.host, record)
            if kind == "round":
                self.blocks += [_block_row(session, record, block) for block in record["blocks"]]
            elif kind == "prepared":
                self.prepared.append((name, record))
            elif kind == "end":
                self.measured[name, record["cell"]] = MeasuredCell(session, record["stop"], record["keys"])
            elif kind == "dropped":
                self.drops.append({**record, "rank": session["rank"], "session": name})
            elif kind == "window":
                window = Window(rank, record["start_ns"], record["end_ns"], record["steps"])
                self.windows.setdefault((name, record["key"]), []).append(window)

    def join_cells(self) -> list[dict[str, Any]]:
        """Give each measured cell what belongs to it; answers what was dropped of them."""
        for name, record in self.prepared:
            if (name, record["cell"]) in self.measured:
                cell = self.measured[name, record["cell"]]
                cell.prepared.setdefault(record["key"], []).append(record)
        drops = [drop for drop in self.drops if (drop["session"], drop["cell"]) in self.measured]
        for drop in drops:
            # Failed at a later visit, where its session broke before another `end` line could leave it out.
            cell = self.measured[drop["session"], drop["cell"]]
            cell.keys = [key for key in cell.keys if key != drop["key"]]
        return drops


def collect(raw: RawData) -> Collected:
    """Files without a `session` record are left out: whose they are is lost."""
    sorting = _Sorting()
    for records in raw.files.values():
        session = next((r for r in records if r["type"] == "session"), None)
        if session is not None:
            sorting.take(session, records)
    drops = sorting.join_cells()
    return Collected(
        list(sorting.measured.values()),
        _table(sorting.blocks),
        drops,
        sorting.ranks,
        sorting.windows,
        sorting.placements,
        sorting.speeds,
    )


def _table(blocks: list[tuple[Any, ...]]) -> pd.DataFrame:
    """By columns: pandas takes long to find out the types of rows."""
    columns = zip(*blocks, strict=True) if blocks else ((),) * len(BLOCK_COLUMNS)
    return pd.DataFrame(dict(zip(BLOCK_COLUMNS, map(list, columns), strict=True)))


def _block_row(session: dict[str, Any], record: dict[str, Any], block: dict[str, Any]) -> tuple[Any, ...]:
    """One block as a row of BLOCK_COLUMNS. Times are put on the clock of rank 0, whose node may be another one."""
    offset = whole_number(session.get("clock_offset_ns")) or 0
    return (
        *(session["session"], session["rank"], session["ranks"], record["cell"]),
        *(record["round"], whole_number(record.get("build")) or 0),
        *(block["key"], block["steps"], block["start_ns"] + offset, block["end_ns"] + offset),
        *map(block.get, MAYBE),
    )
