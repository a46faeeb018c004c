"""Which points of two runs can be compared, and why the others cannot.

In: two Sides. Out: Pairs, and a LeftOut for each other point. Must not know ratios.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.compare.ratios import Pair
from harness.compare.side import Side
from harness.core import axes
from harness.core.schema import OK
from harness.core.warnings import LOADED, OVERSUBSCRIBED, SHARED, THROTTLED, PointWarning, names
from harness.report.table.formats import listed

# Of the conditions under which a point is measured: where one run has it and the other has not, what differs is the
# conditions.
OF_CONDITIONS: tuple[PointWarning, ...] = (OVERSUBSCRIBED, SHARED, THROTTLED)
# What most points have.
_USUAL = {
    "devices": "1",
    "workload": "forward",
    "dtype": "float32",
    "autograd": "inference",
    "environment": "here",
}
_USUAL |= {"controller": "processes"}


@dataclass(frozen=True)
class LeftOut:
    """label: the point in words."""

    key: str
    label: str
    why: str


def label(values: Mapping[str, object]) -> str:
    """A point in words, without what most points have in common."""
    told = [str(values[axes.MODEL]), f"batch {values['batch']}"]
    if str(values["devices"]) != _USUAL["devices"]:
        told.append(f"{values['devices']} devices")
    others = [name for name in axes.NAMES if name != axes.MODE]
    told += [str(values[name]) for name in others if _USUAL.get(name) != str(values[name])]
    return " ".join([*told, str(values[axes.MODE])])


def left_out(a: Side, b: Side) -> tuple[list[Pair], list[LeftOut]]:
    """What can be compared, in A's order; and what cannot."""
    of_a, of_b = a.rows(), b.rows()
    driven = [name for name, side in (("A", a), ("B", b)) if side.is_driven]
    other_worker = f"measured by a driver in {driven[0]} alone" if len(driven) == 1 else ""
    pairs, out = [], []
    for key in dict.fromkeys([*of_a, *of_b]):
        if why := _why(of_a.get(key), of_b.get(key)) or other_worker:
            out.append(LeftOut(key, label(of_a.get(key) or of_b[key]), why))
        else:
            pairs.append(Pair(of_a[key], of_b[key]))
    return pairs, out


def differing_warnings(pairs: Sequence[Pair]) -> Iterator[str]:
    """What else than conditions differs, of points that are compared notwithstanding."""
    only = {name: sum(_has(pair, LOADED) == name for pair in pairs) for name in ("A", "B")}
    if told := [f"{count} in {name} alone" for name, count in only.items() if count]:
        yield f"Points that were measured beside other programs ({LOADED.name}): {listed(told)}."


def _has(pair: Pair, warning: PointWarning) -> str:
    """Which of both alone has it; "" for neither or both."""
    in_a, in_b = (warning.name in names(row["warnings"]) for row in (pair.a, pair.b))
    return "" if in_a == in_b else "A" if in_a else "B"


def _why(a: Mapping[str, object] | None, b: Mapping[str, object] | None) -> str:
    """ "" where they can be compared."""
    if a is None or b is None:
        return "not in A" if a is None else "not in B"
    broken = [
        f"{row['status'] or 'no status'} in {name}"
        for name, row in (("A", a), ("B", b))
        if row["status"] != OK
    ]
    if broken:
        return listed(broken)
    if any(a[name] != b[name] for name in axes.AXES):
        return "not the same point, though its key is"
    if not all(isinstance(row["step_us"], float) and row["step_us"] > 0 for row in (a, b)):
        return "no step time"
    ours, theirs = (set(names(row["warnings"])) for row in (a, b))
    found = [warning.name for warning in OF_CONDITIONS if (warning.name in ours) != (warning.name in theirs)]
    return f"{listed(found)} in {'A' if found[0] in ours else 'B'} alone" if found else ""
