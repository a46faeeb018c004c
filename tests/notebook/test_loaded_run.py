"""`harness.load`: a run as objects that a notebook shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import write_run
from running import python_path

import harness
from harness.core.errors import ConfigError
from harness.report.findings import findings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("loaded") / "run", 1, name="<script>alert(1)</script>")


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_importing_the_harness_loads_nothing_heavy() -> None:
    code = "import sys, harness; print(sorted({'torch', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_loading_a_run_needs_no_torch(run: Path) -> None:
    code = f"import sys, harness; harness.load({str(run)!r})._repr_html_(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_points_and_findings_are_those_of_the_report(run: Path) -> None:
    loaded = harness.load(run)
    assert len(loaded.points) == 12 and {"key", "step_us", "verdict"} <= set(loaded.points.columns)
    assert [str(finding) for finding in loaded.findings] == findings(loaded.points)
    assert loaded.findings[0]._repr_html_().startswith("<p>")
    assert any("95 % intervals" in note for note in loaded.notes)


def test_figures_render_and_leave_no_file(run: Path) -> None:
    before = files(run)
    loaded = harness.load(run)
    name = next(iter(loaded.figures))
    figure = loaded.figures[name]
    assert figure.name == name and figure.caption and figure.title
    assert "<svg" in figure._repr_svg_() and figure._repr_png_().startswith(b"\x89PNG")
    assert name in repr(loaded.figures) and len(loaded.figures) >= 1
    assert files(run) == before


def test_what_a_loaded_run_says_is_text_and_no_html(run: Path) -> None:
    shown = harness.load(run)._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run directory made by"):
        harness.load(tmp_path)
