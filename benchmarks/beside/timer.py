"""torch.utils.benchmark.Timer on the callable that a rank times.

In: what a rank has prepared. Out: microseconds a step. Must not know with what it takes turns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.benchmark import Timer


def by_timer(prepared: Any) -> float:
    """Of as many steps as a block has."""
    (step,) = prepared.own
    timer = Timer("step()", globals={"step": step.call}, num_threads=torch.get_num_threads())
    return float(timer.timeit(prepared.steps).mean * 1e6)
