"""Whether a mode computes what eager does: the difference of two outcomes, and how much of it is rounding.

In: tensors of both. Out: a number, or a Mismatch. Must not know devices, modes or points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Largest difference from eager, relative to eager's largest value: rounding in another order of
# operations stays below, a wrong operation does not. About 1,000 units in the last place, more for the
# half precisions, whose sums over a layer already differ by some of them.
TOLERANCE = {"float64": 1e-12, "float32": 1e-4, "float16": 2e-2, "bfloat16": 8e-2}


class Mismatch(Exception):
    """A mode's output is not eager's; the message is one line."""


def difference(outcome: Sequence[torch.Tensor], reference: Sequence[torch.Tensor]) -> float:
    """Largest difference of any tensor from the reference, relative to the reference's largest value.

    Infinite where shapes or numbers of tensors differ, or where a value is not a number.
    """
    if [t.shape for t in outcome] != [t.shape for t in reference]:
        return float("inf")
    worst = 0.0
    for ours, theirs in zip(outcome, reference, strict=True):
        scale = theirs.abs().max().item() or 1.0
        gap = (ours.double() - theirs.double()).abs().max().item() / scale
        worst = max(worst, gap if gap == gap else float("inf"))
    return worst


def accepted(gap: float, dtype: str) -> float:
    """The difference itself, where it is no more than that dtype's rounding. Raises Mismatch."""
    if not gap <= TOLERANCE[dtype]:
        raise Mismatch(
            f"output differs from eager's by {gap:.2g} of its largest value, "
            f"more than {TOLERANCE[dtype]:g} for {dtype}"
        )
    return gap
