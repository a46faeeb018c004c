"""Each shipped model in every mode, on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from swept_models import FAST, ON_GPUS, SMALL, judged, modes_of, swept


@pytest.mark.long
@pytest.mark.parametrize("model", SMALL)
def test_each_in_every_mode_on_a_cpu(tmp_path: Path, model: str) -> None:
    modes = modes_of(model)
    words = [
        f"model={model}",
        "batch=[2]",
        "devices=[1]",
        f"mode=[{','.join(modes)}]",
        "workload=[forward,train]",
    ]
    points = swept(tmp_path, *words, *FAST, "device=cpu")
    assert len(points) == 2 * len(modes)
    judged(points[points["workload"] == "forward"], model, {*ON_GPUS})
    judged(points[points["workload"] == "train"], model, {*ON_GPUS, "frozen", "aoti", "native"})
