"""The keys that a configuration has, in words.

In: the configuration's types. Out: names. Must not know what was given for them.
"""

from __future__ import annotations

from dataclasses import fields

from harness.core.emulated import Profile
from harness.plan.allowed.nearest import nearest
from harness.plan.config import Config

# Config groups that are a dataclass of their own; `sweep` fills the top level.
NESTED = ("model", "device", "emulator", "launcher", "timing", "monitor")

# With every group present, to tell what keys and types there are.
EXAMPLE = Config(emulator=Profile("", 1, "", 1, 1.0, 1, 1.0))


def known_keys(key: str) -> str:
    """What could stand in place of a key, the nearest first."""
    head, _, tail = key.partition(".")
    known = ["sweep", *(field.name for field in fields(Config))]
    if tail and head in NESTED:
        known = [f"{head}.{field.name}" for field in fields(getattr(EXAMPLE, head))]
    near = nearest(key, known)
    return (f"{near} (the nearest), or one of " if near else "one of ") + ", ".join(known)
