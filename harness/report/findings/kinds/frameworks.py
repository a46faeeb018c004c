"""Imperative, symbolic, hybrid: how the frameworks that chose one of them compare.

In: slices over environments. Out: claims. Must not know other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator

from harness.core.schema import IMPERATIVE, STYLES
from harness.core.stats.intervals import Interval
from harness.report.findings.claim import Claim, Crux, aside, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.table.formats import listed, ratio, significant, times
from harness.report.table.frameworks import WITHOUT, Comparison, Framework, Way, compared, is_compared
from harness.report.table.slices import Slice, cell_words


def _made(
    sentence: Callable[[Comparison, str], str],
    crux: Callable[[Comparison, str], Crux | None] = lambda found, where: None,
) -> Callable[[Slice, Collection[str]], list[Claim]]:
    """A claim of each slice that has several frameworks, where the sentence has something to say."""

    def claims(part: Slice, differing: Collection[str]) -> list[Claim]:
        if not is_compared(part.rows):
            return []
        found = compared(part)
        where = f"{cell_words(*found.cell)}{aside(part.values, set(differing) - WITHOUT)}"
        if not (text := sentence(found, where)):
            return []
        depth, batch = found.cell
        at = ("depth", depth), ("batch", batch)
        return [Claim(1.0, group_of(part.values), lead(part.values) + text, at=at, crux=crux(found, where))]

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
    if len(said) < 2 and not _among(found):
        return ""
    text = f"Imperative, symbolic, hybrid at {where}: 1,000 calls took, in seconds, {listed(said)}"
    return f"{text}{_spread(found)}; versions and this one machine are in every one of these figures."


def _comes_down_to(found: Comparison, where: str) -> Crux | None:
    """What a graph brings where it brings most, beside how far frameworks of one style differ; where no such gain is
    shown, how far the frameworks do. None where one framework alone has a time there."""
    ways = sorted(
        (best for each in found.frameworks if (best := each.fastest)), key=lambda way: way.seconds.estimate
    )
    if len({str(way.row["framework"]) for way in ways}) < 2:
        return None
    head, row = (
        lead(found.part.values),
        (*found.part.values.items(), *zip(("depth", "batch"), found.cell, strict=True)),
    )
    first, last = ways[0], ways[-1]
    beside = (
        f"Fastest of all is {_named(first)}, with {_taken(first)} for 1,000 calls; the slowest framework is "
        f"{last.name}, whose fastest way ({last.mode}) takes {_taken(last)}."
    )
    best = next((way for way in _compiled(found) if way.times.low > 1), None)
    if best is not None:
        gain = times(best.times.estimate, best.times.low, best.times.high)
        among = _among(found)
        apart = f", while frameworks of one style differ by up to {significant(among, 2)}x" if among else ""
        own = _imperative_of(found, best)
        brief = f"{head}At {where}, {_named(best)} runs {gain} as fast as {own}, its own imperative way"
        brief += f"{_most(found)}{apart}."
        of = f"{_named(best)} over {own}, its own imperative way{_most(found)}"
        return Crux(brief, f"{ratio(best.times.estimate)}x", of, beside, row)
    brief = f"{head}At {where}, no graph is shown to run faster than the same framework's imperative way."
    if not last.seconds.low > first.seconds.high:
        return Crux(brief, beside=beside, row=row)
    apart = f"{significant(last.seconds.estimate / first.seconds.estimate, 2)}x"
    return Crux(
        brief, apart, "between the fastest and the slowest framework, each by its fastest way", beside, row
    )


def _among(found: Comparison) -> float:
    """How far frameworks of one style differ at most, as a factor; 0 where each style has one alone."""
    among = ([way.seconds.estimate for way in _fastest(found, style)] for style in STYLES)
    return max((max(values) / min(values) for values in among if len(values) > 1), default=0.0)


def _spread(found: Comparison) -> str:
    """Whether frameworks of one style differ by more than the styles of one framework; empty where neither is known."""
    frameworks = _among(found)
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


def _imperative_of(found: Comparison, best: Way) -> str:
    """The other side of a way's gain."""
    ways = (each.imperative for each in found.frameworks if each.compiled is best)
    return next((_named(way) for way in ways if way is not None), "")


def _most(found: Comparison) -> str:
    """That other frameworks gain less, where there are others with a gain."""
    return ": the largest gain of a graph here" if len(_compiled(found)) > 1 else ""


def _name(way: Way) -> str:
    return way.name if way.style == IMPERATIVE else f"{way.name} {way.mode}"


def _named(way: Way) -> str:
    return f"{way.name} {way.mode}"


def _taken(way: Way) -> str:
    """With its interval, where it has one."""
    known = math.isfinite(way.seconds.low) and math.isfinite(way.seconds.high)
    return f"{_interval(way.seconds) if known else _seconds(way)} s"


def _seconds(way: Way) -> str:
    return significant(way.seconds.estimate, 2)


def _interval(cost: Interval) -> str:
    return f"{significant(cost.estimate, 2)} [{significant(cost.low, 2)}, {significant(cost.high, 2)}]"


FINDINGS = (
    Finding("styles", WITHOUT, _made(_styles, _comes_down_to), shown_by=("frameworks",)),
    Finding("own_gains", WITHOUT, _made(_gains), shown_by=("frameworks",)),
    Finding("layers", WITHOUT, _made(_layers)),
)
