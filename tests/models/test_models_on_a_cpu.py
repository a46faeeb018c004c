"""Each shipped model in every mode, on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from swept_models import FAST, ON_GPUS, SMALL, judged, swept

from harness.modes import mode_names


@pytest.mark.long
@pytest.mark.parametrize("model", SMALL)
def test_each_in_every_mode_on_a_cpu(tmp_path: Path, model: str) -> None:
    modes = ",".join(mode_names())
    words = [f"model={model}", "batch=[2]", "devices=[1]", f"mode=[{modes}]", "workload=[forward,train]"]
    # A compiler takes longest over a backward pass, and is tried on two of them.
    slow = [] if model in ("convnet", "transformer") else ["exclude=[{workload: train, mode: compile}]"]
    points = swept(tmp_path, *words, *slow, *FAST, "device=cpu")
    assert len(points) == 2 * len(mode_names()) - len(slow)
    judged(points[points["workload"] == "forward"], model, {*ON_GPUS})
    judged(points[points["workload"] == "train"], model, {*ON_GPUS, "frozen", "aoti", "native"})
