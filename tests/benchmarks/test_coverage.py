"""How often printed intervals hold: of runs made up, and of two that are measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from raw_runs import RawRun, cell_of
from running import wait_until

from benchmarks import coverage
from benchmarks.load import beside

CELLS = [cell_of(batch=batch, depth=2) for batch in (10, 20)]


def runs(folder: Path, count: int, between: float) -> list[Path]:
    """Runs of which each has one session, whose step times are off by its own factor; rounds hardly differ."""
    source, made = np.random.default_rng(0), []
    for number in range(count):
        run, factor = RawRun(folder / f"run-{number}"), np.exp(source.normal(0, between))
        noise = 1 + source.normal(0, 0.001, size=(2, 40))
        run.plan(*CELLS)
        run.session(
            "processes-1-try1",
            CELLS,
            rounds=40,
            step_ns=lambda mode, rank, number, factor=factor, noise=noise: round(
                {"eager": 3e6, "script": 1e6}[mode] * factor * noise[int(mode == "eager"), number]
            ),
        )
        made.append(folder / f"run-{number}")
    return made


def judged(folder: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch) -> tuple[int, pd.DataFrame]:
    out = folder / "out"
    monkeypatch.setattr(sys, "argv", ["coverage", "--out", str(out), "--runs", *map(str, made)])
    return coverage.main(), pd.read_csv(out / "coverage.csv").set_index("figure")


def test_intervals_that_know_nothing_of_what_differs_between_runs_do_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run directory is one session: whatever interval it prints is not that of runs 2 % apart."""
    status, found = judged(tmp_path, runs(tmp_path, 8, between=0.02), monkeypatch)
    step = found.loc["step time"]
    assert status == 1
    assert step["runs"] == 8
    assert step["spread"] == pytest.approx(0.02, rel=0.6)
    # Either none is printed, or far too few hold.
    assert step["empty"] == 32 or step["share"] < 0.5
    assert "MISSED step time" in capsys.readouterr().out


def test_every_figure_is_taken_of_every_run_and_point(tmp_path: Path) -> None:
    table = coverage.figures_of(runs(tmp_path, 2, between=0.0))
    counts = table.groupby("figure").size()
    assert counts["step time"] == 2 * 4  # runs, points
    assert counts["speed-up"] == 2 * 2  # eager's own is 1 by definition
    speedups = table[table["figure"] == "speed-up"]["value"]
    assert speedups.to_numpy() == pytest.approx(3, rel=0.01)


def test_a_core_is_burned_by_turns_for_as_long_as_it_is_wanted() -> None:
    with beside(0.05, 0.05) as process:
        burning = psutil.Process(process.pid)
        # More than it needs to start, and several turns.
        wait_until(lambda: burning.cpu_times().user > 1, "it burns")
        wait_until(lambda: burning.num_ctx_switches().voluntary > 5, "it rests")
    assert not psutil.pid_exists(process.pid)


@pytest.mark.long
def test_it_measures_as_often_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = tmp_path / "keep"
    words = [
        "coverage",
        "--quick",
        "--burn",
        "0.5",
        "0.5",
        "--keep",
        str(keep),
        "--out",
        str(tmp_path),
        "monitor=none",
    ]
    monkeypatch.setattr(sys, "argv", words)
    assert coverage.main() in (0, 1)  # two runs prove nothing
    table = pd.read_csv(tmp_path / "coverage.csv").set_index("figure")
    assert sorted(path.name for path in keep.iterdir()) == ["run-1", "run-2"]
    assert table.loc["speed-up", "runs"] == 2
    assert table.loc["step time", "cases"] + table.loc["step time", "empty"] == 4
