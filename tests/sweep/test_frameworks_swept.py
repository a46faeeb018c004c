"""A sweep over frameworks, through the command line: lists of numbers as a framework, beside torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from running import command, environment

SMALL = (
    "hidden=[8]",
    "in_features=16",
    "timing=quick",
    "timing.warmup_max_s=0.2",
    "exclude=[{mode: compile}]",
)


def described(folder: Path) -> str:
    """An environment of this Python whose framework is `plain`, of which there is no module but this one; one whose
    import is broken; and one that is not there."""
    for name, text in (("plain", ""), ("jax", "raise ImportError('broken on purpose')\n")):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(text)
    within = f"variables: {{PYTHONPATH: {folder}}}"
    return (
        f"environment={{here: {{}}, p: {{python: {sys.executable}, framework: plain, {within}}}, "
        f"broken: {{python: {sys.executable}, framework: jax, {within}}}, "
        f"gone: {{python: {folder}/python, framework: mxnet}}}}"
    )


def swept(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("sweep", *overrides),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.long
def test_frameworks_are_measured_in_the_same_rounds_and_what_is_wrong_with_one_is_in_its_rows(
    tmp_path: Path,
) -> None:
    environments = described(tmp_path)
    done = swept(tmp_path, "sweep=frameworks", *SMALL, environments, "out=run")
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(tmp_path / "run" / "points.csv", keep_default_na=False, na_values=[""])
    by_name = points.set_index(["environment", "mode"])
    assert set(by_name.loc["here", "status"]) == {"ok"} and by_name.loc[("p", "eager"), "status"] == "ok"
    assert set(by_name.loc["here", "style"]) == {"imperative", "symbolic", "hybrid"}
    assert by_name.loc[("p", "eager"), "framework"] == "plain"
    assert by_name.loc[("here", "script"), "saved_as"] == "torch.jit.save"
    assert by_name.loc[("here", "script"), "saved_kib"] > 0
    assert by_name.loc[("p", "eager"), "saved_as"].startswith("not saved")
    for name, modes, said in (("broken", 3, "broken on purpose"), ("gone", 3, "is not there")):
        rows = points[points["environment"] == name]
        assert len(rows) == modes and set(rows["status"]) == {"failed"}
        assert rows["error"].str.contains(said).all()
    page = (tmp_path / "run" / "report.md").read_text()
    assert "Imperative, symbolic, hybrid" in page and "### Frameworks" in page
    # Gone on with: what failed is tried again, what is measured is not.
    again = swept(tmp_path, "resume=run", environments)
    assert again.returncode == 0, again.stdout + again.stderr
    after = pd.read_csv(tmp_path / "run" / "points.csv", keep_default_na=False, na_values=[""])
    assert list(after["key"]) == list(points["key"]) and list(after["status"]) == list(points["status"])


def test_a_mode_that_no_framework_has_is_refused_with_the_nearest(tmp_path: Path) -> None:
    done = swept(tmp_path, "sweep=frameworks", "mode=[hybridise]", "dry_run=true")
    assert done.returncode == 2 and "the nearest: hybridize" in done.stderr


def test_the_shipped_sweeps_plan_every_mode_of_every_framework(tmp_path: Path) -> None:
    done = swept(tmp_path, "sweep=frameworks", "dry_run=true")
    assert done.returncode == 0, done.stderr
    for name in (
        "xla in keras",
        "aot in jax",
        "graph in cntk",
        "hybridize_static in mxnet",
        "eager in chainer",
    ):
        assert name in done.stdout.replace("\n", " ")
