"""Figures of a page are light or dark as the page is: as the system says, as the reader switches, and on paper."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from ladders import ladder_points
from PIL import Image
from synthetic import make_run

from harness.report.shown.image import EXCHANGED, both_schemes, inline
from harness.report.write import write_report

# Letters on coloured cells, which are the same in both.
ON_CELLS = {"#111111", "#fefefe"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([make_run(ladder_points("cpu"))], tmp_path_factory.mktemp("follow")).html


def is_light(page: Any) -> bool:
    """Of the paper of the figure beside the answer, with the light of its letters the other way round."""
    picture = Image.open(io.BytesIO(page.locator("#answer figure:visible img").first.screenshot())).convert(
        "L"
    )
    paper, ink = picture.getpixel((3, picture.height // 2)), picture.crop((0, 0, picture.width, 40))
    darkest, lightest = ink.getextrema()
    assert lightest - darkest > 150
    return bool(paper > 127)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_light_or_dark_as_the_page_is(browser: Any, written: Path, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(written.as_uri())
    page.wait_for_selector("#said:not(:empty)")
    assert is_light(page) == (scheme == "light")
    page.emulate_media(media="print")
    assert is_light(page)
    page.emulate_media(media="screen")
    page.click("#theme")
    assert is_light(page) == (scheme == "dark")
    page.emulate_media(media="print")
    assert is_light(page)
    page.close()


def test_the_files_for_papers_stay_as_they_are(written: Path) -> None:
    files = list((written.parent / "figures").glob("*.svg"))
    assert files and not any("prefers-color-scheme" in file.read_text() for file in files)


def test_no_letter_keeps_a_colour_that_only_white_paper_shows(written: Path) -> None:
    for file in (written.parent / "figures").glob("*.svg"):
        letters = set(re.findall(r'<g style="fill: (#[0-9a-f]{6})', file.read_text()))
        assert letters and letters <= {*EXCHANGED, *ON_CELLS, "#8a8a8a"}, file.name


def test_an_image_holds_the_drawing_as_it_was_and_rules_at_its_end() -> None:
    svg = '<svg><path style="fill: #222222"/></svg>\n'
    made = both_schemes(svg)
    assert made.startswith(svg[:-7]) and made.endswith("</style></svg>\n") and made.count("<style>") == 1
    held = base64.b64decode(inline(svg.encode()).partition("base64,")[2]).decode()
    assert held == made
    # What is no drawing has no place for rules.
    assert both_schemes("") == "" and both_schemes("no drawing") == "no drawing"
