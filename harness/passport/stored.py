"""The passport of this machine, measured once and kept under a name made of all that it depends on.

In: an open device. Out: a Passport, stored or new. Must not know who asks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from ground.builds import ForeignBuild, cache_folder, make_own
from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.places import CHECKOUT, PACKAGE
from harness.core.spoilers import spoilers_in
from harness.devices.device import Device
from harness.passport.document import Passport, read_passport
from harness.passport.measure import machine_of, measured

FOLDER = "passports"
# What measures: another version's costs are others.
_SOURCES = ("passport/*.py", "timing/interleaved.py", "timing/bursts.py")


def own_passport(device: Device, *, again: bool = False) -> Passport:
    """Of this machine with this device, which is open already: as it is stored, or measured (some 20 s, a minute more
    where the compilers' caches are empty) and stored. again: measured in any case."""
    path = passport_path(device)
    if path is not None and not again:
        # What is stored there and is no passport is measured anew.
        with contextlib.suppress(ConfigError):
            return read_passport(path)
    found = measured(device)
    if path is not None:
        with contextlib.suppress(OSError):  # a disk that is full; it is measured again next time
            beneath.replace(path.parent, path.name, found.as_json().encode())
    return found


def passport_path(device: Device) -> Path | None:
    """Where it is stored, there or not; None where this user has no folder for it."""
    digest = hashlib.sha256(json.dumps(machine_of(device), sort_keys=True).encode())
    for name in sorted(spoilers_in(os.environ)):
        digest.update(f"{name}={os.environ[name]}\0".encode(errors="replace"))
    for pattern in _SOURCES:
        for path in sorted(PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    with contextlib.suppress(OSError, ForeignBuild):
        folder = cache_folder(CHECKOUT) / FOLDER
        make_own(folder.parent)
        make_own(folder)
        return folder / f"{device.kind}-{digest.hexdigest()[:12]}.json"
    return None
