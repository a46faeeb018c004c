"""Records of versions that had fewer axes are read as having their defaults, beside records that have them."""

from __future__ import annotations

import json
from dataclasses import replace

from raw_runs import POINT, RawRun, cell_of

from harness.analysis.run import load_run
from harness.core import axes
from harness.plan.points import Cell
from harness.records.raw import LAUNCHER_FILE


def without_the_axis(raw: RawRun) -> None:
    path = raw.directory / "raw" / LAUNCHER_FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.get("axes", {}).pop(axes.AUTOGRAD, None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_point_without_the_axis_has_its_default_and_the_same_key(raw: RawRun) -> None:
    cell = cell_of()
    raw.plan(cell)
    raw.session("s", [cell])
    before = load_run(raw.directory).points
    without_the_axis(raw)
    after = load_run(raw.directory).points
    assert list(after["autograd"]) == ["inference"] * len(after) and len(after)
    assert after.equals(before)


def test_each_value_is_compared_with_eager_of_its_own(raw: RawRun) -> None:
    usual = cell_of()
    other = Cell(tuple(replace(point, autograd="grad") for point in usual.points))
    raw.plan(usual, other)
    raw.session("s", [usual, other])
    table = load_run(raw.directory).points
    assert set(table["autograd"]) == {"inference", "grad"}
    for _, own in table.groupby("autograd"):
        assert list(own["mode"]) == [point.mode for point in usual.points]
        assert list(own["speedup_vs_eager"]) == list(table["speedup_vs_eager"][: len(own)])


def test_the_floor_of_a_value_is_no_other_ones(raw: RawRun) -> None:
    """On a CPU the share is measured against the fastest mode without Python: of the same cell."""
    assert axes.AUTOGRAD in axes.CELL
    assert Cell((POINT,)).id != Cell((replace(POINT, autograd="grad"),)).id
