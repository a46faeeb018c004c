"""Whatever stands in the files of samplers: no traceback, and utilisation, power and time that can be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from examples import EXAMPLES, JSON
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.sampled.notes import notes_on_sampling
from harness.analysis.sampled.over_time import make_timeline
from harness.analysis.sampled.samples import read_samples

NODE = {"type": "node", "host": "h", "hz": 10, "devices": [{"uuid": "GPU-1", "pci": "0:1:0"}], "cores": 2}
SAMPLE = {
    "type": "sample",
    "t_ns": 10**9,
    "devices": [{"util": 50, "power_w": 100.0, "energy_j": 1.0, "throttle": [], "others": []}],
    "host": {"busy_s": 1.0, "own_s": 0.5},
}
LINES = (
    NODE,
    SAMPLE,
    {**SAMPLE, "t_ns": 2 * 10**9},
    {"type": "event", "what": "slow", "t_ns": 5},
    {"type": "end"},
)


@EXAMPLES
@given(data=st.data())
def test_lines_with_fields_changed(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    records = json.loads(json.dumps(LINES))
    for _ in range(data.draw(st.integers(1, 3))):
        record = data.draw(st.sampled_from(records))
        inner = [value for value in record.values() if isinstance(value, dict)]
        inner += [each for each in record.get("devices", []) if isinstance(each, dict)]
        part = data.draw(st.sampled_from([record, *inner]))
        part[data.draw(st.sampled_from([*sorted(part), "later"]))] = data.draw(JSON)
    folder: Path = tmp_path_factory.mktemp("samples")
    (folder / "monitor").mkdir()
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "monitor" / "node-0.jsonl").write_text(lines, encoding="utf-8", errors="replace")
    samplings = read_samples(folder)
    for sampling in samplings.of_samplers:
        assert (np.diff(sampling.t_ns) >= 0).all()
        for values in sampling.values.values():
            assert len(values) == len(sampling.t_ns)
    notes_on_sampling(samplings, {}, [])
    make_timeline(samplings.of_samplers, [], [])
