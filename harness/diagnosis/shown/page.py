"""A diagnosis as HTML: a page of its own, and what a notebook shows.

In: a Diagnosis. Out: HTML that needs nothing else. Must not know how anything was measured.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from harness.diagnosis.shown.drawing import draw
from harness.report.page import templates
from harness.report.shown.image import inline

if TYPE_CHECKING:
    from harness.diagnosis.shown.result import Diagnosis


def page(found: Diagnosis) -> str:
    """diagnosis.html."""
    return templates().get_template("diagnosis.html.j2").render(title=found.name, **_parts(found, "svg"))


def fragment(found: Diagnosis) -> str:
    """For a notebook's cell."""
    return templates().get_template("diagnosis_parts.html.j2").render(**_parts(found, "png"))


def _parts(found: Diagnosis, kind: str) -> dict[str, Any]:
    return {
        "sentence": found.verdict.sentence,
        "facts": list(found.facts()),
        "where": found.verdict.where,
        "advice": found.verdict.advice,
        "image": _image(found, kind),
        "tables": list(found.tables()),
    }


def _image(found: Diagnosis, kind: str) -> str:
    if found.measured.ladder is None and not found.predicted:
        return ""
    figure = draw(found, kind)
    return (
        inline(figure)
        if kind == "svg"
        else f"data:image/png;base64,{base64.b64encode(figure).decode('ascii')}"
    )
