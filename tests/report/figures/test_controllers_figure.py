"""Controllers are drawn with their ideal lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ladders import controller_points
from saying import drawn, kinds
from synthetic import failed


@pytest.mark.parametrize("kind", ["emulated", "cpu"])
def test_controllers_are_drawn_with_their_ideal_line(tmp_path: Path, kind: str) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        return (
            failed("unsupported", "no")
            if row["mode"] == "native" and row["controller"] == "threads"
            else None
        )

    figures, _ = drawn(controller_points(kind, modes=("eager", "native"), change=change), tmp_path)
    assert sum(figure.kind == "controllers" for figure in figures) == 1
    # Of loop and threads that figure tells all.
    assert [figure.title for figure in figures if figure.kind == "scaling"] == [
        "Scaling over devices: width 64, forward, processes"
    ]
    text = next(figure.caption for figure in figures if figure.kind == "controllers")
    assert "throughput on one device (processes) times the number of devices" in text
    assert "Points without a time: 4 unsupported." in text


def test_processes_alone_have_no_figure_of_controllers(tmp_path: Path) -> None:
    figures, _ = drawn(controller_points(controllers=("processes",)), tmp_path)
    assert "controllers" not in kinds(figures)


def test_without_one_device_there_is_no_ideal_line(tmp_path: Path) -> None:
    figures, _ = drawn(controller_points(devices=(2, 8), controllers=("threads",)), tmp_path)
    assert any("there is no ideal line" in figure.caption for figure in figures)
