"""The README's table of frameworks: what `make frameworks` has found, written from its points.csv.

A row a framework, the fastest first: its imperative way, and its others. Seconds of 1,000 calls with intervals.
Run: python -m benchmarks.frameworks_table results/frameworks/<UTC time>/textbook > table.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from harness.core.errors import HarnessError
from harness.core.stats.intervals import Interval
from harness.environments.frameworks import framework_of
from harness.report.table.formats import significant
from harness.report.table.frameworks import WITHOUT, Framework, compared, is_compared
from harness.report.table.slices import split
from harness.report.table.tidy import tidy

HEAD = ("| framework | imperative | symbolic or hybrid |", "|---|---|---|")


def main() -> None:
    """Print it; exit 1 in one line where no frameworks are compared."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run", type=Path, help="a run directory with a points.csv")
    path = options.parse_args().run / "points.csv"
    try:
        print("\n".join(table_of(pd.read_csv(path))))
    except (OSError, ValueError, KeyError, HarnessError) as error:
        sys.exit(f"{path}: no points of several frameworks ({str(error) or type(error).__name__})")


def table_of(points: pd.DataFrame) -> list[str]:
    """Lines of markdown. Of a run that sweeps more than one slice, the first that compares frameworks. Raises
    ValueError where none does."""
    parts = [part for part in split(tidy(points), WITHOUT) if is_compared(part.rows)]
    if not parts:
        raise ValueError("of one framework at most")
    return [*HEAD, *(line for each in compared(parts[0]).frameworks for line in _row(each))]


def _row(framework: Framework) -> Iterator[str]:
    """None of a framework without a time."""
    if not framework.timed:
        return
    own = framework.imperative
    others = ", ".join(
        f"`{_word(way.mode)}` {_seconds(way.seconds)}" for way in framework.timed if way is not own
    )
    name, beside = framework.name.partition(" ")[::2]
    title = " ".join(filter(None, [framework_of(name).title, _word(framework.version), _word(beside)]))
    cells = (title, _seconds(own.seconds) if own else "", others)
    yield "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _seconds(found: Interval) -> str:
    value, low, high = map(significant, (found.estimate, found.low, found.high))
    return f"{value} [{low}, {high}]" if low and high else value


def _word(text: str) -> str:
    """Of a file of unknown origin: nothing in it begins another cell or a tag."""
    return "".join(each for each in text if each.isalnum() or each in " ._+-()")


if __name__ == "__main__":
    main()
