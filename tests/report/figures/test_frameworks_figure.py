"""The figure with a row a framework, and the pages that have its section."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from made_frameworks import framework_points
from saying import caption, drawn, kinds
from synthetic import failed, make_points, make_run

from harness.report.write import write_report

HOSTILE = "<script>alert(1)</script>"


def test_it_is_drawn_of_several_frameworks_alone(tmp_path: Path) -> None:
    figures, _ = drawn(framework_points(), tmp_path)
    assert figures[0].kind == "frameworks"
    assert ElementTree.fromstring(figures[0].svg.read_text()).tag.endswith("svg")
    assert "depth 16, batch 1" in caption(figures, "frameworks")
    (tmp_path / "one").mkdir()
    assert "frameworks" not in kinds(drawn(make_points(), tmp_path / "one")[0])


def test_what_has_no_time_no_interval_or_a_warning_is_drawn_too(tmp_path: Path) -> None:
    def change(row: dict[str, object]) -> dict[str, object] | None:
        if row["framework"] == "cntk":
            return failed("failed", "cntk: not created")
        if row["framework"] == "jax":
            return {"step_us_low": float("nan"), "step_us_high": float("nan"), "warnings": "noisy"}
        return {"style": ""} if row["framework"] == "mxnet" else None

    figures, _ = drawn(framework_points(depths=(4,), batches=(1,), change=change), tmp_path)
    text = caption(figures, "frameworks")
    assert "1 failed" in text and "noisy" in text


def test_both_pages_have_the_section_and_obey_nothing_in_it(tmp_path: Path) -> None:
    named = {"framework_version": HOSTILE, "saved_as": HOSTILE, "environment": HOSTILE}
    points = framework_points(change=lambda row: named if row["framework"] == "jax" else None)
    paths = write_report([make_run(points, name="frameworks", label="frameworks")], tmp_path)
    assert not paths.failed
    page, markdown = paths.html.read_text(), paths.markdown.read_text()
    assert "Frameworks: width 64, forward, depth 16, batch 1" in page and "### Frameworks:" in markdown
    assert HOSTILE not in page and HOSTILE not in markdown
    assert "Saved with their weights" in page and "SavedModel" in markdown
