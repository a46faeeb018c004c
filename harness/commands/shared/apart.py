"""Work on a device in a process of its own: an emulated node needs variables that are set at its start, compilers leave
things behind, and the command itself stays free of torch.

In: a device as it is asked for, a module and its arguments. Out: what the module printed, or HarnessError in one line.
Must not know what is done on the device.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ground.builds import ForeignBuild, cache_folder, make_own
from ground.children import ask
from ground.private import private_temporary_folder
from harness.commands.shared.given import given_profile
from harness.core.emulated import device_variables
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.places import CHECKOUT
from harness.core.processes.children import path_variables, python_module
from harness.core.text import shown
from harness.machine.environment import probe_torch, take_inventory
from harness.plan.allowed.nearest import with_nearest
from harness.plan.config import Config

if TYPE_CHECKING:
    from harness.core.emulated import Profile
    from harness.plan.inventory import Inventory

DEVICES = ("auto", "cpu", "cuda", "emulated")
DEFAULT_PROFILE = "v100x8"
# In the user's cache: what inductor compiled, by the content of what it compiles.
_COMPILED = "compiled"
# As `tell` begins its line.
_TOLD = "harness: error: "


def add_device(parser: argparse.ArgumentParser) -> None:
    """The options --device and --profile; asked_profile reads the second."""
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        metavar="|".join(DEVICES),
        help="(default auto: cuda where torch sees a device, else cpu)",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"the device to emulate, with --device emulated (default {DEFAULT_PROFILE})",
    )


def _device(word: str) -> str:
    if word not in DEVICES:
        raise ConfigError("--device", word, with_nearest(word, DEVICES))
    return word


def asked_profile(given: argparse.Namespace) -> Profile | None:
    """The profile that add_device's options name; None for a real device. Raises ConfigError."""
    if given.device != "emulated":
        if given.profile is not None:
            raise ConfigError("--profile", given.profile, "only with --device emulated")
        return None
    return given_profile(given.profile or DEFAULT_PROFILE)


def check_device(kind: str, probe: Mapping[str, Any]) -> Inventory:
    """The device that is meant by a word of DEVICES, from what torch sees (probe_torch).

    Raises ConfigError for cuda where there is none, HarnessError where no emulated device is seen.
    """
    config = Config()
    config.device.kind = kind
    try:
        return take_inventory(config, dict(probe))
    except ConfigError as error:
        raise ConfigError("--device", kind, error.allowed) from None


@dataclass(frozen=True)
class Apart:
    """A device for processes of their own. kind: cpu, cuda or emulated; name: of the device; variables: what these
    processes need beside the environment."""

    kind: str
    name: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, module: str, arguments: Sequence[str] = (), *, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run a module to its end, as `python -m` does; answers its standard output.

        variables: more of them. It ends with this process. Raises HarnessError with the last line that it said where
        its exit status is not 0.
        """
        environment = {**os.environ, **self.variables, **path_variables(), **(variables or {})}
        done = ask(python_module(module, *arguments), variables=environment)
        if done.returncode == 0:
            return done.stdout
        said = [line for line in done.stderr.splitlines() if line.strip()]
        if said and said[-1].startswith(_TOLD):
            raise _refusal(done.returncode)(said[-1].removeprefix(_TOLD))
        last = shown(said[-1]) if said else "it says nothing"
        how = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise HarnessError(f"{module} ended with {how}: {last}")


class _Refused(HarnessError):
    """What a child refused, as it said it."""

    exit_status = 2


def _refusal(status: int) -> type[HarnessError]:
    return _Refused if status == _Refused.exit_status else HarnessError


@contextlib.contextmanager
def device_apart(kind: str, profile: Profile | None) -> Iterator[Apart]:
    """Within: a device that processes may be run on, by a word of DEVICES. profile: of an emulated one, else None.

    Temporary files of all of them lie in a folder of their own, which is removed in the end; what compilers make is
    kept in this user's cache. Raises as check_device does.
    """
    with device_variables(profile) as variables, private_temporary_folder("apart"):
        found = check_device(kind, probe_torch(variables))
        # A pool of compiling processes would outlast what it is for, and share the cores with what is timed.
        compilers = {"TORCHINDUCTOR_COMPILE_THREADS": "1", **_compiled()}
        yield Apart(found.kind, found.name, {**compilers, **variables})


def _compiled() -> dict[str, str]:
    # Where there is no such folder, inductor keeps it in the private one.
    with contextlib.suppress(OSError, ForeignBuild):
        folder = cache_folder(CHECKOUT) / _COMPILED
        make_own(folder.parent)
        make_own(folder)
        return {"TORCHINDUCTOR_CACHE_DIR": str(folder)}
    return {}
