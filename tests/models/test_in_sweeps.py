"""Models in whole sweeps: each shipped one in every mode, and one of a user's own from the README's words."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from running import TESTS, environment

from harness.modes import mode_names
from harness.plan.config import conf_directory

SMALL = sorted(
    file.stem
    for file in (conf_directory() / "model").glob("*.yaml")
    if not file.stem.endswith("_large") and file.stem not in ("mlp", "custom")
)
# What torch itself refuses: fx asks modules that look at their input's dimensions; dynamo takes no recurrent layer.
REFUSED = {("convnet", "symbolic"), ("lstm", "symbolic"), ("lstm", "compile"), ("lstm", "compile_graphs")}
ON_GPUS = ("compile_graphs", "cudagraph")
FAST = [
    "timing=quick",
    "timing.block_ms=1",
    "timing.rounds=4",
    "timing.warmup_max_s=0.2",
    "timing.null_every=0",
]


def swept(tmp_path: Path, *words: str) -> pd.DataFrame:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "harness", "sweep", *words, f"out={out}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert (out / "points.csv").exists(), done.stdout + done.stderr
    return pd.read_csv(out / "points.csv")


def judged(points: pd.DataFrame, model: str, impossible: set[str]) -> None:
    """Every mode is measured, or says in one line why it cannot be."""
    for _, row in points.iterrows():
        refused = (model, row["mode"]) in REFUSED or row["mode"] in impossible
        assert row["status"] == ("unsupported" if refused else "ok"), row[
            ["workload", "mode", "error"]
        ].to_list()
        assert isinstance(row["error"], str) is refused
    good = points[points["status"] == "ok"]
    assert points[["depth", "width"]].isna().all(axis=None)
    assert (good["tensor_peak_mib"] > 0)[good["mode"] != "compile_graphs"].all()


@pytest.mark.long
@pytest.mark.parametrize("model", SMALL)
def test_each_in_every_mode_on_a_cpu(tmp_path: Path, model: str) -> None:
    modes = ",".join(mode_names())
    words = [f"model={model}", "batch=[2]", "devices=[1]", f"mode=[{modes}]", "workload=[forward,train]"]
    # A compiler takes longest over a backward pass, and is tried on two of them.
    slow = [] if model in ("convnet", "transformer") else ["exclude=[{workload: train, mode: compile}]"]
    points = swept(tmp_path, *words, *slow, *FAST, "device=cpu")
    assert len(points) == 2 * len(mode_names()) - len(slow)
    judged(points[points["workload"] == "forward"], model, {*ON_GPUS})
    judged(points[points["workload"] == "train"], model, {*ON_GPUS, "frozen", "aoti", "native"})


@pytest.mark.long
@pytest.mark.parametrize("model", SMALL)
def test_each_in_every_mode_on_an_emulated_node(tmp_path: Path, model: str) -> None:
    modes = ",".join(mode_names())
    words = [f"model={model}", "batch=[2]", "devices=[1]", f"mode=[{modes}]", "monitor=none"]
    points = swept(tmp_path, *words, *FAST, "device=emulated", "emulator=h100x8")
    judged(points, model, set())
    counted = points[(points["status"] == "ok") & ~points["mode"].isin(["compile_graphs"])]
    assert (counted["launches"] >= 1).all()
    assert (
        points["device_us_model_low"].isna().all()
    )  # its kernels are not known, so nothing is said of their error


@pytest.mark.long
def test_it_is_trained_on_an_emulated_node(tmp_path: Path) -> None:
    words = ["model=transformer", "batch=[2]", "devices=[2]", "mode=[eager,symbolic,script,trace]"]
    points = swept(
        tmp_path, *words, "workload=[train]", *FAST, "monitor=none", "device=emulated", "emulator=h100x8"
    )
    judged(points, "transformer", set())
    assert (points["issue_us"] > 0).all()


def code_after(text: str, language: str) -> str:
    """The first block of code of that language."""
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.long
def test_a_users_own_from_the_readmes_words_alone(tmp_path: Path) -> None:
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("**Your own model**") :]
    (tmp_path / "my_model.py").write_text(code_after(section, "python"), encoding="utf-8")
    commands = [line for line in section.splitlines() if line.startswith("harness sweep ")]
    sweep, resume, slurm = commands[:3]

    def harness(line: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(line.removeprefix("harness "))
        command = [sys.executable, "-m", "harness", *words, *more]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
        )

    out = tmp_path / "run"
    done = harness(sweep, *FAST, "device=cpu", f"out={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(out / "points.csv")
    assert set(points["model"]) == {"my_model:build layers=4", "my_model:build layers=16"}
    assert set(points["status"]) == {"ok"}
    assert (out / "report.html").exists()
    report = subprocess.run(
        [sys.executable, "-m", "harness", "report", str(out)],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert report.returncode == 0, report.stderr
    again = harness(resume.replace("RUN", str(out)))
    assert again.returncode == 0, again.stdout + again.stderr
    planned = harness(slurm)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "sbatch" in planned.stdout
    assert "model.target=my_model:build" in planned.stdout
