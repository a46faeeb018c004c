"""Whether a mode computes what eager does: the difference of two outcomes, and how much of it is rounding.

In: tensors of both. Out: a number, or a Mismatch. Must not know devices, modes or points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.core.stats.tolerance import LEAST_SHARE
from harness.core.stats.tolerance import TOLERANCE as TOLERANCE

# In float64 a mode that computes what eager does is nearer than this, whatever a model makes of rounding; and in its
# own dtype it is not that far off.
EXACT, UNLIKE = 1e-8, 0.1


class Mismatch(Exception):
    """A mode's output is not eager's; the message is one line."""


def difference(outcome: Sequence[torch.Tensor], reference: Sequence[torch.Tensor]) -> float:
    """Largest difference of any tensor from the reference, relative to the reference's largest value in that tensor; of
    a tensor that is small beside the others, to LEAST_SHARE of theirs.

    Infinite where shapes or numbers of tensors differ, or where a value is not a number; what is infinite in both, as
    of a mask, does not differ.
    """
    if [t.shape for t in outcome] != [t.shape for t in reference]:
        return float("inf")
    largest = [_largest(t) for t in reference]
    least = LEAST_SHARE * max(
        (size for size, t in zip(largest, reference, strict=True) if t.dim()), default=0.0
    )
    worst = 0.0
    for ours, theirs, size in zip(outcome, reference, largest, strict=True):
        if not theirs.numel():
            continue
        # A loss stands for itself, and is no measure of gradients.
        scale = max(size, least if theirs.dim() else 0.0) or 1.0
        apart = (ours.double() - theirs.double()).masked_fill(ours == theirs, 0.0)
        gap = apart.abs().max().item() / scale
        worst = max(worst, gap if gap == gap else float("inf"))
    return worst


def _largest(tensor: torch.Tensor) -> float:
    """Of the finite values."""
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max().item()) if finite.numel() else 0.0


def accepted(gap: float, dtype: str) -> float:
    """The difference itself, where it is no more than that dtype's rounding. Raises Mismatch."""
    if not gap <= TOLERANCE[dtype]:
        raise Mismatch(_said(gap, TOLERANCE[dtype], dtype))
    return gap


def may_be_rounding(gap: float, dtype: str) -> bool:
    """Whether a difference of that dtype, larger than its tolerance, may still come of rounding alone."""
    return gap <= max(UNLIKE, TOLERANCE[dtype])


def accepted_exactly(gap: float, exact: float) -> float:
    """The difference of the own dtype, where the one in float64 is none. Raises Mismatch."""
    if not exact <= EXACT:
        raise Mismatch(_said(exact, EXACT, "float64, in which it was compared again"))
    return gap


def _said(gap: float, limit: float, dtype: str) -> str:
    return f"output differs from eager's by {gap:.2g} of its largest value, more than {limit:g} for {dtype}"
