"""Each shipped model in every mode, on an emulated node."""

from __future__ import annotations

from pathlib import Path

import pytest
from swept_models import FAST, SMALL, judged, modes_of, swept


@pytest.mark.long
@pytest.mark.parametrize("model", SMALL)
def test_each_in_every_mode_on_an_emulated_node(tmp_path: Path, model: str) -> None:
    modes = ",".join(modes_of(model))
    words = [f"model={model}", "batch=[2]", "devices=[1]", f"mode=[{modes}]", "monitor=none"]
    points = swept(tmp_path, *words, *FAST, "device=emulated", "emulator=h100x8")
    judged(points, model, set())
    counted = points[(points["status"] == "ok") & ~points["mode"].isin(["compile_graphs"])]
    assert (counted["launches"] >= 1).all()
    assert (
        points["device_us_model_low"].isna().all()
    )  # its kernels are not known, so nothing is said of their error


@pytest.mark.long
def test_it_is_trained_on_an_emulated_node(tmp_path: Path) -> None:
    words = ["model=transformer", "batch=[2]", "devices=[2]", "mode=[eager,symbolic,script,trace]"]
    points = swept(
        tmp_path, *words, "workload=[train]", *FAST, "monitor=none", "device=emulated", "emulator=h100x8"
    )
    judged(points, "transformer", set())
    assert (points["issue_us"] > 0).all()
