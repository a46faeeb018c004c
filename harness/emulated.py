"""The choice of an emulated device: what its workers' environment needs beside what real ones need.

In: a Config. Out: environment variables, for as long as the sweep runs. The only
module that knows the emulator; to all others its devices are CUDA devices that compute nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from emulator.environment import NODE, node_variables
from emulator.libraries import EmulatorError
from harness.config import Config
from harness.errors import HarnessError

# Memory rather than disk: the node's file is written at every launch.
SHARED_MEMORY = Path("/dev/shm")
# What a node's files may grow to; containers often have 64 MiB, and a file there that cannot grow kills who writes.
ROOM = 256 * 2**20


@contextlib.contextmanager
def device_variables(config: Config) -> Iterator[dict[str, str]]:
    """Within: the variables under which processes see the devices of the sweep; none for real devices.

    Builds the emulator at its first use. EMULATOR_NODE in the environment names the node's file, for a
    sampler that runs beside the sweep; otherwise it is removed in the end. Raises HarnessError where the
    emulator cannot be built.
    """
    if config.emulator is None:
        yield {}
        return
    _remove_left_behind()
    folder = _base() / f"{_PREFIX}{os.getpid()}"
    try:
        variables = node_variables(config.emulator, folder)
    except (EmulatorError, OSError) as error:
        raise HarnessError(f"device=emulated: {error}") from None
    if named := os.environ.get(NODE):
        variables[NODE] = named
    try:
        yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_PREFIX = f"harness-emulated-{os.getuid() if hasattr(os, 'getuid') else 0}-"


def _bases() -> tuple[Path, ...]:
    return SHARED_MEMORY, Path(tempfile.gettempdir())


def _base() -> Path:
    fits = os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > ROOM
    return SHARED_MEMORY if fits else Path(tempfile.gettempdir())


def _remove_left_behind() -> None:
    """Remove the nodes of sweeps that were killed."""
    for folder in (each for base in _bases() for each in base.glob(f"{_PREFIX}*")):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
