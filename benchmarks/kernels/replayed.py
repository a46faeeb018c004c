"""A trace replayed: what all kernels of a trace would take by constants that have not seen them, by type.

Twice: by constants fitted to the tables without any shape that the trace has; and, where tables then say nothing of a
type, by constants that have seen half of the trace's shapes as well, each kernel by those that have not seen its own.
Prints modelled over measured total times. Run: python -m benchmarks.kernels.replayed TRACE --profile a100x8 TABLE...
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.common import verdict
from emulator.__main__ import load_profile
from emulator.fitting.fit import fit
from emulator.fitting.modelled import modelled
from emulator.fitting.tables import Tables, half, read_tables
from harness.trace.calibration import calibration
from harness.trace.reading.reader import read_trace

LIMIT = 0.15


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("trace", type=Path)
    options.add_argument("tables", nargs="+", type=Path, metavar="TABLE")
    options.add_argument("--profile", required=True)
    given = options.parse_args(arguments)
    launched = _launched(given.trace)
    others = read_tables(given.tables)
    seen = {name: set(rows["shape"]) for name, rows in launched.parts().items()}
    unseen = {name: ~rows["shape"].isin(seen.get(name, set())) for name, rows in others.parts().items()}
    for name, chosen in unseen.items():
        print(
            f"{name}: fitted on {int(chosen.sum())} of {len(chosen)} rows, whose shapes the trace does not have"
        )
    profile, strangers = load_profile(given.profile), others.of(unseen)
    apart = _totals(modelled(fit(profile, strangers), launched))
    halves = [{name: half(rows) == side for name, rows in launched.parts().items()} for side in (True, False)]
    seen_half = [
        modelled(fit(profile, _joined(strangers, launched.of(one))), launched.of(other))
        for one, other in (halves, halves[::-1])
    ]
    crossed = _totals(*seen_half)
    table = apart.rename(columns={"modelled_ms": "unseen_ms"}).assign(half_seen_ms=crossed["modelled_ms"])
    for column in ("unseen", "half_seen"):
        table[f"{column}_ratio"] = table[f"{column}_ms"] / table["measured_ms"]
    print(table.round(3).to_string())
    met = []
    for name, rows in table.groupby("part"):
        for column in ("unseen_ms", "half_seen_ms"):
            ratio = rows[column].sum() / rows["measured_ms"].sum()
            met.append(verdict(f"{name}, {column}: |modelled / measured - 1|", abs(ratio - 1), LIMIT))
    return 0 if all(met) else 1


def _totals(*found: Tables) -> pd.DataFrame:
    rows = pd.concat([part.assign(part=name) for tables in found for name, part in tables.parts().items()])
    rows["measured_ms"] = rows["mean_us"] * rows["launches"] / 1e3
    rows["modelled_ms"] = rows["modelled_us"] * rows["launches"] / 1e3
    return rows.groupby(["part", "type"])[["launches", "measured_ms", "modelled_ms"]].sum()


def _joined(one: Tables, other: Tables) -> Tables:
    names = {*one.parts(), *other.parts()}
    both = {name: [each.parts()[name] for each in (one, other) if name in each.parts()] for name in names}
    return Tables(**{name: pd.concat(rows, ignore_index=True) for name, rows in both.items()})


def _launched(path: Path) -> Tables:
    """Through the same files as a user's."""
    found = calibration([read_trace(path)])
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, table in (("products", found.products), ("kernels", found.kernels)):
            if len(table):
                paths.append(Path(folder) / f"{name}.csv")
                table.to_csv(paths[-1], index=False)
        return read_tables(paths)


if __name__ == "__main__":
    sys.exit(main())
