"""What `benchmarks.compared` plants is what it says: one point, in all rounds, by as much."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from running import TESTS

from benchmarks.compared import slowed
from harness.analysis.run import load_run

sys.path.append(str(TESTS / "compare"))


@pytest.mark.parametrize("mode", ["eager", "script"])
def test_one_point_is_made_slower_by_as_much_and_no_other(mode: str, tmp_path: Path) -> None:
    from made_runs import point_key, write_run

    run = write_run(tmp_path / "run", 1)
    before = load_run(run).points.set_index("key")
    after = load_run(slowed(run, tmp_path / "copy", point_key(2, mode), 1.05)).points.set_index("key")
    factor = after["step_us"] / before["step_us"]
    assert factor[point_key(2, mode)] == pytest.approx(1.05, rel=1e-3)
    assert factor.drop(point_key(2, mode)).tolist() == pytest.approx([1.0] * (len(factor) - 1))
    assert after["null_ratio"].dropna().tolist() == pytest.approx(
        before["null_ratio"].dropna().tolist(), rel=1e-3
    )
