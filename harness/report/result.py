"""What a report leaves behind.

In: nothing. Out: the values that name the written files. Must not know how they are drawn or written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.report.failures import Failure

# Where figures lie in a report's folder.
FIGURES = "figures/"
# How the names of figures begin that a prediction leaves there, beside a report's.
UTILISATION, BOUND, AGAINST_MEASURED, CROSSOVERS = OF_PREDICTION = (
    "predicted-utilisation-",
    "predicted-bound-",
    "predicted-against-measured",
    "predicted-crossover",
)


@dataclass(frozen=True)
class Figure:
    """One drawn figure; width and height in CSS pixels."""

    kind: str
    title: str
    caption: str
    svg: Path
    png: Path
    width: int
    height: int
    emulated: bool = False
    # What tells it from others of its kind: `2 devices, train`; empty where it is the only one.
    label: str = ""
    # By axis, what all of its rows have; an axis that it shows itself is not among them.
    of: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class ReportPaths:
    """Every file of one report; figures in the order of the page. failed: what of it is not there, or not anew.
    findings: the sentences on the page; None where there is none."""

    csv: Path
    html: Path
    markdown: Path
    figures: list[Figure]
    failed: list[Failure] = field(default_factory=list)
    findings: list[str] | None = None
