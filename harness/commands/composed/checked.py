"""Overrides checked where nothing is measured: on a login node, before a job waits in a queue.

In: overrides. Out: a checked Config, or HarnessError; what could not be checked here. Must not know what becomes of
them.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from harness.commands.composed.arguments import for_hydra
from harness.commands.composed.overrides import config_of, without_mlp_sizes
from harness.commands.composed.refusals import one_line
from harness.commands.composed.resumed import resumed
from harness.core.errors import ConfigError
from harness.plan.config import Config, conf_directory
from harness.plan.validate import validate


def checked(overrides: list[str]) -> tuple[Config, list[str]]:
    """The config, and sentences on what could not be checked here. Raises HarnessError for whatever is refused."""
    ConfigStore.instance().store(name="schema", node=Config)
    try:
        with hydra.initialize_config_dir(str(conf_directory()), version_base="1.3"):
            composed = hydra.compose("config", overrides=for_hydra(overrides))
            config = without_mlp_sizes(config_of(composed), overrides)
    except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
        raise one_line(error, overrides) from error
    if config.resume is not None:
        config = resumed(Path(config.resume), config, overrides)
    try:
        return validate(config), []
    except ConfigError as error:
        # Modes of plugins are known once they are imported, and they import torch.
        if error.key != "plugins" or find_spec("torch") is not None:
            raise
    # All but the modes, which may be theirs.
    known = Config().mode
    validate(replace(config, plugins=[], mode=known))
    return config, [f"plugins={config.plugins} and mode={config.mode} are checked in the job: no torch here"]
