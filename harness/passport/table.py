"""What a passport says, and two beside each other, as text.

In: passports. Out: lines. Must not import torch, nor know the command line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.cpu_time import LOADED_SHARE
from harness.core.stats.spread import ASSUMED_DRIFT
from harness.core.stats.verdicts import verdict
from harness.core.text import shown
from harness.passport.document import COSTS, RATES, Cost, Passport

# Of a 95 % interval of a normal distribution, in standard errors.
_HALF_WIDTH = 1.96


@dataclass(frozen=True)
class Compared:
    """A row of a comparison. ratio: B over A, with a 95 % interval; None where one of them is not there or may be 0.
    verdict: of B against A."""

    name: str
    a: Cost | None
    b: Cost | None
    ratio: Cost | None
    verdict: str


def compared(a: Passport, b: Passport) -> list[Compared]:
    """Of each cost and rate that either has, B against A."""
    floor = max(a.noise_floor, b.noise_floor)
    return [
        *_rows(COSTS, a.costs, b.costs, floor, more_is_faster=False),
        *_rows(RATES, a.rates, b.rates, floor, more_is_faster=True),
    ]


def _rows(
    order: Mapping[str, str],
    a: Mapping[str, Cost],
    b: Mapping[str, Cost],
    floor: float,
    *,
    more_is_faster: bool,
) -> Iterator[Compared]:
    for name in dict.fromkeys((*order, *a, *b)):
        of_a, of_b = a.get(name), b.get(name)
        if of_a is None and of_b is None:
            continue
        ratio = _ratio(of_a, of_b)
        if ratio is None:
            low = high = math.nan
        else:
            low, high = (ratio.low, ratio.high) if more_is_faster else (1 / ratio.high, 1 / ratio.low)
        yield Compared(name, of_a, of_b, ratio, verdict(low, high, floor))


def _ratio(a: Cost | None, b: Cost | None) -> Cost | None:
    """Two processes differ by more than one's own rounds do: by as much as is assumed of any machine."""
    if a is None or b is None or a.low <= 0 or b.low <= 0:
        return None
    ratio = ASSUMED_DRIFT.error(b.value, _standard(b)).over(ASSUMED_DRIFT.error(a.value, _standard(a)))
    return Cost.of(ratio.interval())


def _standard(cost: Cost) -> float:
    """The standard error of the logarithm, by the interval."""
    return math.log(cost.high / cost.low) / 2 / _HALF_WIDTH


def table(passport: Passport) -> list[str]:
    """A passport for the terminal, a line a cost."""
    head = [shown(passport.title), *_facts(passport), ""]
    rows = [["cost", "ns", "95 % interval", ""]]
    rows += [_row(name, cost, COSTS) for name, cost in _in_order(COSTS, passport.costs)]
    rows += [_row(name, rate, RATES) for name, rate in _in_order(RATES, passport.rates)]
    return [*head, *_aligned(rows), *_missing(passport), *_loaded(passport)]


def comparison(a: Passport, b: Passport) -> list[str]:
    """Two passports for the terminal, a line a cost: of A and of B, and B over A."""
    head = [
        line
        for name, each in (("A", a), ("B", b))
        for line in (f"{name}: {shown(each.title)}", *_facts(each))
    ]
    rows = [["cost (ns), rate", "A", "B", "B over A", "95 % interval", "B is"]]
    for each in compared(a, b):
        ratio = each.ratio
        rows.append(
            [
                shown(each.name),
                _number(each.a),
                _number(each.b),
                "-" if ratio is None else f"{ratio.value:.2f}",
                "-" if ratio is None else f"{ratio.low:.2f} to {ratio.high:.2f}",
                each.verdict,
            ]
        )
    of_a, of_b = _missing(a), _missing(b)
    both = [line for line in of_a if line in of_b]
    missing = [
        f"{name}: {line}" for name, lines in (("A", of_a), ("B", of_b)) for line in lines if line not in both
    ]
    return [*head, "", *_aligned(rows), *missing, *both]


def _facts(passport: Passport) -> Iterator[str]:
    facts = passport.machine
    versions = ", ".join(f"{name} {facts[name]}" for name in ("python", "torch") if name in facts)
    load = "unknown" if passport.load is None else f"{passport.load:.0%}"
    yield shown(
        f"  {versions}; made {passport.made}; noise floor {passport.noise_floor:.1%}; others' share of the cores {load}"
    )


def _loaded(passport: Passport) -> Iterator[str]:
    if passport.load is not None and passport.load > LOADED_SHARE:
        yield (
            f"Others took {passport.load:.0%} of the cores meanwhile: rates are too low, and intervals wide; measure "
            "again (--again) when it is quiet."
        )


def _in_order(order: Mapping[str, str], found: Mapping[str, Cost]) -> Iterator[tuple[str, Cost]]:
    yield from ((name, found[name]) for name in dict.fromkeys((*order, *found)) if name in found)


def _row(name: str, cost: Cost, meanings: Mapping[str, str]) -> list[str]:
    interval = f"{_plain(cost.low)} to {_plain(cost.high)}"
    return [shown(name), _plain(cost.value), interval, meanings.get(name, "")]


def _missing(passport: Passport) -> list[str]:
    return [shown(f"{name}: not measured: {why}") for name, why in passport.missing.items()]


def _number(cost: Cost | None) -> str:
    return "-" if cost is None else _plain(cost.value)


def _plain(value: float) -> str:
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names and words to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if column in (0, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
