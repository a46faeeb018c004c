"""Where is the variance: in rounds, visits, builds, sessions, or in the time of day?

Sweeps are repeated in groups of sessions, the groups apart in time; every session is of fresh processes, and within
it every model is built anew several times. A nested analysis of variance on the logarithms of step times and of
speed-ups, paired within rounds, says what each level adds. Run: python -m benchmarks.variance
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import parser, save
from benchmarks.components import balanced, components, coverage_of_level, relative_percent
from benchmarks.sweeps import NULL, listed, rounds, run_sweep, timing

LEVELS = ("time", "session", "build", "visit", "round")
# Of an interval of one level's units within one unit of another: what is repeated within a session is pooled there.
WITHIN = {"round": "build", "visit": "build", "build": "build", "session": "session", "time": "time"}
MODES = ("eager", "script")


def _lists(depth: Sequence[int], width: Sequence[int], batch: Sequence[int], **more: Any) -> list[str]:
    axes = {"depth": depth, "width": width, "batch": batch, "devices": (1,), "mode": MODES, **more}
    return [f"{name}={listed(values)}" for name, values in axes.items()]


# 17 cells: depths 3 to 96, widths 32 to 1,024, batches 1 to 4,096, forward and train; no product of them, in which a
# step of the largest would take seconds.
SWEEPS = {
    "small": ["device=cpu", *_lists((3, 24, 96), (32,), (1, 64))],
    "large batch": ["device=cpu", *_lists((3, 24), (32,), (4096,))],
    "wide": ["device=cpu", *_lists((3, 12), (1024,), (1,))],
    "middle": ["device=cpu", *_lists((6, 48), (256,), (32,))],
    "train": ["device=cpu", *_lists((6, 48), (64,), (32,), workload=("train",))],
    "train on two": ["device=cpu", *_lists((6,), (128,), (32,), workload=("train",), devices=(2,))],
    "emulated": ["device=emulated", *_lists((12, 48), (64,), (64,)), "monitor=none"],
}
QUICK = {"small": ["device=cpu", *_lists((3,), (32,), (1,))]}


def main() -> int:
    """Answers the exit status: 0 if there was something to analyse."""
    options = parser(__doc__)
    options.add_argument("--groups", type=int, default=2, help="groups of sessions apart in time (default 2)")
    options.add_argument("--sessions", type=int, default=6, help="sessions of a group (default 6)")
    options.add_argument("--builds", type=int, default=3, help="builds of a session (default 3)")
    options.add_argument("--rounds", type=int, default=10, help="rounds of a build (default 10)")
    options.add_argument("--visit-rounds", type=int, default=5, help="rounds of a visit (default 5)")
    options.add_argument(
        "--apart", type=float, default=600, help="seconds from one group's start to the next's (default 600)"
    )
    options.add_argument("--quick", action="store_true", help="one cell, few repeats: tries the benchmark")
    options.add_argument("--keep", type=Path, help="folder that the run directories stay in")
    options.add_argument(
        "--runs", type=Path, help="analyse what --keep has kept (FOLDER/GROUP/SWEEP), and measure nothing"
    )
    arguments = options.parse_args()
    if arguments.quick:
        arguments.sessions, arguments.builds, arguments.rounds, arguments.visit_rounds = 2, 2, 4, 2
        arguments.apart = 0.0
    if arguments.runs:
        table = _read(arguments.runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _measure(arguments, arguments.keep or Path(folder))
            table = _read(arguments.keep or Path(folder))
    rows = list(analysed(table))
    if not rows:
        print("no level was repeated: nothing to analyse")
        return 1
    _report(save(rows, arguments.out, "variance"))
    return 0


def _measure(arguments: Any, folder: Path) -> None:
    """Group after group: every sweep has its sessions in each."""
    for group in range(arguments.groups):
        began = time.monotonic()
        for name, overrides in (QUICK if arguments.quick else SWEEPS).items():
            repeats = timing(
                "quick" if arguments.quick else "normal",
                sessions=arguments.sessions,
                max_sessions=arguments.sessions,
                builds=arguments.builds,
                rounds=arguments.rounds,
                visit_rounds=arguments.visit_rounds,
                null_every=1,
                max_cell_s=600,
            )
            # A seed of its own: what is drawn from it (orders, layouts) is to differ between groups too.
            run_sweep(
                folder / str(group) / name.replace(" ", "-"), [*overrides, *repeats, f"seed={group + 1}"]
            )
        if group + 1 < arguments.groups:
            time.sleep(max(0.0, arguments.apart - (time.monotonic() - began)))


def _read(folder: Path) -> pd.DataFrame:
    """The rounds of all sweeps, with the group as column `time` and the sweep's name before the cell's label."""
    tables = []
    for run in sorted(path.parent for path in folder.glob("*/*/raw")):
        table = rounds(run)
        tables.append(table.assign(time=run.parent.name, label=f"{run.name}: " + table["label"].astype(str)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["label"])


def analysed(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A row for each cell and quantity: relative standard deviations (%) by level, coverage by level.

    table: the columns of sweeps.rounds, and `time`. Levels with one unit are left out, and their figures empty.
    """
    for label, cell in table.groupby("label", sort=False):
        by_mode = cell.pivot_table(
            index=["time", "session", "build", "visit", "round"], columns="mode", values="step_us", sort=True
        )
        for mode in by_mode:
            yield from _row(label, f"step time of {mode}", np.log(by_mode[mode].dropna()), cell)
        for mode in (mode for mode in by_mode if mode != "eager" and "eager" in by_mode):
            ratios = np.log(by_mode["eager"] / by_mode[mode]).dropna()
            name = "eager over eager" if mode == NULL else f"speed-up of {mode}"
            yield from _row(label, name, ratios, cell)


