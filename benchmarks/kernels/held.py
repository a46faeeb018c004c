"""How far is the emulated device from real kernels? Fitted on half of the shapes, held against the other half.

TABLE as `python -m emulator fit` takes them, of one device. Prints errors by type and duration with the limits, and
draws measured against modelled times, before (a roofline) and after.
Run: python -m benchmarks.kernels.held --profile v100x8 TABLE...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter

from benchmarks.common import OUT, verdict
from emulator.__main__ import load_profile
from emulator.fitting.held_out import held_out
from emulator.fitting.modelled import COLLECTIVE_BYTES, LEAST_SHAPES, errors_by_type
from emulator.fitting.tables import Tables, read_tables
from emulator.profile import Profile
from emulator.times.products import ITEM_BYTES, Floats

# |modelled / measured - 1|, median by duration of products, of other kernels and collectives; and 90th percentile.
LIMITS = {"under 15 us": 0.15, "15 to 60 us": 0.15, "longer": 0.08, "256 KiB to 64 MiB": 0.20}
OTHERS, P90 = 0.20, 0.40
# Before: the longer of computing at a share of the peak and moving bytes, and no kernel shorter than the shortest.
SHARES = {"V100": 0.89, "A100": 0.82, "H100": 0.80}


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("tables", nargs="+", type=Path, metavar="TABLE")
    options.add_argument("--profile", required=True)
    options.add_argument("--out", type=Path, default=OUT, help=f"folder for CSV and figure (default {OUT})")
    given = options.parse_args(arguments)
    profile = load_profile(given.profile)
    found = held_out(profile, read_tables(given.tables))
    errors = errors_by_type(found)
    print(errors.round(2).to_string(index=False))
    given.out.mkdir(parents=True, exist_ok=True)
    errors.to_csv(given.out / f"kernels-{given.profile}.csv", index=False, float_format="%.4g")
    for path in _draw(profile, found, given.out / f"kernels-{given.profile}"):
        print(path)
    met = [_met(row) for row in errors.itertuples()]
    return 0 if all(met) else 1


def _met(row: object) -> bool:
    part, duration, rows = (getattr(row, name) for name in ("part", "duration", "rows"))
    if rows < LEAST_SHAPES:
        return True
    limit = OTHERS if part == "kernels" else LIMITS[duration]
    what = f"{getattr(row, 'type')}, {duration}, {rows} rows"  # noqa: B009
    met = verdict(f"median error of {what}", getattr(row, "median_percent") / 100, limit)  # noqa: B009
    if part == "products":
        met &= verdict(f"90th percentile of {what}", getattr(row, "p90_percent") / 100, P90)  # noqa: B009
    return met


def _roofline_us(profile: Profile, products: pd.DataFrame) -> Floats:
    share = next((share for name, share in SHARES.items() if name in profile.name), 0.8)
    m, n, k, batch = (products[name].to_numpy(float) for name in ("m", "n", "k", "batch"))
    rate = products["arithmetic"].map(profile.flop_s).to_numpy(float) * share
    item = products["arithmetic"].map(ITEM_BYTES).to_numpy(float)
    moved = batch * (m * k + k * n + m * n) * item / profile.memory_gb_s / 1e3
    found: Floats = np.maximum(
        np.maximum(2 * batch * m * n * k / rate * 1e6, moved), profile.shortest_kernel_us
    )
    return found


def _draw(profile: Profile, found: Tables, stem: Path) -> list[Path]:
    products, kernels, links = found.products, found.kernels, found.collectives
    panels = []
    if len(products):
        panels.append(
            ("matrix products: roofline, before", products, _roofline_us(profile, products), "arithmetic")
        )
        panels.append(("matrix products: tiles and waves", products, products["modelled_us"], "arithmetic"))
    if len(kernels):
        panels.append(("other kernels", kernels, kernels["modelled_us"], "type"))
    if len(links):
        inside = links[links["bytes_"].between(*COLLECTIVE_BYTES)]
        panels.append(("all-reduce, 256 KiB to 64 MiB", inside, inside["modelled_us"], "ranks"))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.6 * len(panels), 4.8), layout="constrained", squeeze=False
    )
    for axis, (title, rows, modelled, by) in zip(axes[0], panels, strict=True):
        modelled = pd.Series(np.asarray(modelled, float), index=rows.index)
        for number, (kind, own) in enumerate(rows.groupby(by, sort=True)):
            axis.scatter(
                own["us"],
                modelled[own.index],
                s=12,
                alpha=0.6,
                color=f"C{number % 10}",
                marker="o^"[number // 10],
                label=str(kind),
                lw=0,
            )
        ends = np.array(
            [min(rows["us"].min(), modelled.min()) * 0.8, max(rows["us"].max(), modelled.max()) * 1.25]
        )
        axis.plot(ends, ends, color="0.3", lw=1)
        axis.fill_between(ends, ends / 1.2, ends * 1.2, color="0.3", alpha=0.1, lw=0)
        axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured, us", title=title)
        axis.legend(fontsize=7, frameon=False, loc="upper left", markerscale=1.5)
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_minor_formatter(
                NullFormatter()
            )  # over less than two decades they would stand in each other
        axis.set_aspect("equal")
    axes[0][0].set_ylabel("modelled, us")
    name = profile.name.removeprefix("Emulated ")
    figure.suptitle(f"{name}: kernels whose shapes were not fitted on (band: within 20 %)")
    paths = [stem.with_suffix(suffix) for suffix in (".svg", ".png")]
    for path in paths:
        figure.savefig(path, dpi=110)
    plt.close(figure)
    return paths


if __name__ == "__main__":
    sys.exit(main())
