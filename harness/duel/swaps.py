"""Which component carries a difference: A with one component of B's at a time, in the same rounds as A and B.

In: the parts of two environments; what was found of each swap. Out: what is to be measured, a sentence. Must not know
how anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from harness.core.stats.verdicts import FASTER, SLOWER, UNDECIDED
from harness.duel.contestants import Parts
from harness.duel.contrasts import INTERACTION, RATIO
from harness.duel.judged import Finding, Judgement

PYTHON, FRAMEWORK, REST = "python", "torch", "the rest"
_SWAPS: Mapping[str, Callable[[Parts, Parts], Parts]] = {
    PYTHON: lambda a, b: replace(a, python=b.python),
    FRAMEWORK: lambda a, b: replace(a, framework=b.framework),
    REST: lambda a, b: replace(a, rest=b.rest),
}
_BEYOND = (FASTER, SLOWER)


def swapped(a: Parts, b: Parts) -> dict[str, Parts]:
    """Component -> A with B's, for those that differ."""
    found = {component: swap(a, b) for component, swap in _SWAPS.items()}
    return {component: parts for component, parts in found.items() if parts != a}


def components(judgement: Judgement) -> dict[str, Finding]:
    """Of those that were swapped, the largest effect first."""
    found = {name: each for name, each in judgement.found.items() if name in _SWAPS}
    return dict(sorted(found.items(), key=lambda item: -abs(math.log(item[1].ratio.estimate))))


def sentence(judgement: Judgement) -> str:
    """What carries the difference between A and B."""
    total, beyond = judgement.found[RATIO], judgement.found.get(INTERACTION)
    effects = components(judgement)
    carriers = [name for name, each in effects.items() if each.verdict in _BEYOND]
    together = beyond is not None and beyond.verdict in _BEYOND
    if not carriers and not together:
        if total.verdict in _BEYOND:
            return f"B is {total.verdict}, and no single component shows a difference that is decided."
        return f"No component carries a difference that is decided (B beside A: {total.verdict})."
    said = [*(_carried(name, effects[name]) for name in carriers)]
    if together and beyond is not None:
        said.append(f"an interaction of components ({_ratio(beyond)} beyond what each brings alone)")
    tail = list(_left(beyond, effects))
    return f"The difference is carried by {', and by '.join(said)}.{' '.join(['', *tail])}"


def _carried(name: str, effect: Finding) -> str:
    return f"{name} ({_ratio(effect)} of A's speed, {effect.verdict})"


def _left(beyond: Finding | None, effects: Mapping[str, Finding]) -> Iterator[str]:
    if beyond is not None and beyond.verdict not in _BEYOND:
        yield f"Interaction: {_ratio(beyond)}, {beyond.verdict}."
    if unknown := [name for name, each in effects.items() if each.verdict == UNDECIDED]:
        yield f"Undecided: {', '.join(unknown)}."


def _ratio(finding: Finding) -> str:
    ratio = finding.ratio
    return f"{ratio.estimate:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
