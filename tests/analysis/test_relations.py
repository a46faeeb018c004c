"""Columns that compare points."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of, points

from harness.analysis.run import load_run


class TestScaling:
    def measure(self, raw: RawRun, scaling: str, step_ns: dict[int, int]) -> pd.DataFrame:
        cells = {n: cell_of(["eager"], devices=n, batch=12, scaling=scaling) for n in step_ns}
        raw.plan(*cells.values())
        for devices, cell in cells.items():
            raw.session(f"s{devices}", [cell], ranks=devices, step_ns=lambda *_, n=devices: step_ns[n])
        return points(raw)["scaling_efficiency"]

    def test_under_weak_scaling_a_step_that_stays_as_long_is_perfect(self, raw: RawRun) -> None:
        found = self.measure(raw, "weak", {1: 1000, 2: 1000, 4: 1250})
        assert found["eager", 1] == 1.0
        assert found["eager", 2] == pytest.approx(1.0)
        assert found["eager", 4] == pytest.approx(0.8)

    def test_under_strong_scaling_a_step_must_become_shorter(self, raw: RawRun) -> None:
        found = self.measure(raw, "strong", {1: 1000, 2: 500, 4: 500})
        assert found["eager", 2] == pytest.approx(1.0)
        assert found["eager", 4] == pytest.approx(0.5)

    def test_without_one_device_there_is_nothing_to_scale_from(self, raw: RawRun) -> None:
        assert math.isnan(self.measure(raw, "weak", {2: 1000})["eager", 2])

    def test_a_point_is_compared_with_the_same_point_and_no_other(self, raw: RawRun) -> None:
        cells = [
            cell_of(["eager"], devices=1, batch=4),
            cell_of(["eager"], devices=1, batch=12),
            cell_of(["eager"], devices=2, batch=12),
        ]
        raw.plan(*cells)
        for number, cell in enumerate(cells):
            raw.session(
                f"s{number}",
                [cell],
                ranks=cell.points[0].devices,
                step_ns=lambda *_, n=number: 1000 + 500 * n,
            )
        table = load_run(raw.directory).points.set_index(["batch", "devices"])
        assert table.loc[(12, 2), "scaling_efficiency"] == pytest.approx(1500 / 2000)
