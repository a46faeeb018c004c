"""Where a config's sessions run: the one place that knows all launchers, and how a run directory is held there.

In: a checked Config. Out: a Setting. Must not know what is done with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.jobs.job import Job, this_job
from harness.cluster.jobs.job_folder import job_folder
from harness.cluster.jobs.job_owner import JobOwnership
from harness.cluster.launcher import SlurmLauncher
from harness.cluster.submitting.login import LoginLauncher
from harness.core.errors import ConfigError, HarnessError
from harness.launch.launcher import Launcher
from harness.launch.local import LocalLauncher
from harness.plan.config import Config
from harness.plan.shards import shard_of
from harness.records.files import default_path, results_folder
from harness.records.naming import shard_name

SLURM = "slurm"


@dataclass(frozen=True)
class Setting:
    """launcher: how sessions are started. job: the one that they are part of, None outside one. ownership: how a run
    directory is held. path: of a run that was given no name; is_reserved: whether that name is this sweep's already,
    as a job's is, which finds it again."""

    launcher: Launcher
    job: Job | None
    ownership: JobOwnership
    path: Path
    is_reserved: bool


def make_setting(config: Config) -> Setting:
    """Raises ConfigError where the launcher that is named cannot start anything here."""
    job = _job(config)
    ownership = JobOwnership(job.identity if job else None)
    if config.launcher.kind != SLURM:
        return Setting(LocalLauncher(config), job, ownership, default_path(config.name), False)
    if job is None and config.dry_run:
        return Setting(LoginLauncher(config), None, ownership, default_path(config.name), False)
    if job is None:
        raise ConfigError(
            "launcher",
            SLURM,
            "within a SLURM job: slurm/submit OVERRIDES, or sbatch slurm/sweep.sbatch OVERRIDES; to plan one here: "
            "dry_run=true; or launcher=local",
        )
    if not job.hosts or len(job.cpus) != len(job.hosts):
        raise HarnessError(f"scontrol does not say what job {job.identity.name} has on its nodes")
    path = job_folder(results_folder() / config.name, job.identity)
    if shard := shard_of(config):
        path /= shard_name(shard)
    return Setting(SlurmLauncher(config, job), job, ownership, path, True)


def _job(config: Config) -> Job | None:
    if config.launcher.kind == SLURM:
        return this_job(os.environ, patient=True)
    try:
        return this_job(os.environ)
    except HarnessError:
        return None  # the kernel's lock will do, as it does where there is no SLURM
