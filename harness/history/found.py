"""Which runs lie below a folder.

In: a folder that the user has named. Out: Sides in the order of time, and what was left out. Must not know points.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from harness.analysis.run import load_run
from harness.compare.side import Side, side_of_run
from harness.core.errors import ConfigError
from harness.report.table.formats import one_line

# Folders that are looked into at most, and runs that are read: a folder may be anybody's.
MOST_FOLDERS, MOST_RUNS = 100_000, 2000


@dataclass(frozen=True)
class Found:
    """sides: the first begun first. left_out: a sentence for each run that is not among them."""

    sides: tuple[Side, ...]
    left_out: tuple[str, ...] = ()


def runs_below(root: Path) -> Found:
    """Raises ConfigError where there is no such folder, or no run below it."""
    if not root.is_dir():
        raise ConfigError("RESULTS", root, "a folder with run directories below it")
    sides, left = [], []
    for directory in _directories(root):
        name = one_line(str(directory.relative_to(root)), 120) or directory.name
        try:
            side = side_of_run(load_run(directory))
        except (ConfigError, OSError) as error:
            left.append(f"{name}: {one_line(str(error), 200)}")
            continue
        if _moment(side.began) is None:
            left.append(f"{name}: it does not say when it was begun")
        elif not side.points["ok"].any():
            left.append(f"{name}: no point of it has a time")
        else:
            sides.append(replace(side, label=name))
    if not sides:
        why = f"; left out: {left[0]}" if left else ""
        raise ConfigError("RESULTS", root, f"a folder with run directories below it{why}")
    sides.sort(key=lambda side: (_moment(side.began) or 0.0, side.label))
    return Found(tuple(sides), tuple(left))


def _directories(root: Path) -> Iterator[Path]:
    """Run directories, at any depth; no link is followed, and none is looked for within another."""
    waiting, seen, runs = [root], 0, 0
    while waiting and seen < MOST_FOLDERS:
        folder = waiting.pop()
        seen += 1
        try:
            with os.scandir(folder) as entries:
                below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        if "raw" in below and os.path.lexists(folder / "config.yaml"):
            runs += 1
            if runs > MOST_RUNS:
                return
            yield folder
        else:
            waiting += [folder / name for name in reversed(below)]


def _moment(began: str) -> float | None:
    """Seconds since 1970; None for what is no time."""
    try:
        moment = datetime.fromisoformat(began)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
