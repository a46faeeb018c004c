"""The crossover map of the page, with a threshold that one slides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import broken_rules, opened
from synthetic import make_points, make_run

from harness.report.interactive.maps import labelled
from harness.report.write import write_report

DEPTHS, BATCHES = (4, 16, 64), (1, 16, 256, 4096)
# Less of a step is dispatch the more samples it has: half of it at 64 of them.
SHARES = {batch: 64 / (64 + batch) for batch in BATCHES}


def shared(row: dict[str, Any]) -> dict[str, Any]:
    share = SHARES[row["batch"]] * (1 - 0.5 / row["depth"])
    own = {f"dispatch_share{end}": share + by for end, by in (("", 0.0), ("_low", -0.01), ("_high", 0.01))}
    faster = {f"speedup{end}": 1 / (1 - share - by) for end, by in (("_low", -0.01), ("_high", 0.01))}
    return (
        {**own, "sessions": 5, "speedup_vs_eager": 1 / (1 - share), **faster}
        if row["mode"] != "eager"
        else own
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = make_points(
        modes=("eager", "script"), batches=BATCHES, depths=DEPTHS, devices=(1, 2), change=shared
    )
    return write_report([make_run(points)], tmp_path_factory.mktemp("slid")).html


@pytest.fixture
def page(browser: Any, written: Path) -> Iterator[Any]:
    made = opened(browser, written, viewport={"width": 400, "height": 900})
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    assert errors == []
    made.close()


def over(page: Any) -> int:
    """Cells that are drawn as above the threshold."""
    return int(page.locator("#slide circle.over").count())


def slide(page: Any, to: int) -> None:
    page.locator("#slide-threshold").evaluate(
        f"(own) => {{ own.value = {to}; own.dispatchEvent(new Event('input')); }}"
    )


def test_a_higher_threshold_moves_the_line_and_empties_cells(page: Any) -> None:
    slide(page, 0)
    low, said = over(page), page.locator("#slide-said").inner_text()
    line = page.locator("#slide .contour").first.get_attribute("points")
    slide(page, 8)
    assert page.locator("#slide-at").inner_text() == "50 %"
    assert 0 < over(page) < low < len(DEPTHS) * len(BATCHES)
    assert page.locator("#slide .contour").first.get_attribute("points") != line
    assert page.locator("#slide-said").inner_text() != said
    assert page.locator("#slide .band").count() == 1


def test_it_is_moved_by_keys_and_says_what_it_is_at(page: Any) -> None:
    range_ = page.locator("#slide-threshold")
    before = page.locator("#slide-at").inner_text()
    range_.press("ArrowRight")
    after = page.locator("#slide-at").inner_text()
    assert (before, after) == ("10 %", "15 %")
    assert range_.get_attribute("aria-valuetext") == after
    assert page.locator("#slide svg").get_attribute("aria-label") in (
        f"{page.locator('#slide-map option').first.inner_text()}: "
        + page.locator("#slide-said").inner_text().split(" Between the cells")[0].replace("\xa0", " "),
    )


def test_each_map_of_the_run_can_be_asked_for(page: Any) -> None:
    options = page.locator("#slide-map option").all_inner_texts()
    measured = [text for text in options if "predicted" not in text]
    assert len(measured) == 4 and any("2 devices" in text for text in measured)
    assert len(set(options)) == len(options) and not any("device_name" in text for text in options)
    for place in range(len(options)):
        page.locator("#slide-map").select_option(str(place))
        assert "stops mattering" in page.locator("#slide-said").inner_text() or place >= len(measured)
        assert ("Predicted, not measured." in page.locator("#slide-said").inner_text()) == (
            "predicted" in options[place]
        )


def test_a_map_is_called_by_what_it_differs_in_in_the_words_of_the_figures() -> None:
    def of(**values: Any) -> dict[str, Any]:
        own = {"device_kind": "cuda", "device_name": "H100", "family": "mlp-64x*", "width": 64, "devices": 1}
        return {"kind": "share", "of": {**own, "workload": "forward", **values}}

    predicted = of(device_kind="predicted", device_name="H200")
    maps = [of(), of(devices=2, workload="train"), of(family="mlp-512x*", width=512)]
    made = labelled({"maps": maps, "predicted": [predicted], "more": 0})
    assert [each["label"] for each in made["maps"]] == [
        "dispatch share of eager, 1 device, width 64, forward, H100",
        "dispatch share of eager, 2 devices, width 64, train, H100",
        "dispatch share of eager, 1 device, width 512, forward, H100",
    ]
    assert made["predicted"][0]["label"] == (
        "dispatch share of eager, predicted, 1 device, width 64, forward, H200"
    )
    alike = labelled({"maps": [of(), of(device_kind="emulated")], "predicted": []})
    assert [each["label"].split(", ")[1] for each in alike["maps"]] == ["cuda", "emulated"]


def test_what_is_predicted_follows_the_threshold_or_is_said_not_to_be_known(page: Any) -> None:
    options = page.locator("#slide-map option").all_inner_texts()
    predicted = [place for place, text in enumerate(options) if "predicted" in text]
    seen = set()
    for place in predicted:
        page.locator("#slide-map").select_option(str(place))
        texts = []
        for at in range(9):
            slide(page, at)
            texts.append(page.locator("#slide-said").inner_text().split("Predicted, not measured.")[0])
            limit = page.locator("#slide-at").inner_text()
            assert f"dispatch share below {limit}" in texts[-1].replace("\xa0", " ")
            assert f"below {limit}" not in texts[-1]  # the space between them is one that no line ends at
            unknown = "it is not known" in texts[-1]
            seen.add(unknown)
            assert page.locator("#slide svg .unknown").count() == unknown
            assert not unknown or page.locator("#slide .contour, #slide .band").count() == 0
        assert len(set(texts)) == len(texts)
    assert len(predicted) == 4 and seen == {True, False}


def test_nothing_runs_over_and_no_rule_is_broken(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert broken_rules(page) == {}


def test_without_a_map_and_without_script_there_is_no_slider(
    browser: Any, written: Path, tmp_path: Path
) -> None:
    plain = opened(browser, written, java_script_enabled=False)
    assert not plain.locator("#slide").is_visible()
    plain.close()
    one = opened(browser, write_report([make_run(make_points(batches=(1,), depths=(4,)))], tmp_path).html)
    assert not one.locator("#slide").is_visible()
    one.close()
