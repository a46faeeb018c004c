"""A prediction: the cells that were asked for, from the costs of a run.

In: an analysed run with its Fit, a Target, what is asked. Out: a Prediction. Must not know files, figures or the
command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.analysis.run import Run
from harness.costs.forecast import forecast
from harness.costs.step import Fit
from harness.costs.target import Target
from harness.kernels.shape import sizes_of


@dataclass(frozen=True)
class Wanted:
    """The cells to predict. batches: samples per device, None for as many as show where modes stop being
    dispatch-bound; depths, widths: None for those of the run's models."""

    devices: Sequence[int]
    controllers: Sequence[str]
    batches: Sequence[int] | None = None
    depths: Sequence[int] | None = None
    widths: Sequence[int] | None = None


@dataclass(frozen=True)
class Prediction:
    """table: a row per cell (forecast.COLUMNS), empty where nothing of it can be predicted. notes: what was left out
    and why, a sentence each."""

    run: Run
    fit: Fit
    target: Target
    table: pd.DataFrame
    notes: tuple[str, ...] = ()


def predict(run: Run, fit: Fit, target: Target, wanted: Wanted) -> Prediction:
    """fit: that of the run's points, with at least one cost."""
    models = _models(run.points, wanted.depths, wanted.widths)
    table = forecast(fit.costs, models, wanted.batches, wanted.devices, wanted.controllers, target)
    notes = list(fit.refused)
    if target.links is None and (table["workload"] == "train").any() and max(wanted.devices) > 1:
        notes.append(
            "Training on more than one device is left out: no links are known; --profile names a node."
        )
    return Prediction(run, fit, target, table, tuple(notes))


def _models(
    points: pd.DataFrame, depths: Sequence[int] | None, widths: Sequence[int] | None
) -> list[tuple[int, ...]]:
    """Layer widths of each model: the run's, or uniform ones of the depths and widths asked for."""
    known = points[["model", "depth", "width"]].dropna().drop_duplicates()
    if depths is None and widths is None:
        named = zip(known["model"], known["depth"], known["width"], strict=True)
        return list(dict.fromkeys(sizes_of(str(m), int(d), int(w)) for m, d, w in named))
    depths = depths or sorted({int(depth) for depth in known["depth"]})
    widths = widths or sorted({int(width) for width in known["width"]})
    return [(width,) * (depth + 1) for depth in depths for width in widths]
