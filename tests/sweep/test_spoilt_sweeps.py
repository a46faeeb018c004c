"""Spoilers, provoked: other programs on all cores, and a rank whose threads OpenMP has bound."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from running import command, environment, python_path

from benchmarks.on_disk import lines_of

BURN = "while True: pass"
SWEEP = ("sweep", "sweep=smoke", "device=cpu", "depth=[2]", "batch=[1]", "devices=[1]", "timing=quick")

# A rank's thread asks as it does in a session; two of them have the cores 0 and 1.
WHERE = """
import json, torch
from harness.devices.device import Device
from harness.worker.issuers import InTurn
from harness.worker.issuing_cores import issuing_cores
torch.set_num_threads(2)
print(json.dumps(issuing_cores(InTurn([Device()]))))
"""


@pytest.mark.long
def test_programs_that_burn_all_cores_make_rows_loaded(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in cores]
    try:
        done = subprocess.run(
            command(*SWEEP, "mode=[eager,script]", "out=run"),
            cwd=tmp_path,
            env={**environment(), "PYTORCH_JIT": "0", "OMP_PROC_BIND": "true"},
            capture_output=True,
            text=True,
            timeout=240,
        )
    finally:
        for each in burning:
            each.kill()
            each.wait()
    assert done.returncode in (0, 1), done.stdout + done.stderr
    points = pd.read_csv(tmp_path / "run" / "points.csv", keep_default_na=False).set_index("mode")
    assert "loaded" in points.loc["eager", "warnings"].split(";")
    # And a mode that a variable has switched off is no row of times.
    assert points.loc["script", "status"] == "unsupported"
    assert "TorchScript is switched off" in points.loc["script", "error"]
    report = (tmp_path / "run" / "report.md").read_text()
    assert "other programs used the machine" in report
    assert "PYTORCH\\_JIT=0 was set" in report
    assert "OMP_PROC_BIND=true is set" in done.stdout


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores to be bound to one of them")
@pytest.mark.long
def test_ranks_keep_their_cores_whatever_openmp_is_told(tmp_path: Path) -> None:
    """Both ranks on one core read as bad scaling, for which no row gave a reason."""
    done = subprocess.run(
        command(*SWEEP[:-2], "devices=[2]", "workload=[train]", "timing=quick", "mode=[eager]", "out=run"),
        cwd=tmp_path,
        env={**environment(), "OMP_PROC_BIND": "true", "OMP_PLACES": "{0}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OMP_PLACES={0} is set" in done.stdout
    files = lines_of(tmp_path / "run")
    cores = [
        record["issuing_cores"]
        for name, records in files.items()
        for record in records
        if "-rank" in name and record["type"] in ("session", "closing")
    ]
    assert len(cores) == 4, "two ranks, at the start and at the end"
    one, other = {frozenset(thread) for of_rank in cores for thread in of_rank}
    # Not that no row is called oversubscribed: beside other programs both ranks do wait for a core, and it is said.
    assert not one & other


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores to be bound to one of them")
@pytest.mark.parametrize("bound", [False, True])
def test_a_thread_that_openmp_has_bound_says_so(bound: bool) -> None:
    """Ranks that were not pinned would all be bound to the first core."""
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        env={**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "2"}
        | ({"OMP_PROC_BIND": "true"} if bound else {}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (cores,) = json.loads(done.stdout.splitlines()[-1])
    assert (len(cores) < len(os.sched_getaffinity(0))) == bound
