"""Do the printed 95 % intervals hold what other runs of the same sweep find?

One sweep is run again and again, each time in fresh processes. A case is one figure of one run: its interval should
include the median of that figure over the other runs in 95 of 100 cases, and that of eager over a second build of eager
should include 1. Run: python -m benchmarks.coverage
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common import parser, save
from benchmarks.holding import LEAST, MOST, held_by_others, holding_one, summary
from benchmarks.load import beside
from benchmarks.sweeps import run_sweep
from harness.analysis.run import load_run

# Figure -> columns of its value and interval.
FIGURES = {
    "step time": ("step_us", "step_us_low", "step_us_high"),
    "throughput": ("throughput_samples_s", "throughput_low", "throughput_high"),
    "speed-up": ("speedup_vs_eager", "speedup_low", "speedup_high"),
    "eager over eager": ("null_ratio", "null_low", "null_high"),
}
NULL = "eager over eager"
# Relative half width beyond which an interval that nearly always holds is too wide to be of use: what a sweep takes for
# narrow enough (rel_width_step and rel_width of conf/timing/normal.yaml).
TIMES_WIDTH, RATIOS_WIDTH = 0.05, 0.02
WIDTH_LIMITS = {
    **dict.fromkeys(("step time", "throughput"), TIMES_WIDTH),
    **dict.fromkeys(("speed-up", NULL), RATIOS_WIDTH),
}
FEWEST_RUNS = 2


def main() -> int:
    """Answers the exit status: 0 if every figure's intervals hold as often as they promise."""
    options = parser(__doc__)
    options.add_argument(
        "overrides", nargs="*", help="further overrides of the sweep, such as threads or dtype"
    )
    options.add_argument("--times", type=int, default=20, help="runs (default 20)")
    options.add_argument("--depth", default="5,20,48,96", help="depths (default 5,20,48,96)")
    options.add_argument("--width", default="48", help="widths (default 48)")
    options.add_argument("--batch", default="1,64", help="batches (default 1,64)")
    options.add_argument("--mode", default="eager,script", help="modes (default eager,script)")
    options.add_argument("--timing", default="normal", help="conf/timing to use (default normal)")
    options.add_argument(
        "--burn",
        type=float,
        nargs=2,
        metavar=("ON", "OFF"),
        help="burn one core beside it: mean seconds on and off",
    )
    options.add_argument(
        "--runs", type=Path, nargs="+", help="analyse these run directories, and measure nothing"
    )
    options.add_argument("--keep", type=Path, help="folder that the run directories stay in")
    options.add_argument("--quick", action="store_true", help="two runs of one cell: tries the benchmark")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.times, arguments.depth, arguments.batch, arguments.timing = 2, "5", "1", "quick"
    with tempfile.TemporaryDirectory() as folder:
        runs = arguments.runs or list(_measured(arguments, arguments.keep or Path(folder)))
        table = figures_of(runs)
    return 0 if _judged(table, arguments.out) else 1


def _measured(arguments: Any, folder: Path) -> Iterator[Path]:
    axes = {name: f"[{getattr(arguments, name)}]" for name in ("depth", "width", "batch", "mode")}
    overrides = [f"{name}={values}" for name, values in axes.items()]
    overrides += ["devices=[1]", "device=cpu", f"timing={arguments.timing}", *arguments.overrides]
    with beside(*arguments.burn) if arguments.burn else nullcontext():
        for number in range(arguments.times):
            print(f"run {number + 1} of {arguments.times}", flush=True)
            # A seed of its own for each: a run is to differ from the next as two users' runs do.
            yield run_sweep(folder / f"run-{number + 1}", [*overrides, f"seed={number + 1}"])


def figures_of(runs: Sequence[Path]) -> pd.DataFrame:
    """A row a run, point and figure: run, figure, key, value, low, high. Reference's own speed-up is none.

    The run's place in the list is its name: two directories may be called alike.
    """
    tables = []
    for number, run in enumerate(runs):
        points = load_run(run).points
        points = points[points["status"] == "ok"]
        for figure, columns in FIGURES.items():
            if not set(columns) <= set(points.columns):
                continue
            rows = points[points["mode"] != "eager"] if figure == "speed-up" else points
            part = rows[["key", "model", "batch", "mode", *columns]].dropna(subset=[columns[0]])
            part = part.rename(columns=dict(zip(columns, ("value", "low", "high"), strict=True)))
            tables.append(part.assign(run=number, figure=figure))
    return pd.concat(tables, ignore_index=True)


def _judged(table: pd.DataFrame, out: Path) -> bool:
    """Print and save what was found of each figure; answers whether all of it meets what is promised."""
    rows, cases, met = [], [], []
    for figure in FIGURES:
        of_figure = table[table["figure"] == figure]
        if of_figure.empty:
            print(f"MISSED {figure}: no run has it")
            met.append(False)
            continue
        held = (holding_one if figure == NULL else held_by_others)(of_figure)
        found = summary(of_figure, held)
        cases.append(held)
        rows.append({"figure": figure, "runs": of_figure["run"].nunique(), **asdict(found)})
        met.append(found.meets(WIDTH_LIMITS[figure]))
        print(
            f"{'met   ' if met[-1] else 'MISSED'} {figure}: {found.share:.1%} of {found.cases} intervals hold "
            f"[{found.low:.1%}, {found.high:.1%}] ({LEAST:.0%} to {MOST:.0%}); between runs {found.spread:.2%}, "
            f"printed half width {found.half_width:.2%}; {found.empty} without interval"
        )
    save(rows, out, "coverage")
    if cases:
        pd.concat(cases).to_csv(out / "coverage_cases.csv", index=False)
    return all(met)


if __name__ == "__main__":
    sys.exit(main())
