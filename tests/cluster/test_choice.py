"""The launcher that a config names. Needs no SLURM."""

from __future__ import annotations

import pytest

from harness.cluster.choice import make_launcher
from harness.cluster.launcher import SlurmLauncher
from harness.core.errors import ConfigError
from harness.launch.local import LocalLauncher
from harness.plan.config import Config, LauncherConfig
from harness.plan.inventory import Inventory

SLURM = Config(launcher=LauncherConfig(kind="slurm"))


def test_without_a_job_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    with pytest.raises(ConfigError, match=r"launcher=slurm: .* on a node of a SLURM job"):
        make_launcher(SLURM)


def test_this_machine_is_taken_as_it_is() -> None:
    found = Inventory("cpu", 2, "x", 2)
    launcher = make_launcher(Config())
    assert type(launcher) is LocalLauncher
    assert launcher.inventory(found) == found
    assert launcher.nodes_left() is None


def test_a_job_has_its_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "n1", "SLURMD_NODENAME": "n1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("harness.cluster.launcher.addresses_of", lambda hosts: ["10.0.0.1"])
    assert type(make_launcher(SLURM)) is SlurmLauncher
