"""What a run was measured on, by and with, as far as it says so; and what two runs differ in.

In: a run's environment.json and points, which may be anybody's. Out: short texts by name. Must not know records, nor
what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.core.spoilers import spoilers_in
from harness.duel.facts import ABSENT, LONG
from harness.duel.facts import differing as facts_apart
from harness.report.table.formats import listed, one_line

# What makes two machines of it: times of both tell of machines, and not of what was changed.
DEVICE_KIND = "device kind"
OF_THE_MACHINE = (DEVICE_KIND, "device", "host", "cpu")
EMULATED = "emulated"
# As environment.json has them; "" where one is not there.
_PLACES: Mapping[str, tuple[str, ...]] = {
    DEVICE_KIND: ("device_kind",),
    "device": ("device_name",),
    "host": ("host",),
    "cpu": ("cpu", "name"),
    "cores": ("cpu", "cores_usable"),
    "torch": ("torch", "torch"),
    "python": ("python",),
    "interpreter lock": ("interpreter_lock",),
    "driver": ("nvidia_driver",),
    "governor": ("cpu", "governor"),
    "harness": ("source",),
    "harness sources": ("source_digest",),
    "system": ("system",),
}
_PACKAGES = ("numpy", "pandas", "scipy")
_OF_POINTS = {"threads": "threads", DEVICE_KIND: "device_kind", "device": "device_name"}
# Revisions of the harness: of these a change shows who measured, and not what.
VERSIONS = ("torch", "python", "harness", "harness sources", "driver")


def facts_of(environment: Mapping[str, Any], points: pd.DataFrame) -> dict[str, str]:
    """Name -> what it was; what is not known has no name. points: the tidy table."""
    found = {name: _at(environment, place) for name, place in _PLACES.items()}
    for name, column in _OF_POINTS.items():
        values = points.loc[points["ok"], column]
        texts = dict.fromkeys(_text(value) for value in values)
        told = listed([text for text in texts if text])
        found[name] = one_line(found.get(name) or told, LONG)
    packages = environment.get("packages")
    if isinstance(packages, dict):
        found |= {name: _text(packages.get(name)) for name in _PACKAGES}
    variables = environment.get("variables")
    if isinstance(variables, dict):
        set_ones = {str(name): str(value) for name, value in variables.items()}
        distorting = [f"{name}={set_ones[name]}" for name in spoilers_in(set_ones)]
        found["variables that distort"] = one_line(" ".join(distorting), LONG)
    return {name: text for name, text in found.items() if text}


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Fact, a's, b's, in the order above; of what only one of them says the other's is ABSENT."""
    order = [*_PLACES, *_OF_POINTS]
    rows = facts_apart(a, b)
    return sorted(rows, key=lambda row: order.index(row[0]) if row[0] in order else len(order))


def both_say(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Those of differing that are known of both."""
    return [row for row in differing(a, b) if ABSENT not in row[1:]]


def apart(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Why the two are not of one machine, in words; "" where nothing says so."""
    found = [row for row in both_say(a, b) if row[0] in OF_THE_MACHINE]
    for name, of_a, of_b in found:
        if name == DEVICE_KIND and EMULATED in (of_a, of_b):
            return f"{of_a} in A, {of_b} in B: one is modelled, the other measured"
    return "; ".join(f"{name}: {of_a} in A, {of_b} in B" for name, of_a, of_b in found)


def _at(environment: Mapping[str, Any], place: tuple[str, ...]) -> str:
    value: Any = environment
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return _text(value)


def _text(value: object) -> str:
    """Of a plain value; of anything else nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return one_line(str(value), LONG) if isinstance(value, (str, int)) else ""
