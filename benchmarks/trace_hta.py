"""Does `harness trace` find the idle time that HolisticTraceAnalysis finds, and how much sooner?

Whole commands on the same files, in turn: `harness trace --tables`; the same with its whole report; and HTA 0.5.0, in
an environment of its own that is made at the first run, with its temporal and idle-time breakdowns, no figures either.
Run: python -m benchmarks.trace_hta FILE...
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common import parser, save, verdict
from benchmarks.peak import Taken
from benchmarks.peak import taken as run
from harness.core.processes.children import python_module

HTA = "HolisticTraceAnalysis==0.5.0"
# It asks for no bound, and newer ones have changed what it relies on.
WITH_IT = ("pandas<3", "setuptools<81")
IDLE_LIMIT, TIMES_LIMIT = 0.01, 3.0


def main() -> int:
    options = parser(__doc__)
    options.add_argument("files", nargs="+", type=Path, metavar="FILE", help="traces with work of one device")
    options.add_argument("--times", type=int, default=3, help="runs of each (default 3)")
    arguments = options.parse_args()
    python = _environment(Path("build") / "hta")
    rows, met = [], True
    for file in arguments.files:
        rows.append(_beside(file, python, arguments.times))
    save(rows, arguments.out, "trace_hta")
    for row in rows:
        if row["hta_idle_share"] == row["hta_idle_share"]:
            apart = abs(row["idle_share"] - row["hta_idle_share"])
            met &= verdict(f"{row['file']}: idle shares apart", apart, IDLE_LIMIT)
    ratio = statistics.median(row["times_as_fast"] for row in rows)
    met &= verdict("HTA's time over ours, median over files", ratio, TIMES_LIMIT, least=True)
    met &= verdict("our peak memory over HTA's, at the worst", max(row["memory_ratio"] for row in rows), 1.0)
    return 0 if met else 1


def _beside(file: Path, python: Path, times: int) -> dict[str, Any]:
    script = Path(__file__).parent / "beside" / "holistic.py"
    taken: dict[str, list[Taken]] = {"tables": [], "report": [], "hta": []}
    with tempfile.TemporaryDirectory() as folder:
        trace = python_module("harness.commands.cli", "trace", str(file), "--out", f"{folder}/out")
        for _ in range(times):
            taken["tables"].append(run([*trace, "--tables"]))
            taken["hta"].append(run([str(python), str(script), str(file)]))
            taken["report"].append(run(trace))
        table = pd.read_csv(Path(folder) / "out" / "trace.csv")
    whole = table[table["step"].isna()].iloc[0]
    found = json.loads(taken["hta"][-1].printed.splitlines()[-1])
    temporal = found["temporal"]
    span = temporal["kernel_time(us)"]
    ratios = {
        name: [their.seconds / our.seconds for our, their in zip(taken[name], taken["hta"], strict=True)]
        for name in ("tables", "report")
    }
    mib = {name: max(each.peak_mib for each in of) for name, of in taken.items()}
    return {
        "file": file.name,
        "span_us": whole["span_us"],
        "hta_span_us": span,
        "idle_share": whole["idle_share"],
        "hta_idle_share": temporal["idle_time(us)"] / span,
        "host_late_share": whole["host_late_share"],
        "hta_host_wait_share": found["causes"].get("host_wait", 0.0) / span,
        "times_as_fast": statistics.median(ratios["tables"]),
        "slowest_pair": min(ratios["tables"]),
        "report_times_as_fast": statistics.median(ratios["report"]),
        "mib": mib["tables"],
        "report_mib": mib["report"],
        "hta_mib": mib["hta"],
        "memory_ratio": mib["tables"] / mib["hta"],
    }


def _environment(folder: Path) -> Path:
    """Its Python; made where it is not there."""
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", HTA, *WITH_IT], check=True)
        (folder / ".ready").touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
