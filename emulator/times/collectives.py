"""The time of a collective within a node: the fastest of NCCL's protocols, above a floor.

In: bytes, ranks, constants. Out: microseconds. Must not know tables or files. src/kernels.cpp says the same.

NCCL (src/graph/tuning.cc) reckons with a base, a hop for each of a ring's 2 (n - 1) steps, and a bandwidth, for each of
LL, LL128 and Simple, and takes the fastest; bytes count as nccl-tests' PERFORMANCE.md has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class Protocol:
    """gb_s: of one link, both ways of a ring together as nccl-tests' bus bandwidth has it."""

    base_us: float
    hop_us: float
    gb_s: float


def collective_us(
    protocols: Sequence[Protocol], floor_us: float, bytes_: Floats, factor: Floats, ranks: Floats
) -> Floats:
    """factor: share of the bytes that passes each link, 2 (n - 1) / n for an all-reduce."""
    ways = [
        each.base_us + each.hop_us * 2 * (ranks - 1) + bytes_ * factor / (each.gb_s * 1e3)
        for each in protocols
    ]
    fastest: Floats = np.maximum(floor_us, np.min(ways, axis=0))
    return fastest
