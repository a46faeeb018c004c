"""What the maps of the page's slider are called.

In: the data of the maps (harness.crossover.data.crossover_data). Out: the same with a label each. Must not know how
they were found, nor HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.crossover.words import TITLES
from harness.report.table.slices import words


def labelled(data: Mapping[str, Any]) -> dict[str, Any]:
    """Each map's `label`: what it shows, and in the words of the figures' titles what it differs in from the others."""
    measured, predicted = data["maps"], data["predicted"]
    names = _differing([dict(each["of"]) for each in (*measured, *predicted)])
    return {
        **data,
        "maps": [_with_label(each, names, ()) for each in measured],
        "predicted": [_with_label(each, names, ("predicted",)) for each in predicted],
    }


def _differing(of: Sequence[Mapping[str, Any]]) -> list[str]:
    """The axes on which maps differ; not the kind of device where its name says it."""
    names = [name for name in (of[0] if of else ()) if len({each.get(name) for each in of}) > 1]
    kinds: dict[Any, set[Any]] = {}
    for each in of:
        kinds.setdefault(each.get("device_name"), set()).add(each.get("device_kind"))
    said = all(len(own) == 1 for own in kinds.values())
    return [name for name in names if name != "device_kind" or not said]


def _with_label(each: Mapping[str, Any], names: Sequence[str], how: Sequence[str]) -> dict[str, Any]:
    of = {name: value for name, value in each["of"].items() if value != "" or name == "device_name"}
    said = [text for text in words(of, names) if text not in how]
    return {**each, "label": ", ".join([TITLES[each["kind"]], *how, *said])}
