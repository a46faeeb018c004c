"""What a figure and its files are called.

In: a kind's title and the values of a slice. Out: a Headline, a file's name. Must not know how anything is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from harness.core import axes
from harness.report.figures.drawing.sheet import Headline
from harness.report.table.slices import Slice, words


def headline(title: str, part: Slice, names: Collection[str]) -> Headline:
    """What differs within the report (the axes in `names`) stands in the title, the rest below."""
    first = [*names, "run", "devices", "width", "family", "workload"]
    always = [name for name in first if name not in ("emulated", "device_name", "device_kind")]
    values = part.values
    if not values["run"]:
        always = [name for name in always if name != "run"]
    beside = [name for name in ("dtype", "autograd", "controller") if name not in names]
    if values.get(axes.ENVIRONMENT) != axes.DEFAULTS[axes.ENVIRONMENT] and axes.ENVIRONMENT not in names:
        beside.append(axes.ENVIRONMENT)
    device = f"{values['device_name'] or 'unnamed device'} ({values['device_kind']})"
    whole = ": ".join(filter(None, [title, ", ".join(words(values, always))]))
    return Headline(whole, ", ".join([device, *words(values, beside)]), part.emulated)


def file_name(texts: Iterable[str]) -> str:
    """Lower-case letters, digits and hyphens, 80 at most."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(texts).lower()).strip("-")[:80].strip("-")
