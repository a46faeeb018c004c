"""The environment in which a process sees an emulated node instead of real devices.

In: a profile and a folder for the node's files. Out: environment variables. Must not know the harness.
"""

from __future__ import annotations

import os
from pathlib import Path

from emulator.build import LINKED, build, include_folders, preload
from emulator.libraries import EmulatorError
from emulator.profile import Profile, save

PROFILE, NODE, FAULTS, TRACE = "EMULATOR_PROFILE", "EMULATOR_NODE", "EMULATOR_FAULTS", "EMULATOR_TRACE"


def node_variables(profile: Profile, folder: Path) -> dict[str, str]:
    """Variables to add to a process's environment; builds the stand-ins if they are not there yet.

    folder: where profile and node file are kept; all processes of one node are given the same one, samplers
    too. Raises EmulatorError where the stand-ins cannot be built
    or preloaded.
    """
    libraries = preload(build())
    folder.mkdir(parents=True, exist_ok=True)
    save(profile, folder / "profile")
    if unfit := [path for path in libraries if set(str(path)) & {" ", ":"}]:
        raise EmulatorError(f"{unfit[0].parent}: LD_PRELOAD takes no path with a space or a colon: move it")
    inherited = [part for part in os.environ.get("LD_PRELOAD", "").replace(":", " ").split() if part]
    return {
        "LD_PRELOAD": ":".join(dict.fromkeys([*map(str, libraries), *inherited])),
        PROFILE: str(folder / "profile"),
        NODE: str(folder / "node"),
        # Triton, which compiles torch.compile's kernels, looks for the driver in folders, not among what is loaded.
        "TRITON_LIBCUDA_PATH": str(libraries[0].parent),
        # AOTInductor compiles and links against CUDA, for which real nodes have a toolkit.
        "CPATH": _before("CPATH", include_folders()),
        "LIBRARY_PATH": _before("LIBRARY_PATH", [libraries[0].parent / LINKED]),
    }


def _before(variable: str, folders: list[Path]) -> str:
    return ":".join([*map(str, folders), *filter(None, [os.environ.get(variable)])])
