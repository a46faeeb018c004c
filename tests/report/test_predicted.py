"""Predicted against measured: a figure and a sentence, never without the error."""

from __future__ import annotations

import matplotlib
import pytest
from synthetic import make_points

from harness.costs.step import fit
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.drawing.style import mode_styles, theme
from harness.report.figures.kind import Context
from harness.report.figures.kinds import predicted
from harness.report.findings.kinds.predicted import FINDING
from harness.report.table.accuracy import error_words
from harness.report.table.slices import split, varying
from harness.report.table.tidy import tidy


def texts(figure: matplotlib.figure.Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_the_figure_states_its_error_on_itself_and_in_its_caption() -> None:
    table = tidy(make_points(workloads=("forward", "train"), batches=(1, 16, 256, 4096)))
    (part,) = split(table, predicted.KIND.without)
    assert predicted.KIND.drawable(part.rows)
    context = Context(mode_styles(table["mode"]), "batch")
    with matplotlib.rc_context(theme()):
        figure, caption = predicted.KIND.draw(
            part, Headline("Predicted against measured", "Test CPU"), context
        )
    told = error_words(fit(part.rows).error)
    assert told in caption
    assert told in texts(figure)
    assert "forward" in texts(figure)
    assert "train" in texts(figure)


def test_the_sentence_gives_median_and_90th_percentile() -> None:
    table = tidy(make_points(batches=(1, 16, 256, 4096)))
    (part,) = split(table, FINDING.without)
    (claim,) = FINDING.claims(part, varying(table))
    assert claim.text.startswith(
        "The cost model, fitted on half of the cells, predicts the other half within"
    )
    assert "90th percentile" in claim.text
    assert "36 points" in claim.text


def test_of_an_emulated_device_it_says_so() -> None:
    table = make_points(batches=(1, 16, 256, 4096), device_kind="emulated", device_name="Emulated thing")
    table = table.assign(issue_us=table["step_us"], device_us=table["step_us"] / 2)
    (part,) = split(tidy(table), FINDING.without)
    (claim,) = FINDING.claims(part, frozenset())
    assert claim.text.startswith("Emulated, not measured")


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_without_enough_cells_there_is_neither(kind: str) -> None:
    # On a device that has no issue times no number of cells is enough.
    batches = (1, 64) if kind == "cpu" else (1, 16, 256, 4096)
    table = tidy(make_points(depths=(4,), batches=batches, device_kind=kind))
    (part,) = split(table, predicted.KIND.without)
    assert not predicted.KIND.drawable(part.rows)
    assert FINDING.claims(part, frozenset()) == []
