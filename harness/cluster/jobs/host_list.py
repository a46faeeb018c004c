"""Names of hosts as SLURM abbreviates them: gpu[001-003,7],login.

In: such a list. Out: the names. Must not know what they are names of.
"""

from __future__ import annotations

import itertools
import re

# One name of a host list with its bracketed ranges, e.g. gpu[001-003,7]n[1-2].
_NAME = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_PIECE = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")


def expand_hosts(names: str) -> list[str]:
    """gpu[001-003,7],login to a list of names; the same as `scontrol show hostnames`."""
    hosts: list[str] = []
    for name in _NAME.findall(names):
        pieces = [_ranges(ranges) if ranges else [plain] for ranges, plain in _PIECE.findall(name)]
        hosts += ["".join(parts) for parts in itertools.product(*pieces)]
    return hosts


def _ranges(text: str) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += [f"{n:0{len(first)}}" for n in range(int(first), int(last or first) + 1)]
    return found
