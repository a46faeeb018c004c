"""What bounds a step, in one sentence, and what to do next.

In: a Measurement and its shares. Out: a Verdict. Must not know torch, nor how anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.stats.intervals import Interval
from harness.diagnosis.host.found import Spot, Wait
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.shares import (
    DATA,
    DEVICE,
    DISPATCH,
    INTERPRETER,
    LAUNCHES,
    OWN,
    SYNCHRONISATION,
    Shares,
)
from harness.diagnosis.what_if import Prediction

UNTOLD = "untold"
# What stands outside of torch altogether comes first from this share of a step on: no mode removes it.
COMES_FIRST = 0.25
# A share's interval that is wider than this says nothing, unless all of it lies above all others'.
WIDEST = 0.25
# Of two causes, one that has this much of the other's share is mentioned with it.
ABOUT_AS_LARGE = 0.8
# A change that is not at least this much faster is not advised.
WORTH = 1.05

BOUND_BY = {
    INTERPRETER: "bound by the interpreter",
    DISPATCH: "bound by framework dispatch",
    LAUNCHES: "bound by launches",
    DEVICE: "bound by the device",
    DATA: "bound by data",
    SYNCHRONISATION: "bound by synchronisation",
    OWN: "bound by the host, not the framework",
    UNTOLD: "not to be told",
}
IN_WORDS = {
    INTERPRETER: "Python's frames and module calls",
    DISPATCH: "torch's dispatch of operators",
    LAUNCHES: "launching kernels",
    DEVICE: "kernels",
    DATA: "waiting for data",
    SYNCHRONISATION: "the host waiting for the device",
    OWN: "code that is not the framework's",
}


@dataclass(frozen=True)
class Verdict:
    """cause: a key of BOUND_BY. sentence: one. where: lines of the user's code, the costliest first. advice: what to do
    next, cheapest first."""

    cause: str
    sentence: str
    where: tuple[str, ...]
    advice: tuple[str, ...]


def verdict_of(measured: Measurement, shares: Shares, predicted: Sequence[Prediction]) -> Verdict:
    cause, why = _cause(measured, shares)
    where = tuple(_where(measured, cause))
    said = BOUND_BY[cause]
    if cause == UNTOLD:
        sentence = f"What bounds this step is not to be told: {why}."
    else:
        at = f", most of it at {where[0]}" if where else ""
        whose, share = "its time", shares.of[cause]
        if cause in shares.of_host:
            whose, share = "the host's time to issue it", shares.of_host[cause]
        sentence = f"This step is {said}: {_percent(share)} of {whose} is {IN_WORDS[cause]}{at}{why}."
    return Verdict(cause, sentence, where, tuple(_advice(cause, where, predicted)))


def _cause(measured: Measurement, shares: Shares) -> tuple[str, str]:
    """And what is to be said beside it."""
    first = [
        (shares.of[cause].estimate, cause) for cause in (DATA, OWN, SYNCHRONISATION) if cause in shares.of
    ]
    share, cause = max(first, default=(0.0, UNTOLD))
    if share >= COMES_FIRST:
        return cause, ""
    if shares.host_bound is False:
        return DEVICE, ""
    if measured.ladder is None:
        return UNTOLD, "its parts could not be measured (" + "; ".join(measured.notes) + ")"
    if measured.whole.relative_half_width > WIDEST:
        return UNTOLD, "its time is too unsteady on this machine, as it is now"
    if shares.host_bound is None:
        return UNTOLD, "the host and the device take about as long; either alone would change little"
    causes = [each for each in (INTERPRETER, DISPATCH, LAUNCHES) if each in shares.of]
    if measured.synchronous:
        causes.append(DEVICE)
    of = {**shares.of, **shares.of_host}
    ranked = sorted(causes, key=lambda each: -of[each].estimate)
    best, second = (of[each] for each in ranked[:2])
    is_clear = best.low > second.high
    if (best.high - best.low) / 2 > WIDEST and not is_clear:
        return UNTOLD, "the parts of its time are too unsteady on this machine, as it is now"
    if second.estimate > ABOUT_AS_LARGE * best.estimate or not is_clear:
        return ranked[0], f"; {IN_WORDS[ranked[1]]} is about as large ({_percent(second)})"
    return ranked[0], ""


def _where(measured: Measurement, cause: str) -> Iterator[str]:
    seen = measured.look
    spots: dict[str, tuple[Spot, ...]] = {DATA: (*seen.data, *seen.dataset), OWN: seen.own}
    for spot in spots.get(cause, ()):
        yield f"{spot.file}:{spot.line} ({spot.function})"
    waits: tuple[Wait, ...] = seen.waits if cause == SYNCHRONISATION else ()
    for wait in waits:
        yield f"{wait.file}:{wait.line} ({wait.what}, {wait.times:g} times a step)"


def _advice(cause: str, where: Sequence[str], predicted: Sequence[Prediction]) -> Iterator[str]:
    """Cheapest first: a line of one's own, then a mode, then other hardware."""
    line = f" ({where[0]})" if where else ""
    if cause == OWN:
        yield f"Look at that line first{line}: no mode of the framework removes it."
    if cause == DATA:
        yield f"Load ahead of the step{line}: workers (num_workers), prefetching, pinned memory; no mode removes this."
    if cause == SYNCHRONISATION:
        yield f"Ask for values seldom{line}: each .item() and its like makes the host wait for the device."
    if cause == DEVICE:
        yield "Nothing that removes Python helps much: smaller numbers (bfloat16), other kernels, or more devices do."
    helped = [
        each
        for each in predicted
        if each.mode not in ("", "eager") and each.us.high < each.instead_of_us / WORTH
    ]
    # As much as it costs to try: a line for script and compile, copies of inputs for graphs, C++ for native.
    order = ("script", "compile", "cudagraph", "native")
    for each in sorted(helped, key=lambda each: order.index(each.change)):
        yield f"Try {each.change}: predicted {_speed(each)}."
    if not helped and cause in (INTERPRETER, DISPATCH, LAUNCHES):
        yield "No other mode is predicted to help by 5 % or more; more samples a step share the same overhead."
    batch = next((each for each in predicted if each.change == "batch x 2"), None)
    if batch is not None and _is_worth_it(batch) and cause not in (OWN, DATA):
        yield f"Twice the batch: predicted {_speed(batch)} for the same samples."


def _is_worth_it(each: Prediction) -> bool:
    return each.us.high < each.instead_of_us / WORTH


def _speed(each: Prediction) -> str:
    """Of times: the interval turned round."""
    low, high = each.instead_of_us / each.us.high, each.instead_of_us / each.us.low
    return f"{each.times_as_fast:.2f} times as fast [{low:.2f}, {high:.2f}]"


def _percent(share: Interval) -> str:
    if share.low == share.high:
        return f"{100 * share.estimate:.0f} %"
    return f"{100 * share.estimate:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
