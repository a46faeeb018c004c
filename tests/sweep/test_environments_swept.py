"""A sweep over environments, through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest
from running import command, environment

SMALL = ("device=cpu", "sweep=smoke", "depth=[2]", "batch=[1]", "width=[16]", "timing.warmup_max_s=0.2")


def swept(folder: Path, *overrides: str) -> tuple[subprocess.CompletedProcess[str], pd.DataFrame]:
    done = subprocess.run(
        command("sweep", *SMALL, *overrides, "out=run"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
    )
    table = folder / "run" / "points.csv"
    return done, pd.read_csv(
        table, keep_default_na=False, na_values=[""]
    ) if table.exists() else pd.DataFrame()


@pytest.mark.long
def test_an_environment_beside_here_is_measured_in_the_same_rounds(tmp_path: Path) -> None:
    mine = f"environment={{mine: {{python: {sys.executable}}}}}"
    repeated = ("timing.sessions=2", "timing.max_sessions=2", "mode=[eager,script]", "devices=[1,2]")
    done, points = swept(tmp_path, mine, *repeated)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])]
    one = points[points["devices"] == 1].set_index(["environment", "mode"])
    assert set(one.index) == {(e, m) for e in ("here", "mine") for m in ("eager", "script")}
    assert set(one["status"]) == {"ok"} and set(one["sessions"]) == {2}
    assert one.loc["mine", "speedup_vs_here"].between(0.5, 2).all()
    assert one["vs_here_low"].notna().sum() == 2
    assert (one["speedup_vs_eager"].xs("eager", level="mode") == 1).all()
    two = points[points["devices"] == 2]
    assert set(two["status"]) == {"unsupported"} and two["error"].str.contains("one device").all()
    page = (tmp_path / "run" / "report.md").read_text()
    assert "Measured by drivers" in page and "x here" in page
    # What describes an interpreter holds only when it is named again.
    again = subprocess.run(
        command("sweep", "resume=run"), cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert again.returncode == 2 and "environment={mine:" in again.stderr
    named = command("sweep", "resume=run", mine)
    assert subprocess.run(named, cwd=tmp_path, env=environment(), timeout=400).returncode == 0


@pytest.mark.long
def test_one_that_is_not_there_makes_rows_and_the_others_go_on(tmp_path: Path) -> None:
    done, points = swept(
        tmp_path, f"environment={{gone: {{python: {tmp_path}/python}}}}", "devices=[1]", "mode=[eager]"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    by_name = points.set_index("environment")
    assert by_name.loc["here", "status"] == "ok" and by_name.loc["gone", "status"] == "failed"
    assert os.fspath(tmp_path / "python") in by_name.loc["gone", "error"]


def test_a_name_that_is_none_is_refused_with_the_nearest(tmp_path: Path) -> None:
    done, _ = swept(tmp_path, "environment=[here,torch-2.12]")
    assert done.returncode == 2
    assert "environment=torch-2.12" in done.stderr and "the nearest: torch-2.1" in done.stderr


def test_a_list_of_here_alone_is_the_default(tmp_path: Path) -> None:
    done, _ = swept(tmp_path, "environment=[here]", "dry_run=true")
    assert done.returncode == 0, done.stdout + done.stderr
