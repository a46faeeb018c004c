"""Points and report of runs that were measured once are the same to the byte, whatever is done to the code.

A run of each kind lies in stored/ as it was measured: on a CPU with one and two ranks, forward and train; on an
emulated node, sampled, under two controllers; and one that was merged from two shards. A difference here is either a
fault or meant: then `python tests/report/test_stored_runs.py` writes anew what is expected, and the commit says why.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import pytest

from harness.analysis.run import load_run
from harness.report.write import write_report

STORED = Path(__file__).with_name("stored")
RUNS = ("cpu", "emulated", "sharded")


def report_of(run: str, folder: Path) -> dict[str, str]:
    """File -> text of a stored run's report, made in a folder."""
    with tarfile.open(STORED / f"{run}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    out = folder / "out"
    write_report([load_run(folder / run)], out)
    page = (out / "report.md").read_text().splitlines(keepends=True)
    return {
        "points.csv": (out / "points.csv").read_text(),
        "report.md": "".join(line for line in page if not line.startswith("Written ")),  # when
    }


@pytest.mark.parametrize("run", RUNS)
def test_points_and_report_are_what_they_were(run: str, tmp_path: Path) -> None:
    for name, text in report_of(run, tmp_path).items():
        assert text == (STORED / f"{run}.{name}").read_text(), name


if __name__ == "__main__":
    for each in RUNS:
        with tempfile.TemporaryDirectory() as made:
            for name, text in report_of(each, Path(made)).items():
                (STORED / f"{each}.{name}").write_text(text)
