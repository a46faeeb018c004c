"""The tests that need a CUDA device, on an emulated one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from node import profile, variables

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.long
def test_what_needs_a_cuda_device_runs_on_an_emulated_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS / "cuda")],
        env=variables(tmp_path, profile(memory_mib=32000)),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.splitlines()[-1]
    assert "passed" in summary
    # Only what an emulated device cannot show: that outputs are right.
    assert "9 skipped" in summary
