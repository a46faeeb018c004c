"""Imperative, symbolic, hybrid: how the frameworks that chose one of them compare.

In: slices over environments. Out: claims. Must not know other kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from harness.core.schema import IMPERATIVE, STYLES
from harness.core.stats.intervals import Interval
from harness.report.findings.claim import Claim, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import listed, significant, times
from harness.report.table.frameworks import WITHOUT, Comparison, Framework, Way, compared, is_compared
from harness.report.table.slices import Slice, cell_words


def _made(sentence: Callable[[Comparison, str], str]) -> Callable[[Slice, Collection[str]], list[Claim]]:
    """A claim of each slice that has several frameworks, where the sentence has something to say."""

    def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
        if not is_compared(part.rows):
            return []
        found = compared(part)
        text = sentence(found, f"{cell_words(*found.cell)}{aside(part.values, set(differing) - WITHOUT)}")
        return [Claim(1.0, group_of(part.values), lead(part.values) + text)] if text else []

    return claims


def _styles(found: Comparison, where: str) -> str:
    """Each style's fastest and slowest framework, and what tells more: the style or the framework."""
    said = []
    for style in STYLES:
        ways = list(_fastest(found, style))
        if not ways:
            continue
        first, last = ways[0], ways[-1]
        span = f"{_seconds(first)} ({_name(first)})"
        if len(ways) > 1:
            span += f" to {_seconds(last)} ({_name(last)})"
        said.append(f"{style} {span}")
    if len(said) < 2:
        return ""
    text = f"Imperative, symbolic, hybrid at {where}: 1,000 calls took, in seconds, {listed(said)}"
    return f"{text}{_spread(found)}; versions and this one machine are in every one of these figures."


def _spread(found: Comparison) -> str:
    """Whether frameworks of one style differ by more than the styles of one framework; empty where neither is known."""
    among = {style: [way.seconds.estimate for way in _fastest(found, style)] for style in STYLES}
    frameworks = max((max(values) / min(values) for values in among.values() if len(values) > 1), default=0.0)
    styles = max((gain.times.estimate for gain in _compiled(found)), default=0.0)
    if not frameworks or not styles:
        return ""
    return (
        f" (frameworks of one style differ by up to {significant(frameworks, 2)}x, the styles of one framework by up "
        f"to {significant(styles, 2)}x)"
    )


def _gains(found: Comparison, where: str) -> str:
    """What a graph brings over the same framework's imperative way, of those where its interval shows something."""
    shown = [way for way in _compiled(found) if way.times.low > 1 or way.times.high < 1]
    unsure = [way for way in _compiled(found) if way not in shown]
    if not shown:
        return ""
    texts = [f"{_name(way)} {times(way.times.estimate, way.times.low, way.times.high)}" for way in shown]
    rest = f"; nothing is shown of {listed(map(_name, unsure))}" if unsure else ""
    return (
        f"So many times as fast as its own imperative way is each framework's fastest other one at {where}: "
        f"{listed(texts)}{rest}."
    )


def _layers(found: Comparison, where: str) -> str:
    """What one more layer costs in Python, of frameworks where that is shown."""
    known = [
        (framework, cost)
        for framework in found.frameworks
        if (cost := framework.layer_costs_us).low > 0 or cost.high < 0
    ]
    if not known:
        return ""
    known.sort(key=lambda pair: pair[1].estimate)
    texts = [f"{framework.name} {_interval(cost)}" for framework, cost in known]
    return (
        "One more layer takes so many microseconds more in the imperative way than in the framework's fastest other "
        f"one, at {where}: {listed(texts)}."
    )


def _fastest(found: Comparison, style: str) -> Iterator[Way]:
    """Of each framework its fastest way of that style, the fastest first."""
    each = (
        min(own, key=lambda way: way.seconds.estimate)
        for framework in found.frameworks
        if (own := [way for way in framework.timed if way.style == style])
    )
    yield from sorted(each, key=lambda way: way.seconds.estimate)


def _compiled(found: Comparison) -> list[Way]:
    """Of each framework with an imperative way the fastest other one, the largest gain first."""
    ways = [way for framework in found.frameworks if (way := _other(framework)) is not None]
    return sorted(ways, key=lambda way: -way.times.estimate)


def _other(framework: Framework) -> Way | None:
    way = framework.compiled
    return way if way is not None and framework.imperative is not None and way.times.estimate > 0 else None


def _name(way: Way) -> str:
    return way.name if way.style == IMPERATIVE else f"{way.name} {way.mode}"


def _seconds(way: Way) -> str:
    return significant(way.seconds.estimate, 2)


def _interval(cost: Interval) -> str:
    return f"{significant(cost.estimate, 2)} [{significant(cost.low, 2)}, {significant(cost.high, 2)}]"


FINDINGS = (
    Finding("styles", WITHOUT, _made(_styles)),
    Finding("own_gains", WITHOUT, _made(_gains)),
    Finding("layers", WITHOUT, _made(_layers)),
)
