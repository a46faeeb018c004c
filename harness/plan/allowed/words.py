"""The words that an axis or an option can take.

In: nothing. Out: words. Must not know the machine, nor what a word leads to.
"""

from __future__ import annotations

from harness.core.controllers import CONTROLLERS
from harness.modes import mode_names

WORKLOADS = ("forward", "train")
DTYPES = ("float32", "float64", "bfloat16", "float16")
# From what costs most to what costs least.
AUTOGRADS = ("grad", "no_grad", "inference", "inference_model")
SCALINGS = ("weak", "strong")
DEVICE_KINDS = ("auto", "cpu", "cuda", "emulated")
LAUNCHERS = ("local", "slurm")


def words_of(axis: str) -> tuple[str, ...]:
    known = {
        "mode": mode_names(),
        "controller": tuple(CONTROLLERS),
        "workload": WORKLOADS,
        "dtype": DTYPES,
        "autograd": AUTOGRADS,
    }
    return known[axis]
