"""Rounds of a point, over its ranks.

In: the blocks of all ranks. Out: one value per round and quantity. Must not know modes, axes or the points' table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.records.raw import MAYBE

# Columns of over_ranks for one point of one session: name -> one value per round.
Series = Mapping[str, "npt.NDArray[Any]"]


class Rounds:
    """The rounds of all sessions. blocks: columns of collect.BLOCK_COLUMNS."""

    def __init__(self, blocks: pd.DataFrame) -> None:
        table = over_ranks(blocks)
        self._columns = {str(name): table[name].to_numpy() for name in table.columns}
        self._places = table.groupby(["session", "key"], sort=False).indices

    def __contains__(self, place: tuple[str, str]) -> bool:
        return place in self._places

    def of(self, session: str, key: str) -> Series:
        """Those of one point; KeyError where it has none."""
        places = self._places[session, key]
        return {column: values[places] for column, values in self._columns.items()}


def over_ranks(blocks: pd.DataFrame) -> pd.DataFrame:
    """One row per session, point and round, over ranks. A round that some rank lacks is left out."""
    wall = (blocks["end_ns"] - blocks["start_ns"]).astype("float64")
    maybe = {name: pd.to_numeric(blocks[name], errors="coerce").astype("float64") for name in MAYBE}
    table = blocks.assign(
        step_ns=wall / blocks["steps"],
        fastest_step_ns=maybe["fastest_ns"].fillna(wall) / blocks["steps"],
        cpu_share=maybe["cpu_ns"] / wall,
        main_share=maybe["main_ns"] / wall,
        waits_s=maybe["waits"] / wall * 1e9,
        preemptions_s=maybe["preemptions"] / wall * 1e9,
        **{name: maybe[name] for name in ("issue_ns", "device_ns", "growth")},
    )
    rounds = (
        table.groupby(["session", "key", "round"], sort=False)
        .agg(
            slowest_ns=("step_ns", "max"),
            fastest_ns=("fastest_step_ns", "min"),
            build=("build", "max"),
            start_ns=("start_ns", "min"),
            end_ns=("end_ns", "max"),
            steps=("steps", "max"),
            ranks=("ranks", "max"),
            present=("rank", "nunique"),
            cpu_share=("cpu_share", "mean"),
            main_share=("main_share", "min"),
            waits_s=("waits_s", "max"),
            preemptions_s=("preemptions_s", "max"),
            issue_ns=("issue_ns", "max"),
            # A full queue makes every rank wait; a rank that did so alone was waiting for a core.
            growth=("growth", "median"),
            device_max_ns=("device_ns", "max"),
            device_min_ns=("device_ns", "min"),
        )
        .reset_index()
    )
    return rounds[rounds["present"] == rounds["ranks"]]


def joined(sessions: Sequence[Series]) -> Series:
    """One point's rounds of several sessions behind each other."""
    first, *others = sessions
    return {name: np.concatenate([first[name], *(each[name] for each in others)]) for name in first}


def median(values: npt.NDArray[Any]) -> float:
    """Median of those that are there; NaN when none is."""
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else float("nan")
