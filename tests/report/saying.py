"""What tests ask of figures and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.files.made import Made
from harness.report.figures import draw
from harness.report.result import Figure
from harness.report.table.tidy import tidy


def drawn(points: pd.DataFrame, folder: Path, **options: Any) -> tuple[list[Figure], list[str]]:
    result = draw(tidy(points), Made(folder), **options)
    assert not [text for text in result.omitted if text.startswith("Could not draw")]
    return result.figures, result.omitted


def kinds(figures: Sequence[Figure]) -> set[str]:
    """When predictions are drawn depends on the model of cost: test_predicted tells."""
    return {figure.kind for figure in figures} - {"predicted"}


def caption(figures: Sequence[Figure], kind: str) -> str:
    return next(figure.caption for figure in figures if figure.kind == kind)


def said(sentences: Sequence[str], *parts: str) -> list[str]:
    return [text for text in sentences if all(part in text for part in parts)]


def speedup(value: float, low: float, high: float) -> dict[str, float]:
    return {"speedup_vs_eager": value, "speedup_low": low, "speedup_high": high}
