"""A crossover in one sentence.

In: where a contour lies at one depth. Out: text. Must not know how it was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.crossover.values import BELOW, BEYOND, GAIN, SHARE, At

# What a map shows.
TITLES = {SHARE: "dispatch share of eager", GAIN: "saved by the fastest mode"}


def said(
    kind: str,
    threshold: float,
    at: At,
    *,
    predicted: bool = False,
    beside: tuple[float, float] | None = None,
    cpu: bool = False,
) -> str:
    """`At depth 48 the interpreter stops mattering (dispatch share below 10 %) from batch 910 [700, 1,200] on.` beside:
    measured batches below and above, between which the whole interval lies. cpu: the share is of a CPU, where nothing
    waits."""
    where = f"At depth {at.depth:.0f} the" if at.depth > 0 else "The"
    limit = (
        f"fastest mode saves less than {100 * threshold:g} % of eager's step"
        if kind == GAIN
        else f"less than {100 * threshold:g} % of the step saved without Python"
        if cpu
        else f"dispatch share below {100 * threshold:g} %"
    )
    reach = (
        f"every batch {'asked about' if predicted else 'measured'}, {rounded(at.least)} to {rounded(at.most)}"
    )
    if not at.known:
        return f"{where} interpreter may or may not matter ({limit}): the intervals cannot tell."
    if predicted and not at.placed:
        low, high = end_words(at)
        it = f"At depth {at.depth:.0f} it" if at.depth > 0 else "It"
        text = f"{it} is not known where the interpreter stops mattering ({limit})"
        return f"{text}: anywhere from batch {low} to {high}."
    if at.side == BELOW:
        text = f"{where} interpreter does not matter ({limit}) at {reach}"
        if math.isinf(at.high):
            return f"{text}, though the intervals reach beyond."
        return f"{text}{f', surely from batch {rounded(at.high)} on' if at.high > at.least else ''}."
    if at.side == BEYOND:
        text = f"{where} interpreter still matters at {reach}; "
        text += f"where it stops ({limit}) lies beyond batch {rounded(at.most)}"
        return f"{text}{f', perhaps from batch {rounded(at.low)}' if 0 < at.low < at.most else ''}."
    if beside is not None:
        below, above = map(rounded, beside)
        text = f"{where} interpreter stops mattering ({limit}) between batch {below} and {above}, which were measured"
        return f"{text}; by the model between them from about {batch_words(at)} on."
    return f"{where} interpreter stops mattering ({limit}) from batch {batch_words(at)} on."


def batch_words(at: At) -> str:
    """`910 [700, 1,200]`; `[below 1, 1,200]`, `[700, beyond 4,096]` where an end is not in what is known."""
    low, high = end_words(at)
    return f"{rounded(at.batch)} [{low}, {high}]"


def end_words(at: At) -> tuple[str, str]:
    """The ends of an interval, each a batch or what it is below or beyond."""
    low = rounded(at.low) if at.low > 0 else f"below {rounded(at.least)}"
    high = rounded(at.high) if math.isfinite(at.high) else f"beyond {rounded(at.most)}"
    return low, high


def rounded(batch: float) -> str:
    """Two digits, as far as such a batch is known: 912 -> 910; powers of two and what else was measured stay."""
    if batch < 1:
        return f"{batch:.1g}"
    if abs(math.log2(batch) - round(math.log2(batch))) < 1e-6:
        return f"{batch:,.0f}"
    digits = max(math.floor(math.log10(batch)) - 1, 0)
    return f"{round(batch, -digits):,.0f}"


def deepest(contour: Sequence[At]) -> At:
    """Where the contour lies at the deepest measured depth, where dispatch costs most; of one none of whose depths were
    measured at its deepest."""
    return max(contour, key=lambda at: (at.measured, at.depth))
