"""The door to the emulator: its profiles, and what the environment of processes on an emulated node needs.

In: a profile. Out: environment variables, for as long as the sweep runs. Must not know sweeps. The only module that
knows the emulator; to all others its devices are CUDA devices that compute nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from emulator.allowed import problems
from emulator.environment import NODE, PROFILE, node_variables
from emulator.libraries import EmulatorError
from emulator.profile import EMULATED, Profile, profile_of
from emulator.times.device import all_reduce_us, other_us, product_us
from emulator.times.errors import class_of_product
from emulator.times.kernels import TENSORS
from ground.private import SHARED_MEMORY, private_folder, temporary_bases
from harness.core.errors import HarnessError

# What others need of the emulator; nobody else imports it.
__all__ = [
    "EMULATED",
    "TENSORS",
    "EmulatorError",
    "Profile",
    "all_reduce_us",
    "class_of_product",
    "device_variables",
    "load_profile",
    "other_us",
    "problems",
    "product_us",
    "profile_digest",
    "sound_profile",
]

# What a node's files may grow to; containers often have 64 MiB, and a file there that cannot grow kills who writes.
ROOM = 256 * 2**20


def load_profile(name: str) -> Profile:
    """A profile by its name in conf/emulator/ or its path. Raises EmulatorError, OSError if there is no such one."""
    # What reads the files, as a run's own profile comes with its configuration.
    from emulator.__main__ import load_profile as load

    return load(name)


def sound_profile(values: object) -> Profile | None:
    """From what a run's configuration holds under `emulator`; None where that is none, or not one of this version."""
    if not isinstance(values, dict):
        return None
    try:
        own = profile_of(values)
    except TypeError:
        return None
    return None if problems(own) else own


def profile_digest() -> str | None:
    """What tells the profile of the node that this process is on from every other, by its content; None off any."""
    try:
        return hashlib.sha256(Path(os.environ[PROFILE]).read_bytes()).hexdigest()[:12]
    except (KeyError, OSError):
        return None


@contextlib.contextmanager
def device_variables(profile: Profile | None) -> Iterator[dict[str, str]]:
    """Within: the variables under which processes see the devices of the node; none for real devices (no profile).

    Builds the emulator at its first use. EMULATOR_NODE in the environment names the node's file, for a
    sampler that runs beside the sweep; otherwise it is removed in the end. Raises HarnessError where the
    emulator cannot be built.
    """
    if profile is None:
        yield {}
        return
    with contextlib.ExitStack() as kept:
        try:
            folder = kept.enter_context(private_folder("emulated", _bases()))
            variables = node_variables(profile, folder)
        except (EmulatorError, OSError) as error:
            raise HarnessError(f"device=emulated: {error}") from None
        if named := os.environ.get(NODE):
            variables[NODE] = named
        yield variables


def _bases() -> tuple[Path, ...]:
    """Memory first: the node's file is written at every launch."""
    fits = os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > ROOM
    return (SHARED_MEMORY, *temporary_bases()) if fits else temporary_bases()