def _row(label: object, quantity: str, logs: pd.Series, cell: pd.DataFrame) -> Iterator[dict[str, Any]]:
    values = np.asarray(balanced(_nested(logs, 0)), dtype=float)
    repeated = [place for place, count in enumerate(values.shape) if count > 1]
    if not repeated:
        return
    levels = [LEVELS[place] for place in repeated]
    values = values.reshape([values.shape[place] for place in repeated])
    variances, counts = components(values), values.shape
    row: dict[str, Any] = {"cell": label, "quantity": quantity, "value": math.exp(float(np.median(logs)))}
    row |= {f"{level}_pct": math.nan for level in LEVELS} | {f"{level}s_cover": math.nan for level in LEVELS}
    for place, level in enumerate(levels):
        row[f"{level}_pct"] = relative_percent(variances[place])
        within = min(
            (levels.index(w) for w in levels[: place + 1] if _inside(w, WITHIN[level])), default=place
        )
        row[f"{level}s_cover"] = coverage_of_level(variances, counts, place, within)
    yield {**row, "counts": "x".join(map(str, counts)), "drift_pct_min": drift(logs, cell)}


def _inside(level: str, outermost: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(outermost)


def _nested(logs: pd.Series, level: int) -> list[Any]:
    """Of a series indexed by the levels: nested lists, a list a unit."""
    if level == len(LEVELS) - 1:
        return [float(value) for value in logs]
    return [_nested(part, level + 1) for _, part in logs.groupby(level=level, sort=True)]


def drift(logs: pd.Series, cell: pd.DataFrame) -> float:
    """Slope of the sessions' medians on the time at which each began, % a minute; NaN of fewer than three sessions."""
    medians = logs.groupby(level=["time", "session"]).median()
    started = cell.groupby(["time", "session"])["started_s"].first().reindex(medians.index) / 60
    if len(medians) < 3 or started.max() == started.min():
        return math.nan
    return float(np.polyfit(started - started.mean(), medians, 1)[0] * 100)


def _report(table: pd.DataFrame) -> None:
    """The median over cells, of each kind of quantity."""
    kinds = table["quantity"].str.replace(r" of .*", "", regex=True)
    for kind, rows in table.groupby(kinds, sort=False):
        print(
            f"\n{kind}, median of {len(rows)} rows: relative standard deviation that a level adds, and how often an"
        )
        print("interval of its units alone (of one session; sessions: of one group) would hold the truth:")
        for level in LEVELS:
            shares = [v for v in rows[f"{level}_pct"] if not math.isnan(v)]
            covers = [v for v in rows[f"{level}s_cover"] if not math.isnan(v)]
            if shares and covers:
                print(
                    f"  {level:8} {statistics.median(shares):6.2f} %   {statistics.median(covers) * 100:5.1f} %"
                )


if __name__ == "__main__":
    sys.exit(main())
