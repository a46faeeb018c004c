"""The section of a page that compares frameworks: two tables of texts, and what to read them with.

In: a tidy table. Out: a FrameworksSection for each slice with several frameworks. Must not know HTML or markdown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from harness.core.stats.intervals import Interval
from harness.report.table.formats import MISSING, one_line, significant, times
from harness.report.table.frameworks import WITHOUT, Comparison, Framework, Way, compared, is_compared
from harness.report.table.slices import cell_words, split, varying, words

# A run that sweeps more than depth and batch has a section for each of its slices; the rest is in points.csv.
MOST_SECTIONS = 4
LONGEST_REASON = 80
_NUMBERS = frozenset(
    {"s per 1,000 calls", "x own imperative", "us a layer", "Python us a call", "Python us a layer"}
)


@dataclass(frozen=True)
class TextTable:
    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]


@dataclass(frozen=True)
class FrameworksSection:
    """where: what was called. saved: None where no mode was saved."""

    where: str
    ways: TextTable
    saved: TextTable | None
    notes: list[str]


def sections(table: pd.DataFrame) -> list[FrameworksSection]:
    differing = varying(table) if len(table) else frozenset()
    parts = [part for part in split(table, WITHOUT) if is_compared(part.rows)]
    return [_section(compared(part), differing) for part in parts[:MOST_SECTIONS]]


def _section(found: Comparison, differing: frozenset[str]) -> FrameworksSection:
    values = found.part.values
    named = words(values, [*differing - WITHOUT, "family", "width", "workload"])
    return FrameworksSection(
        ", ".join([*named, cell_words(*found.cell)]),
        _of_ways(found),
        _of_saved(found),
        list(_notes(found)),
    )


def _of_ways(found: Comparison) -> TextTable:
    columns: dict[str, list[str]] = {}
    for framework in found.frameworks:
        for place, way in enumerate(framework.ways):
            for name, text in _cells(framework, way, first=place == 0).items():
                columns.setdefault(name, []).append(text)
    # What nothing was found for: a column of each would only be wide.
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    return TextTable(
        list(kept),
        [list(row) for row in zip(*kept.values(), strict=True)],
        [name in _NUMBERS for name in kept],
    )


def _cells(framework: Framework, way: Way, *, first: bool) -> dict[str, str]:
    own = way is framework.imperative
    return {
        "framework": framework.name,
        "version": framework.version if first else MISSING,
        "mode": way.mode,
        "style": way.style,
        "s per 1,000 calls": _with_interval(way.seconds) if way.ok else str(way.row["status"]),
        "x own imperative": "" if math.isnan(way.times.estimate) else times(*_ends(way.times)),
        "us a layer": _with_interval(way.layer_us),
        "Python us a call": _with_interval(framework.call_costs_us) if own else MISSING,
        "Python us a layer": _with_interval(framework.layer_costs_us) if own else MISSING,
        "why": "" if way.ok else one_line(str(way.row["error"]), LONGEST_REASON),
    }


def _of_saved(found: Comparison) -> TextTable | None:
    ways = [way for framework in found.frameworks for way in framework.timed if way.row["saved_as"]]
    if not ways:
        return None
    rows = [
        [
            way.name,
            way.mode,
            one_line(str(way.row["saved_as"]), LONGEST_REASON),
            *(significant(way.row[name]) for name in ("saved_kib", "save_s", "load_s")),
        ]
        for way in ways
    ]
    return TextTable(
        ["framework", "mode", "saved as", "KiB", "save s", "load s"], rows, [False] * 3 + [True] * 3
    )


def _notes(found: Comparison) -> Iterator[str]:
    yield (
        "Each framework at the version that is named, on this machine alone, an MLP: it says what a call costs, not "
        "what a framework is worth. x own imperative: over the same environment's imperative way, in the same rounds; "
        "empty where there is none."
    )
    if len(found.depths) > 1:
        yield (
            f"us a layer: slope of the step time over depth ({found.depths[0]} to {found.depths[-1]}). Python us: the "
            "imperative way minus the framework's fastest other one, a call as a whole and one more layer."
        )
    else:
        yield "Python us a call: the imperative way minus the framework's fastest other one."


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


def _with_interval(interval: Interval) -> str:
    value, low, high = map(significant, _ends(interval))
    return f"{value} [{low}, {high}]" if low and high else value
