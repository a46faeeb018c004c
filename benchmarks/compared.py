"""How often is `harness compare` right? Runs of one sweep against each other, and with a planted change.

Nothing changed: of all points of all pairs of runs at most 1 in 20 may be called faster or slower. Planted: in a copy
of one run the times of one point are 5 % longer; it must be called slower in 57 of 60. With --real the change is a
counted Python loop in a mode of its own, calibrated to 5 % of the step, and both runs are measured.
Run: python -m benchmarks.compared [--runs DIR...] [--times 6] [--planted 60] [--real 3]
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import timeit
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import PASSES, parser, save, verdict
from benchmarks.sweeps import run_sweep
from harness.analysis.run import load_run
from harness.compare.compared import Comparison, compared
from harness.compare.corrected import CHANGED
from harness.compare.side import Side, side_of_run
from harness.core.schema import REFERENCE_MODE
from harness.core.stats.verdicts import SLOWER
from harness.records.naming import NULL_ENDING

CHANGE = 0.05
MOST_CALLED, LEAST_FOUND = 1 / 20, 57 / 60
# Cells enough that each has four others beside it; five sessions as conf/timing/normal.yaml has them, shorter.
SWEEP = ("depth=[5,20,48,96]", "width=[48]", "batch=[1,64]", "devices=[1]", "device=cpu", "monitor=none")
TIMING = (
    "timing=quick",
    "timing.sessions=5",
    "timing.max_sessions=5",
    "timing.rounds=8",
    "timing.block_ms=4",
)


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--runs", type=Path, nargs="+", help="compare these runs, and measure none")
    options.add_argument("--times", type=int, default=6, help="runs to measure (default 6)")
    options.add_argument("--planted", type=int, default=60, help="planted changes of each kind (default 60)")
    options.add_argument(
        "--real", type=int, default=0, help="pairs of runs with a loop that spins (default 0)"
    )
    options.add_argument("--keep", type=Path, help="folder that the run directories stay in")
    options.add_argument("overrides", nargs="*", help="further overrides of the sweep")
    given = options.parse_args()
    met = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        runs = given.runs or list(_measured(given.times, folder, given.overrides))
        sides = [side_of_run(load_run(run)) for run in runs]
        met.append(_unchanged(sides, given.out))
        if given.planted:
            met += _planted(runs, sides, given.planted, given.out)
        if given.real:
            met.append(_real(given.real, folder, given.overrides, given.out))
    return 0 if all(met) else 1


def _measured(times: int, folder: Path, overrides: Sequence[str]) -> Iterator[Path]:
    for number in range(times):
        print(f"run {number + 1} of {times}", flush=True)
        own = [*SWEEP, *TIMING, "mode=[eager,script]", *overrides, f"seed={number + 1}"]
        yield run_sweep(folder / f"run-{number + 1}", own)


def _unchanged(sides: Sequence[Side], out: Path) -> bool:
    """All pairs, both ways: which of the two is A makes no difference but to other cells' states."""
    rows = []
    for a, b in itertools.permutations(sides, 2):
        (found,) = compared([a, b])
        rows += [
            {
                **{
                    "a": a.label,
                    "b": b.label,
                    "key": row.key,
                    "mode": row.axes["mode"],
                    "through": row.through,
                },
                **{
                    "ratio": row.judged.ratio.estimate,
                    "low": row.judged.ratio.low,
                    "high": row.judged.ratio.high,
                },
                **{"verdict": row.judged.verdict, "floor": found.floor},
            }
            for row in found.rows
        ]
    table = save(rows, out, "compared")
    called = table["verdict"].isin(CHANGED)
    for way, part in table.groupby("through"):
        held = ((part["low"] <= 1) & (part["high"] >= 1)).mean()
        print(f"{way}: {dict(Counter(part['verdict']))}; {held:.1%} of the 95 % intervals hold 1")
    return verdict("share of points called changed where nothing was", float(called.mean()), MOST_CALLED)


