"""What samplers saw, in figures and sentences: drawn where it is there, and where it misleads, that is said."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import make_points, make_run
from test_figures import drawn, kinds

from harness.analysis.sampled.over_time import SAMPLES, SPANS, Timeline
from harness.core.files.made import Made
from harness.report import findings, write_report
from harness.report.figures import draw
from harness.report.figures.drawing.sheet import Headline
from harness.report.figures.kinds.timeline import MOST_SPANS, drawable
from harness.report.figures.kinds.timeline import draw as draw_timeline
from harness.report.figures.save import save
from harness.report.table.tidy import tidy

WATTS = {"eager": 300.0, "script": 250.0, "trace": 240.0}


def sampled_points(util: float | None = None, **axes: Any) -> pd.DataFrame:
    """The device works for half of an eager step; NVML says so, or always `util`."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        share = 0.5 if row["mode"] == "eager" else 0.2
        told = 100 * (1 - share) if util is None else util
        apart = abs(told - 100 * (1 - share)) > 10
        return {
            "dispatch_share": share,
            "device_us": row["step_us"] * (1 - share),
            "util_mean_pct": told,
            "sm_active_pct": told / 2,
            "power_mean_w": WATTS[row["mode"]],
            "energy_mj_per_sample": WATTS[row["mode"]] * row["step_us"] / row["batch"] / 1e3,
            "warnings": "utilisation_differs" if apart else "",
        }

    return make_points(**{"device_kind": "cuda", **axes}, change=change)


def timeline(devices: int = 2, cells: int = 3, sessions: int = 1, **more: Any) -> Timeline:
    seconds = np.linspace(0, 60, 200)
    tables = [
        pd.DataFrame(
            {
                "host": "here",
                "device": f"GPU-{n:08x}-1",
                "seconds": seconds,
                "util_pct": 50.0,
                "power_w": 90.0,
            }
        )
        for n in range(devices)
    ]
    edges = np.linspace(5, 55, cells + 1)
    spans = [
        (f"s{at * sessions // cells}", f"batch {at}", "here", start, end)
        for at, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    samples = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SAMPLES))
    return Timeline(samples.assign(**more), pd.DataFrame(spans, columns=list(SPANS)))


def caption(points: pd.DataFrame, folder: Path, kind: str, **options: Any) -> str:
    figures, _ = drawn(points, folder, **options)
    return next(figure.caption for figure in figures if figure.kind == kind)


ONE_CELL: dict[str, Any] = {
    "depths": (4,),
    "batches": (8,),
}  # few figures are drawn of it beside those asked for


