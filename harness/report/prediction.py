"""The files of a prediction.

In: a Prediction. Out: predicted.csv and figures. Must not know how costs are fitted, nor the command line. Importing it
is cheap: what draws is imported when it draws.
"""

from __future__ import annotations

from pathlib import Path

from harness.costs.prediction import Prediction
from harness.report.destination import destination
from harness.report.result import FIGURES

TABLE = "predicted.csv"


def write_prediction(prediction: Prediction, out: Path) -> list[Path]:
    """Write into the folder `out`; answers the CSV and the SVGs.

    Raises ConfigError where `out` holds somebody else's files of these names, OSError where it cannot be written.
    """
    from harness.report.plotting import load_matplotlib

    load_matplotlib()
    from harness.report.figures.of_prediction import draw_prediction

    made = destination([prediction.run], out, TABLE, FIGURES)
    text = prediction.table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return [made.write_text(TABLE, text), *draw_prediction(prediction, made)]
