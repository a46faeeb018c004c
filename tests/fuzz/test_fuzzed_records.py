"""Whatever stands in a run directory: no traceback, no impossible point, and what is not used is counted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from examples import EXAMPLES, JSON, NUMBERS
from hypothesis import given
from hypothesis import strategies as st
from raw_runs import RawRun, cell_of

from harness.analysis.run import Run, load_run
from harness.core import schema

COUNTS = ("sessions", "builds", "rounds", "steps", "depth", "batch", "devices")
AMOUNTS = (
    "step_us",
    "throughput_samples_s",
    "speedup_vs_eager",
    "prepare_s",
    "first_call_s",
    "process_peak_mib",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The lines of a good run over two ranks, by file."""
    raw = RawRun(tmp_path_factory.mktemp("whole") / "run")
    cells = [cell_of(devices=2), cell_of(devices=2, batch=64)]
    raw.plan(*cells)
    raw.session("processes-2-try1", cells, ranks=2, rounds=3)
    raw.outcome("another", "failed", "x")
    return {file.name: file.read_text().splitlines() for file in (raw.directory / "raw").iterdir()}


def loaded(lines: dict[str, list[bytes]], folder: Path) -> Run:
    """Read as a report reads it; what is shown of it is possible."""
    raw = folder / "run" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, each in lines.items():
        (raw / name).write_bytes(b"\n".join(each) + b"\n")
    run = load_run(folder / "run")
    for row in run.points.to_dict("records"):
        assert row["status"] in schema.STATUSES
        if row["status"] == schema.OK:
            assert row["step_us"] > 0 and row["throughput_samples_s"] > 0
            assert all(row[name] >= 1 for name in COUNTS)
        for name in AMOUNTS:
            assert not row[name] < 0 and not math.isinf(row[name])
        assert not row["step_us_low"] > row["step_us_high"]
    return run


@EXAMPLES
@given(data=st.data())
def test_lines_with_fields_changed(
    data: st.DataObject, whole: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = {name: [line.encode() for line in each] for name, each in whole.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(lines)))
        at = data.draw(st.integers(0, len(lines[name]) - 1))
        record = json.loads(lines[name][at])
        _change(record, data)
        lines[name][at] = json.dumps(record).encode()
    run = loaded(lines, tmp_path_factory.mktemp("changed"))
    assert len(run.points) <= 4
    words = ("skipped", "not shown", "not measured", "not used")
    assert len(run.points) == 4 or any(word in note for note in run.notes for word in words)


@EXAMPLES
@given(data=st.data())
def test_lines_that_are_lost_or_stand_elsewhere_or_twice(
    data: st.DataObject, whole: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = {name: [line.encode() for line in each] for name, each in whole.items()}
    for _ in range(data.draw(st.integers(1, 6))):
        name = data.draw(st.sampled_from(sorted(lines)))
        if not lines[name]:
            continue
        line = lines[name].pop(data.draw(st.integers(0, len(lines[name]) - 1)))
        for to in data.draw(st.lists(st.sampled_from(sorted(lines)), max_size=2)):
            lines[to].insert(data.draw(st.integers(0, len(lines[to]))), line)
    run = loaded(lines, tmp_path_factory.mktemp("elsewhere"))
    assert len(run.points) <= 4
    for row in run.points.to_dict("records"):
        assert row["status"] != schema.OK or (row["rounds"] <= 3 and row["sessions"] == 1)


@EXAMPLES
@given(
    rubbish=st.lists(st.one_of(st.binary(max_size=80), JSON.map(lambda value: json.dumps(value).encode())))
)
def test_lines_of_anybody(
    rubbish: list[bytes], whole: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Between those of a good run, none of which is lost."""
    lines = {name: [*(line.encode() for line in each), *rubbish] for name, each in whole.items()}
    run = loaded(lines, tmp_path_factory.mktemp("anybody"))
    assert list(run.points["status"]) == ["ok"] * 4
    assert any("skipped" in note for note in run.notes) or not b"".join(rubbish).strip()


def _change(record: dict[str, Any], data: st.DataObject) -> None:
    """Another value for a field of the record, or of a block or place within it."""
    inner = [value for value in record.values() if isinstance(value, dict)]
    inner += [
        each
        for value in record.values()
        if isinstance(value, list)
        for each in value
        if isinstance(each, dict)
    ]
    part = data.draw(st.sampled_from([record, *inner]))
    name = data.draw(st.sampled_from([*sorted(part), "later"]))
    if data.draw(st.booleans()):
        part[name] = data.draw(st.one_of(NUMBERS, JSON))
    else:
        part.pop(name, None)
