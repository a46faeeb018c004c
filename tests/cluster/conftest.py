"""SLURM's commands in place of which small programs stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_commands import Commands


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    made = Commands(folder)
    for name in ("squeue", "scontrol", "scancel", "sbatch", "srun"):
        made.make(name, "exit 1")
    return made
