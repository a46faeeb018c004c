"""All figures of a prediction.

In: a Prediction. Out: SVG and PNG files. Must not know how costs are fitted, nor the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib

from harness.core.files.made import Made
from harness.costs.prediction import Prediction
from harness.costs.step import of_cost
from harness.crossover.predicted import predicted_crossovers
from harness.report.figures import crossover_devices
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import mode_styles, theme
from harness.report.figures.kind import Context
from harness.report.figures.kinds import predicted
from harness.report.figures.predictions import draw_bound, draw_utilisation
from harness.report.figures.save import files_of, save
from harness.report.result import AGAINST_MEASURED, BOUND, CROSSOVERS, UTILISATION
from harness.report.table.accuracy import error_words
from harness.report.table.slices import split
from harness.report.table.tidy import tidy


def draw_prediction(prediction: Prediction, made: Made) -> list[Path]:
    """predicted-*.svg and .png; answers the SVGs."""
    written = []
    with matplotlib.rc_context(theme()):
        for name, picture in _figures(prediction):
            made.claim(*files_of(name))
            written.append(save(picture, made.folder, name)[0])
    return written


def _figures(prediction: Prediction) -> Iterator[tuple[str, matplotlib.figure.Figure]]:
    points, table = prediction.run.points, prediction.table
    error = error_words(prediction.fit.error)
    styles = mode_styles({*table["mode"], *points["mode"]})
    for number, part in enumerate(split(tidy(points), predicted.KIND.without)):
        if predicted.drawable(part.rows):
            head = Headline("Predicted against measured", str(part.values["device_name"]), part.emulated)
            name = AGAINST_MEASURED + (f"-{number}" if number else "")
            yield name, predicted.draw(part, head, Context(styles, "batch"))[0]
    if prediction.target.profile is not None:
        found = predicted_crossovers(prediction.run, [prediction.target.profile])
        if crossover_devices.drawable(found):
            head = Headline(crossover_devices.TITLE, f"model {error}")
            yield CROSSOVERS, crossover_devices.draw(found, head)[0]
    table = table.assign(marked=table["extrapolated"] != "")
    for (workload, dtype, autograd), rows in table.groupby(["workload", "dtype", "autograd"], sort=False):
        of = of_cost(str(workload), str(dtype), str(autograd))
        for width in sorted({rows["width"].min(), rows["width"].max()}):
            own = rows[rows["width"] == width]
            about = f"{prediction.target.name}, width {width}, {workload}"
            beneath = f"Predicted, not measured, {', '.join(of[1:])}; model {error}"
            stem = f"{'-'.join(of).replace(' ', '-').replace('_', '-')}-{width}"
            deepest = own[own["depth"] == own["depth"].max()]
            head = Headline(f"Predicted utilisation: {about}, depth {own['depth'].max()}", beneath)
            yield f"{UTILISATION}{stem}", draw_utilisation(deepest, head, styles, error)[0]
            if own["bound_until_batch"].notna().any():
                head = Headline(f"Predicted end of dispatch-bound: {about}", beneath)
                yield f"{BOUND}{stem}", draw_bound(own, head, styles, error)[0]
