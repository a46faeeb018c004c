"""Hydra's part: overrides to a checked Config, once or, with -m, many times.

In: command line arguments after `harness sweep`. Out: sweeps run. Hydra's errors come out as one line.
Must not know what a sweep does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from harness.commands.composed.arguments import for_hydra
from harness.commands.composed.overrides import config_of, without_mlp_sizes
from harness.commands.composed.refusals import one_line
from harness.commands.composed.resumed import resumed
from harness.core.errors import HarnessError, tell
from harness.core.processes.interrupt import behind
from harness.plan.allowed.texts import check_path_text
from harness.plan.config import Config, conf_directory
from harness.plan.validate import validate
from harness.sweep.run import run_sweep


def sweep(arguments: list[str]) -> int:
    """Run `harness sweep` with these arguments. Answers the exit status, of -m the highest.

    Raises HarnessError for whatever is refused.
    """
    console = Console(soft_wrap=False)
    statuses: list[int] = []
    begun: list[bool] = []

    def task(composed: DictConfig) -> None:
        # An exception that left this function would be told by Hydra over several lines, and would keep
        # -m from the combinations that follow.
        begun.append(True)
        try:
            statuses.append(_run_one(composed, console, arguments))
        except (HarnessError, OmegaConfBaseException) as error:
            if behind(error):
                raise
            refused = error if isinstance(error, HarnessError) else one_line(error, arguments)
            tell(refused)
            statuses.append(refused.exit_status)

    # Hydra hands exceptions on instead of printing them over many lines.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ConfigStore.instance().store(name="schema", node=Config)
    sys.argv = ["harness sweep", *for_hydra(arguments)]
    try:
        _hydra_main(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise one_line(error, arguments) from error
    except Exception as error:
        if begun:
            raise
        # Hydra's own (ValueError, AssertionError), of an override that its grammar takes and its composition does not.
        raise one_line(error, arguments) from error
    return max(statuses, default=0)


def _hydra_main(task: Callable[[DictConfig], None]) -> Callable[[], None]:
    decorated: Callable[[], None] = hydra.main(
        version_base="1.3", config_path=str(conf_directory()), config_name="config"
    )(task)
    return decorated


def _run_one(composed: DictConfig, console: Console, arguments: list[str]) -> int:
    job = HydraConfig.get()
    overrides = [word for word in arguments if not word.startswith("-")]
    config = without_mlp_sizes(config_of(composed), overrides)
    check_path_text("resume", config.resume)
    if config.resume is not None:
        config = resumed(Path(config.resume), config, list(job.overrides.task))
    elif config.out is not None and job.mode == RunMode.MULTIRUN:
        # One folder for each combination: they are different sweeps.
        config.out = str(Path(config.out) / str(job.job.num))
    return run_sweep(validate(config), console, overrides)