def _planted(runs: Sequence[Path], sides: Sequence[Side], times: int, out: Path) -> list[bool]:
    """In points of eager, and of other modes."""
    chance = random.Random(0)
    rows, met = [], []
    for is_reference in (False, True):
        for number in range(times):
            a, b = chance.sample(range(len(runs)), 2)
            both = compared([sides[a], sides[b]])[0].rows
            keys = [row.key for row in both if (row.axes["mode"] == REFERENCE_MODE) == is_reference]
            if not keys:
                continue
            key = chance.choice(keys)
            with tempfile.TemporaryDirectory() as folder:
                copy = slowed(runs[b], Path(folder) / "copy", key, 1 + CHANGE)
                (found,) = compared([sides[a], side_of_run(load_run(copy))])
            rows.append({"reference": is_reference, "number": number, **_of(found, key)})
        of_kind = [row for row in rows if row["reference"] == is_reference]
        if of_kind:
            what = "eager" if is_reference else "another mode"
            share = statistics.fmean(row["verdict"] == SLOWER for row in of_kind)
            wrong = statistics.fmean(row["others_called"] for row in of_kind)
            print(f"planted in a point of {what}: {wrong:.2f} other points called changed each time")
            met.append(verdict(f"{CHANGE:.0%} planted in {what}: found", share, LEAST_FOUND, least=True))
    save(rows, out, "compared_planted")
    return met


def _of(found: Comparison, key: str) -> dict[str, Any]:
    row = next(row for row in found.rows if row.key == key)
    called = sum(other.judged.verdict in CHANGED for other in found.rows if other.key != key)
    ratio = row.judged.ratio
    return {
        **{
            "key": key,
            "verdict": row.judged.verdict,
            "ratio": ratio.estimate,
            "low": ratio.low,
            "high": ratio.high,
        },
        **{"through": row.through, "others_called": called, "floor": found.floor},
    }


def slowed(run: Path, copy: Path, key: str, factor: float) -> Path:
    """A copy of a run in which one point's steps took so many times as long, in all rounds."""
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("figures", "sessions", "*.html", "monitor"))
    for path in (copy / "raw").glob("*.jsonl"):
        lines = [json.dumps(_slowed(json.loads(line), key, factor)) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return copy


def _slowed(record: dict[str, Any], key: str, factor: float) -> dict[str, Any]:
    if record.get("type") != "round":
        return record
    return {**record, "blocks": [_longer(block, key, factor) for block in record["blocks"]]}


def _longer(block: Mapping[str, Any], key: str, factor: float) -> dict[str, Any]:
    if str(block["key"]).removesuffix(NULL_ENDING) != key:
        return dict(block)
    took = round((block["end_ns"] - block["start_ns"]) * factor)
    return {**block, "end_ns": block["start_ns"] + took}


def _real(times: int, folder: Path, overrides: Sequence[str], out: Path) -> bool:
    """Of the cells whose step a loop of that length is 5 % of: the deepest of one sample."""
    cell = ["depth=[96]", "width=[48]", "batch=[1]", "devices=[1]", "device=cpu", "monitor=none"]
    own = [
        *cell,
        *TIMING,
        "mode=[eager,spinning]",
        "plugins=[benchmarks.spinning]",
        "timing.null_every=1",
        *overrides,
    ]
    rows: list[dict[str, Any]] = []
    passes = 0
    for number in range(times):
        sides = []
        for is_slow in (False, True):
            name = f"real-{number + 1}-{'b' if is_slow else 'a'}"
            variables = {PASSES: str(passes if is_slow else 0)}
            run = run_sweep(folder / name, [*own, f"seed={2 * number + is_slow}"], variables)
            sides.append(side_of_run(load_run(run)))
            passes = passes or _passes(sides[0])
        (found,) = compared(sides)
        key = next(row.key for row in found.rows if row.axes["mode"] == "spinning")
        rows.append({"number": number, "passes": passes, **_of(found, key)})
    save(rows, out, "compared_real")
    share = statistics.fmean(row["verdict"] == SLOWER for row in rows)
    return verdict(f"a loop of {CHANGE:.0%} of the step: found", share, LEAST_FOUND, least=True)


def _passes(side: Side) -> int:
    """Of a Python loop, that make 5 % of the step."""
    step_us = float(side.points.loc[side.points["mode"] == "spinning", "step_us"].iloc[0])
    count = 100_000
    each = min(timeit.repeat("for _ in range(100000): pass", number=1, repeat=20)) / count
    return round(CHANGE * step_us / 1e6 / each)


if __name__ == "__main__":
    sys.exit(main())
