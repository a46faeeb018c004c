"""compare.html in a real browser: accessible, whole at the widths of a phone and a desk, light and dark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from browsing import broken_rules

from harness.commands.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "compare"))
from made_runs import point_key, write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compared")
    write_run(root / "a", 1)
    write_run(root / "b", 2, slower={point_key(2, "script"): 1.1})
    assert main(["compare", str(root / "a"), str(root / "b"), "--out", str(root / "out")]) == 0
    return root / "out" / "compare.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_no_rule_is_broken_seriously_by_a_comparison_and_nothing_overflows(
    browser: Any, written: Path, scheme: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(written.as_uri())
    assert page.locator("figure img").count() == 1
    assert broken_rules(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
