"""Lines of the figure that follows the filters: by colour, by dashes, by what stands at their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import opened
from synthetic import make_points, make_run

from harness.report.write import write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        step = 10.0 * row["depth"] * (2.5 if row["mode"] == "eager" else 1) * row["devices"] ** 0.1
        return {"step_us": step, "step_us_low": 0.99 * step, "step_us_high": 1.01 * step}

    points = make_points(
        modes=("eager", "script"), depths=(4, 16, 64), batches=(1, 16), devices=(1, 2), change=change
    )
    return write_report([make_run(points)], tmp_path_factory.mktemp("lines")).html


@pytest.fixture
def page(browser: Any, written: Path) -> Iterator[Any]:
    made = opened(browser, written)
    yield made
    made.close()


def ends(page: Any) -> list[str]:
    page.wait_for_selector("#chart[data-ready]")
    texts = page.locator("#chart .mark-text.role-mark text").all_text_contents()
    return sorted(text for text in texts if text)


def dashes(page: Any) -> set[str]:
    page.wait_for_selector("#chart[data-ready]")
    lines = page.locator("#chart .mark-line path").all()
    return {line.get_attribute("stroke-dasharray") or "" for line in lines}


def ask(page: Any, name: str, value: str) -> None:
    page.evaluate("delete document.getElementById('chart').dataset.ready")
    page.locator(f"[data-filter={name}]").select_option(value)


def test_depths_stand_at_the_ends_of_lines_and_devices_are_dashed(page: Any) -> None:
    # Of both modes apart; the two device counts of each end beside each other.
    assert ends(page) == ["depth 16"] * 2 + ["depth 4"] * 2 + ["depth 64"] * 2
    assert len(dashes(page)) == 2
    said = page.locator("#lines-said").inner_text()
    assert said.startswith("Lines by devices: ") and " 1, " in said and "by depth" in said


def test_what_no_longer_differs_is_not_said(page: Any) -> None:
    ask(page, "devices", "1")
    assert ends(page) == ["depth 16"] * 2 + ["depth 4"] * 2 + ["depth 64"] * 2
    # One axis alone is told by both.
    assert len(dashes(page)) == 3
    said = page.locator("#lines-said").inner_text()
    assert said.startswith("Lines by depth: ") and said.endswith("64, and at their ends.")
    ask(page, "depth", "16")
    assert ends(page) == []
    assert len(dashes(page)) == 1
    assert page.locator("#lines-said").inner_text() == ""


def test_one_axis_alone_is_said_at_the_ends(page: Any) -> None:
    ask(page, "depth", "16")
    assert set(ends(page)) == {"devices 1", "devices 2"}
    ask(page, "x", "depth")
    ask(page, "depth", "")
    assert "batch" in page.locator("#lines-said").inner_text()


def test_of_a_chosen_mode_alone_the_ends_are_named(page: Any) -> None:
    page.evaluate("delete document.getElementById('chart').dataset.ready")
    page.locator("#legend button", has_text="script").click()
    assert ends(page) == ["depth 16", "depth 4", "depth 64"]


def test_without_lines_nothing_is_said_of_them(page: Any) -> None:
    ask(page, "x", "mode")
    assert ends(page) == [] and page.locator("#lines-said").inner_text() == ""
