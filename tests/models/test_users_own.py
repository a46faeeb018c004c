"""A user's own model, from the README's words alone."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from running import TESTS, environment
from swept_models import FAST


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
