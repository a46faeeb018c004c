"""The harness as a site's regression test, under ReFrame itself."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from running import TESTS, environment

CHECKOUT = TESTS.parent
REFRAME = "reframe-hpc==4.10.4"
QUICK = "depth=[16] width=[16] batch=[1] devices=[1] mode=[eager,script] sweep=smoke device=cpu monitor=none"


@pytest.fixture(scope="module")
def reframe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In an environment of its own: nothing else of this project needs it."""
    folder = tmp_path_factory.mktemp("reframe")
    venv.create(folder / "venv", with_pip=True)
    install = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", REFRAME]
    subprocess.run(install, check=True, timeout=300)
    return folder / "venv/bin/reframe"


@pytest.mark.long
def test_a_figure_is_held_against_its_interval(reframe: Path, tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        # Of two sessions an interval is 12.7 standard errors wide to each side: other tests beside it gave [0.2, 44].
        overrides = f"overrides={QUICK} timing.rounds=8 timing.sessions=5 timing.max_sessions=5"
        where = [
            "--prefix",
            str(tmp_path),
            "--keep-stage-files",
            "-c",
            str(CHECKOUT / "slurm/reframe_test.py"),
        ]
        return subprocess.run(
            [str(reframe), *where, "-r", "-S", overrides, *options],
            cwd=tmp_path,
            env={**environment(), "HARNESS_PYTHON": sys.executable, "RFM_SAVE_LOG_FILES": "y"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout and "speedup: " in done.stdout
    points = next(tmp_path.glob("stage/**/run/points.csv"))
    before = tmp_path / "before.csv"
    before.write_text(points.read_text())
    text = before.read_text().splitlines()
    names, script = text[0].split(","), next(line for line in text if ",script," in line).split(",")
    for name in ("speedup_low", "speedup_high"):
        script[names.index(name)] = "4000"
    before.write_text(f"{text[0]}\n{','.join(script)}\n")
    done = run("-S", f"before={before}")
    assert done.returncode != 0
    assert "[4e+03, 4e+03] then" in done.stdout + done.stderr, done.stdout
