"""With jitter on the emulated node, do printed intervals hold what its ledger knows?

One sweep again and again, each time in fresh processes with another seed. What a step truly takes the device is what
was modelled, without jitter; what it takes the host to issue, and the share of time in which the device waits, is what
the ledgers of the other runs say in the median, since the host is a real one.
Run: python -m benchmarks.kernels.jittered
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import parser, save
from benchmarks.holding import LEAST, MOST, summary
from benchmarks.on_disk import lines_of
from benchmarks.sweeps import run_sweep
from emulator.__main__ import load_profile
from emulator.ledger import Records, needed_ns, read_trace
from harness.analysis.run import load_run
from harness.devices.launch_queue import BURST_LAUNCHES
from harness.records.naming import NULL_ENDING

SWEEP = ["depth=[4,16]", "width=[512]", "batch=[1,512,4096]", "devices=[1]", "mode=[eager,script]"]
PROFILE = "v100x8"
FIGURES = ("device_us", "issue_us", "dispatch_share")
WIDTH_LIMIT = 0.02


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--times", type=int, default=12, help="runs (default 12)")
    options.add_argument("--jitter", type=float, default=1.0, help="emulator.jitter (default 1)")
    given = options.parse_args()
    rows: list[pd.DataFrame] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.times):
            print(f"run {number + 1} of {given.times}", flush=True)
            rows.append(_run(Path(folder) / f"run-{number}", given.jitter, number))
    return 0 if _judged(pd.concat(rows, ignore_index=True), given.out) else 1


def _run(out: Path, jitter: float, number: int) -> pd.DataFrame:
    """A row a point and figure: value, low, high, and truth, of this run's ledger."""
    trace = out.with_name(f"{out.name}-trace")
    trace.mkdir()
    overrides = [
        "device=emulated",
        f"emulator={PROFILE}",
        f"emulator.jitter={jitter}",
        f"emulator.jitter_seed={number}",
    ]
    overrides += ["timing=normal", "monitor.sampler=false", f"seed={number}"]
    run_sweep(out, [*SWEEP, *overrides], {"EMULATOR_TRACE": str(trace)})
    points = load_run(out).points
    points = points[points["status"] == "ok"].set_index("key")
    truth = _truth(out, read_trace(trace))
    rows = [
        {
            **{"run": number, "key": f"{figure} {key}", "figure": figure, "label": f"{point['mode']} {key}"},
            **{"value": point[figure], "low": point[f"{figure}_low"], "high": point[f"{figure}_high"]},
            "truth": truth[key][figure],
        }
        for key, point in points.iterrows()
        for figure in FIGURES
    ]
    return pd.DataFrame(rows)


def _truth(run: Path, ledger: Records) -> dict[str, dict[str, float]]:
    """By point key, medians over its blocks."""
    gap = int(load_profile(PROFILE).queued_gap_us * 1000)
    found: dict[str, dict[str, list[float]]] = {}
    for session in _sessions(run):
        start, end = session[0]["start_ns"], session[-1]["end_ns"]
        own = ledger[(ledger["called"] >= start - 10**9) & (ledger["called"] <= end + 10**9)]
        by_call = own[np.argsort(own["called"], kind="stable")]
        for block in session:
            key = str(block["key"])
            if key.endswith(NULL_ENDING):
                continue
            into = found.setdefault(key, {figure: [] for figure in FIGURES})
            for figure, value in _of_block(block, own, by_call, gap):
                into[figure].append(value)
    return {
        key: {figure: float(np.median(each)) for figure, each in values.items()}
        for key, values in found.items()
    }


def _sessions(run: Path) -> Iterator[list[dict]]:  # type: ignore[type-arg]
    for records in lines_of(run).values():
        blocks = [block for record in records if record["type"] == "round" for block in record["blocks"]]
        if blocks:
            yield sorted(blocks, key=lambda block: int(block["start_ns"]))


def _of_block(block: dict, own: Records, by_call: Records, gap: int) -> Iterator[tuple[str, float]]:  # type: ignore[type-arg]
    start, end, steps = block["start_ns"], block["end_ns"], block["steps"]
    first, last = np.searchsorted(by_call["called"], [start, end])
    launched = by_call[first:last]
    a_step = len(launched) // steps
    if not a_step:
        return
    yield "device_us", (float(launched["modelled"].sum()) / len(launched) + gap) * a_step / 1e3
    inside = own[(own["start"] >= start) & (own["start"] < end)]
    yield "dispatch_share", 1 - needed_ns(inside, start, end, gap) / (end - start)
    burst = min(BURST_LAUNCHES // a_step, steps)
    begin = last + 1 + (a_step if burst > 1 else 0)  # a hold, a step ahead, and the burst
    issued = by_call[begin : begin + a_step * burst]
    if len(issued) == a_step * burst and burst:
        yield "issue_us", float(issued["returned"][-1] - issued["called"][0]) / burst / 1e3


def _judged(table: pd.DataFrame, out: Path) -> bool:
    rows, cases, met = [], [], []
    for figure in FIGURES:
        own = table[table["figure"] == figure]
        truth = own.pivot(index="run", columns="key", values="truth")
        others = {key: [column.drop(run).median() for run in column.index] for key, column in truth.items()}
        if figure == "device_us":
            others = {key: column.tolist() for key, column in truth.items()}
        pooled = pd.DataFrame(others, index=truth.index).stack().rename("others")
        held = own.join(pooled, on=["run", "key"]).dropna(subset=["others", "low", "high"])
        held = held.assign(held=(held["low"] <= held["others"]) & (held["others"] <= held["high"]))
        found = summary(own, held)
        cases.append(held)
        met.append(found.meets(WIDTH_LIMIT))
        bias = float((held["value"] / held["others"] - 1).median())
        rows.append(
            {
                "figure": figure,
                "cases": found.cases,
                "held": found.share,
                "low": found.low,
                "high": found.high,
                "bias": bias,
            }
        )
        print(
            f"{'met   ' if met[-1] else 'MISSED'} {figure}: {found.share:.1%} of {found.cases} intervals hold "
            f"[{found.low:.1%}, {found.high:.1%}] ({LEAST:.0%} to {MOST:.0%}); printed half width "
            f"{found.half_width:.2%}, value over truth - 1 {bias:+.2%} in the median"
        )
    save(rows, out, "jittered")
    pd.concat(cases).to_csv(out / "jittered_cases.csv", index=False)
    return all(met)


if __name__ == "__main__":
    sys.exit(main())
