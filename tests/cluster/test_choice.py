"""Where the sessions of a config run. Needs no SLURM."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_jobs import job

from harness.cluster import choice
from harness.cluster.choice import make_setting
from harness.cluster.jobs import slurm_commands
from harness.cluster.launcher import SlurmLauncher
from harness.core.errors import ConfigError, HarnessError
from harness.launch.local import LocalLauncher
from harness.plan.config import Config, LauncherConfig
from harness.plan.inventory import Inventory

SLURM = Config(name="x", launcher=LauncherConfig(kind="slurm"))


def test_without_a_job_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "this_job", lambda environ, patient: None)
    with pytest.raises(ConfigError, match=r"launcher=slurm: .* within a SLURM job: slurm/submit"):
        make_setting(SLURM)


def test_this_machine_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    # Alone it was a KeyError.
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "59")
    found = Inventory("cpu", 2, "x", 2)
    setting = make_setting(Config())
    assert type(setting.launcher) is LocalLauncher
    assert setting.launcher.inventory(found) == found
    assert (setting.job, setting.is_reserved) == (None, False)


def test_a_controller_that_is_gone_is_nothing_to_a_sweep_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(environ: object) -> None:
        raise HarnessError("gone")

    monkeypatch.setattr(choice, "this_job", gone)
    assert make_setting(Config()).job is None


@pytest.mark.parametrize(("shard", "below"), [(None, "job-41"), ("2/3", "job-41/shard-2of3")])
def test_a_job_has_its_nodes_and_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shard: str | None, below: str
) -> None:
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
    monkeypatch.setattr(choice, "this_job", lambda environ, patient: job("n1 n2"))
    monkeypatch.setattr(slurm_commands, "addresses_of", lambda hosts: ["10.0.0.1", "10.0.0.2"])
    setting = make_setting(Config(name="x", shard=shard, launcher=LauncherConfig(kind="slurm")))
    assert type(setting.launcher) is SlurmLauncher
    assert setting.path == tmp_path / "x" / below
    assert setting.ownership.job == job("n1").identity