class TestFigures:
    def test_they_are_drawn_of_what_was_sampled_and_only_then(self, tmp_path: Path) -> None:
        new = {"utilisation", "energy", "timeline"}
        figures, _ = drawn(
            sampled_points(depths=(4,), batches=(1, 8)), tmp_path / "with", timelines={"": timeline()}
        )
        assert new <= kinds(figures)
        figures, _ = drawn(
            make_points(device_kind="cuda", **ONE_CELL), tmp_path / "without", timelines={"": Timeline()}
        )
        assert not new & kinds(figures)

    def test_a_single_cell_has_them_too(self, tmp_path: Path) -> None:
        figures, _ = drawn(sampled_points(**ONE_CELL), tmp_path)
        assert kinds(figures) == {"modes", "utilisation", "energy"}

    def test_a_mode_that_was_not_sampled_harms_none(self, tmp_path: Path) -> None:
        points = sampled_points(**ONE_CELL)
        points.loc[points["mode"] == "trace", ["util_mean_pct", "energy_mj_per_sample"]] = np.nan
        assert {"utilisation", "energy"} <= kinds(drawn(points, tmp_path)[0])

    def test_the_caption_counts_where_utilisation_misleads(self, tmp_path: Path) -> None:
        assert "10 points:" not in caption(sampled_points(**ONE_CELL), tmp_path / "a", "utilisation")
        text = caption(sampled_points(98.0, **ONE_CELL), tmp_path / "b", "utilisation")
        assert "Further apart than 10 points: 3 of 3 points" in text

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            (timeline(), "each of the cells, light and dark in turn (1 batch 0; 2 batch 1; 3 batch 2)"),
            (timeline(devices=12), "Drawn: the first 8 devices."),
            (
                timeline(cells=MOST_SPANS + 10, sessions=2),
                "each of the sessions, light and dark in turn (1 s0; 2 s1)",
            ),
            (timeline(cells=40), "the time of each of 40 cells"),
            (dataclasses.replace(timeline(), spans=Timeline().spans), "nothing, since no cell was measured"),
            (timeline(util_pct=np.nan), "2 devices"),
            (timeline(power_w=0.0), "2 devices"),
        ],
        ids=["cells", "devices", "sessions", "many", "none", "power-alone", "no-power"],
    )
    def test_a_timeline_says_what_is_shaded(self, tmp_path: Path, line: Timeline, says: str) -> None:
        assert drawable(line)
        figure, text = draw_timeline(line, Headline("title", "subtitle"))
        assert says in text
        save(figure, tmp_path, "timeline")

    def test_every_run_has_its_own_timeline(self, tmp_path: Path) -> None:
        runs = [
            dataclasses.replace(make_run(sampled_points(**ONE_CELL), label=label), timeline=timeline())
            for label in ("before", "after")
        ]
        paths = write_report(runs, tmp_path)
        titles = [figure.title for figure in paths.figures if figure.kind == "timeline"]
        assert titles == [f"Utilisation and power over time: run {label}" for label in ("before", "after")]
        assert len({figure.svg for figure in paths.figures}) == len(paths.figures)

    def test_emulated_devices_are_marked(self, tmp_path: Path) -> None:
        table = tidy(sampled_points(device_kind="emulated", **ONE_CELL))
        figures = draw(table, Made(tmp_path), timelines={"": timeline()}).figures
        assert all(figure.emulated for figure in figures)


class TestFindings:
    def test_busy_by_nvml_and_waiting_by_the_clock_is_told_with_the_reason(self) -> None:
        text = next(text for text in findings(sampled_points(98.0)) if "NVML" in text)
        assert text == (
            "NVML reports a utilisation of 98 % for eager at depth 2, batch 1 on 1 device, although the device waits "
            "during 50 % of the step: it counts any time in which any kernel runs. The two are more than 10 points "
            "apart in 27 of 27 points."
        )

    def test_less_than_the_device_works_has_no_such_reason(self) -> None:
        text = next(text for text in findings(sampled_points(10.0)) if "NVML" in text)
        assert "although the device waits during only 20 % of the step when it is timed" in text

    def test_agreement_is_told_too(self) -> None:
        text = next(text for text in findings(sampled_points()) if "NVML" in text)
        assert text.endswith("within 10 points, in all of 27 points.")

    def test_energy_is_compared_within_a_cell(self) -> None:
        text = next(
            text for text in findings(sampled_points(depths=(4,), batches=(1, 8))) if "Energy" in text
        )
        # 4 layers: eager 4 + 4 x 9.02 us, trace 4 + 4 x 2.52 us a step.
        assert text == (
            "Energy per sample differs most at depth 4, batch 1 on 1 device: trace takes 3.38 mJ and eager 12.0 mJ, "
            "3.56 times as much."
        )

    def test_a_difference_within_the_error_is_none(self) -> None:
        points = sampled_points(depths=(4,)).assign(energy_mj_per_sample=1.0)
        assert any("No mode takes 10 % more energy per sample" in text for text in findings(points))

    def test_nothing_is_said_of_what_was_not_sampled(self) -> None:
        texts = " ".join(findings(make_points(device_kind="cuda")))
        assert "NVML" not in texts
        assert "nergy" not in texts
