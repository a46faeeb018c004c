"""The page on paper: nothing cut off, nothing that only a click would answer, everything opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import opened
from synthetic import make_points, make_run

from harness.report import page as pages
from harness.report.content import assembled
from harness.report.table.tidy import tidy
from harness.report.write import write_report

# CSS pixels across A4 between Chromium's margins.
PAPER = 718


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        dearest = row["workload"] == "train" and row["devices"] == 2 and row["mode"] == "eager"
        return {"warnings": "noisy;back_pressure;throttled", **({"dispatch_share": 0.95} if dearest else {})}

    points = make_points(
        devices=(1, 2), workloads=("forward", "train"), depths=(2, 8), batches=(1, 64), change=change
    )
    return write_report([make_run(points)], tmp_path_factory.mktemp("printed")).html


def on_paper(browser: Any, file: Path, **options: Any) -> Any:
    """As Chromium prints it: laid out for the screen first, which is wider."""
    page = opened(browser, file, **options)
    scripted = options.get("java_script_enabled", True)
    if scripted:
        page.wait_for_selector("#chart[data-ready]")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme=options.get("color_scheme", "light"))
    return page


def beyond(page: Any) -> list[str]:
    """What reaches beyond the paper, or holds more than it shows."""
    found: list[str] = page.evaluate(
        """paper => [...document.querySelectorAll('main *')].filter(each => each.checkVisibility()
          && !(each instanceof SVGElement && !(each instanceof SVGSVGElement))
          && (each.getBoundingClientRect().right > paper + 1
            || (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== 'visible')))
          .map(each => each.outerHTML.slice(0, 90))""",
        PAPER,
    )
    return found


def test_nothing_reaches_beyond_the_paper(browser: Any, written: Path) -> None:
    page = on_paper(browser, written)
    # The paper is narrower than the window was, and no resize is told to who drew for that.
    page.evaluate("addEventListener('resize', event => event.stopImmediatePropagation(), true)")
    page.set_viewport_size({"width": PAPER, "height": 1000})
    assert beyond(page) == []
    page.close()


@pytest.mark.parametrize("scripted", [True, False])
def test_what_can_be_opened_is_opened_and_what_is_asked_with_clicks_is_not_there(
    browser: Any, written: Path, scripted: bool
) -> None:
    page = on_paper(browser, written, java_script_enabled=scripted)
    closed = page.evaluate(
        "[...document.querySelectorAll('details > :not(summary)')]"
        ".filter(part => part.getBoundingClientRect().height < 9).length"
    )
    assert page.locator("details").count() > 1 and closed == 0
    assert (
        page.locator("main").locator("select:visible, input:visible, nav:visible, .asked:visible").count()
        == 0
    )
    assert "click one" not in page.locator("main").inner_text()
    if scripted:
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
    page.close()


def test_the_figure_of_the_answer_is_printed_first(browser: Any, written: Path) -> None:
    page = on_paper(browser, written)
    tops = page.evaluate(
        """[...document.querySelectorAll('#answer .switch > figure')].map(figure =>
          [figure.getBoundingClientRect().top, figure.querySelector('img').alt])"""
    )
    assert len(tops) > 1 and "2 devices" in min(tops)[1] and "train" in min(tops)[1]
    assert min(tops) != tops[0]  # on the screen another one stands before it
    page.close()


def test_what_was_drawn_in_the_dark_is_printed_in_ink(browser: Any, written: Path) -> None:
    page = on_paper(browser, written, color_scheme="dark")
    fills = page.evaluate(
        "[...document.querySelectorAll('#chart svg text')].map(text => getComputedStyle(text).fill)"
    )
    assert fills and set(fills) == {"rgb(28, 28, 28)"}
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 28, 28)"
    page.close()


def test_of_many_points_the_first_are_printed_and_the_page_says_so(browser: Any, tmp_path: Path) -> None:
    points = make_points(widths=range(64, 164), batches=(1, 8), depths=(2, 8))
    file = tmp_path / "many.html"
    file.write_text(pages.render(assembled([make_run(points)], tidy(points), [], [])), encoding="utf-8")
    page = on_paper(browser, file)
    assert page.locator("#rows-body tr").count() == 500
    assert page.locator("#rows-said").inner_text() == "The first 500 of 1,200 points; all are in points.csv."
    page.close()
