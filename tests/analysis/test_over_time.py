"""What was sampled beside a run, over time."""

from __future__ import annotations

from pathlib import Path

import pytest
from points_of_samples import loaded
from raw_runs import cell_of
from sampled_runs import GPUS, Sampler, sampled_run, steady


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "run"


class TestTimeline:
    def test_it_has_a_line_per_device_and_a_stretch_per_cell(self, at: Path) -> None:
        cells = [cell_of(batch=10), cell_of(batch=20)]
        raw = sampled_run(at, {0: steady(50.0), 1: steady(0.0, 60.0)}, cells=cells)
        line = loaded(raw).timeline
        assert set(line.samples["device"]) == set(GPUS[:2])
        means = line.samples.groupby("device")[["util_pct", "power_w"]].mean()
        assert means.to_numpy().tolist() == [[50.0, 200.0], [0.0, 60.0]]
        assert line.spans["cell"].tolist() == ["batch 10", "batch 20"]
        assert (line.spans["start"] < line.spans["end"]).all()

    def test_a_long_run_is_shortened(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, window_s=40.0)
        assert 100 < len(loaded(raw).timeline.samples) <= 401

    def test_days_between_two_sweeps_are_cut_short(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        later = raw.now_ns + 10**15
        Sampler(at).sample(later, later + 10**9, {0: steady()})
        assert loaded(raw).timeline.samples["seconds"].max() < 20

    def test_without_samples_it_is_empty(self, at: Path) -> None:
        assert loaded(sampled_run(at, {0: steady()}, sampler=False)).timeline.samples.empty
