"""Which launcher a config names: the one place that knows them all.

In: a checked Config. Out: a Launcher. Must not know what is done with it.
"""

from __future__ import annotations

from harness.cluster.launcher import SlurmLauncher
from harness.launch.launcher import Launcher
from harness.launch.local import LocalLauncher
from harness.plan.config import Config

SLURM = "slurm"


def make_launcher(config: Config) -> Launcher:
    """The launcher that the config names. Raises ConfigError where it cannot start anything here."""
    return SlurmLauncher(config) if config.launcher.kind == SLURM else LocalLauncher(config)
