"""The page in a real browser: hover, filters, choices that everything follows, sorting, keys, looks, accessibility."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import broken_rules, opened
from made_frameworks import framework_points
from synthetic import failed, make_points, make_run

from harness.core.axes import AXES
from harness.report import page as pages
from harness.report.content import assembled
from harness.report.table.tidy import tidy
from harness.report.write import write_report

MODES, BATCHES, DEPTHS, DEVICES = ("eager", "script", "trace"), (1, 8, 64), (2, 8), (1, 2)
ALL = len(MODES) * len(BATCHES) * len(DEPTHS) * len(DEVICES)
SYMBOLS = "#chart .mark-symbol path"


def change(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["batch"] == 64 and row["mode"] == "trace":
        return failed(error="=HYPERLINK(1)")
    return {"warnings": "noisy"} if row["batch"] == 1 else None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = make_points(modes=MODES, batches=BATCHES, depths=DEPTHS, devices=DEVICES, change=change)
    return write_report([make_run(points)], tmp_path_factory.mktemp("asked")).html


@pytest.fixture
def page(browser: Any, written: Path) -> Iterator[Any]:
    made = opened(browser, written)
    made.wait_for_selector("#chart[data-ready]")
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield made
    assert errors == []
    made.close()


def drawn(page: Any) -> None:
    """Once the figure shows what was last asked for."""
    page.wait_for_selector("#chart[data-ready]")


def cells(page: Any, name: str) -> list[str]:
    """What stands in a column of the table, of the rows that are set."""
    names = page.locator("#rows-head button").all_inner_texts()
    place = [text.split(" ")[0] for text in names].index(name)
    rows = page.evaluate(
        "[...document.querySelectorAll('#rows-body tr[data-row]')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return [row[place] for row in rows]


def chosen(page: Any) -> int:
    """Points that the figure does not fade."""
    return int(
        page.evaluate(
            f"[...document.querySelectorAll('{SYMBOLS}')]"
            ".filter(point => (point.getAttribute('opacity') ?? '1') === '1').length"
        )
    )


def test_hover_shows_the_point_with_interval_rounds_warnings_and_key(page: Any) -> None:
    page.select_option("select[data-filter=mode]", "eager")
    page.select_option("select[data-filter=batch]", "1")
    page.locator(SYMBOLS).first.hover(force=True)
    tip = page.locator("#tip")
    assert tip.is_visible()
    said = tip.inner_text()
    for part in ("step_us", " [", "rounds 30", "warnings noisy", "key ", "mode eager"):
        assert part in said
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("mode", "script", ALL // 3),
        ("devices", "2", ALL // 2),
        ("batch", "8", ALL // 3),
        ("status", "failed", 4),
    ],
)
def test_a_filter_holds_for_figure_table_and_count(page: Any, name: str, value: str, left: int) -> None:
    page.select_option(f"select[data-filter={name}]", value)
    assert page.locator("#said").inner_text().startswith(f"{left} of {ALL} points")
    assert cells(page, name) == [value] * left
    timed = 0 if name == "status" else left - sum(text == "" for text in cells(page, "step_us"))
    drawn(page)
    assert page.locator(SYMBOLS).count() == timed
    page.click("#clear")
    assert page.locator("#said").inner_text().startswith(f"{ALL} of {ALL}")


def test_a_mode_of_the_legend_is_chosen_everywhere_and_let_go(page: Any) -> None:
    button = page.get_by_role("button", name="script", exact=True)
    button.click()
    drawn(page)
    assert button.get_attribute("aria-pressed") == "true"
    assert set(cells(page, "mode")) == {"script"}
    assert chosen(page) == ALL // 3
    assert "of script" in page.locator("#map-said").inner_text()
    button.click()
    assert set(cells(page, "mode")) == set(MODES)


def test_a_mode_of_one_of_several_environments_is_told_from_its_namesakes(
    browser: Any, tmp_path: Path
) -> None:
    page = opened(browser, write_report([make_run(framework_points(batches=(1, 256)))], tmp_path).html)
    drawn(page)
    names = ("here", "chainer", "jax", "mxnet", "tensorflow")
    parts = {name: page.locator(f"#legend [role=group][aria-label={name}]") for name in names}
    colours = {
        name: part.get_by_role("button", name="eager")
        .locator(".patch")
        .evaluate("patch => patch.style.color")
        for name, part in parts.items()
    }
    assert len(set(colours.values())) == len(names)
    parts["jax"].get_by_role("button", name="eager").click()
    drawn(page)
    assert set(zip(cells(page, "environment"), cells(page, "mode"), strict=True)) == {("jax", "eager")}
    assert chosen(page) == 4
    assert page.locator("#legend [aria-pressed=true]").count() == 1
    assert "of jax eager. " in page.locator("#map-said").inner_text()
    page.close()


def test_a_cell_of_the_map_is_chosen_everywhere(page: Any) -> None:
    page.get_by_role("button", name="batch 8, depth 2").click()
    drawn(page)
    assert set(zip(cells(page, "depth"), cells(page, "batch"), strict=True)) == {("2", "8")}
    assert chosen(page) == len(MODES) * len(DEVICES)
    assert "chosen: batch 8, depth 2" in page.locator("#said").inner_text()


def test_a_row_is_picked_in_figure_map_and_words(page: Any) -> None:
    page.locator("#rows-body tr[data-row]").nth(4).click()
    drawn(page)
    key = cells(page, "key")[4]
    assert f"key {key}" in page.locator("#point").inner_text()
    assert page.locator(f"{SYMBOLS}[stroke-width='2.5']").count() == 1
    assert page.locator("#map button.now").count() == 1
    assert page.locator("#rows-body tr.now").count() == 1


def test_a_point_of_the_figure_is_picked_in_the_table(page: Any) -> None:
    page.select_option("select[data-filter=mode]", "eager")
    drawn(page)
    page.locator(SYMBOLS).first.click(force=True)
    assert page.locator("#rows-body tr.now").count() == 1
    assert "key " in page.locator("#point").inner_text()


def test_columns_sort_as_numbers_both_ways_with_nothing_last(page: Any) -> None:
    page.select_option("select[data-filter=devices]", "1")
    head = page.locator("#rows-head button", has_text="step_us").first
    for way, sign in (("ascending", 1), ("descending", -1)):
        head.click()
        assert head.locator("xpath=..").get_attribute("aria-sort") == way
        texts = cells(page, "step_us")
        numbers = [float(text.replace(",", "")) for text in texts if text]
        assert numbers == sorted(numbers, key=lambda value: sign * value) and len(numbers) == ALL // 2 - 2
        assert texts[-2:] == [""] * 2
    head.click()
    assert head.locator("xpath=..").get_attribute("aria-sort") == "none"


def test_a_search_leaves_rows_with_all_of_its_words(page: Any) -> None:
    page.fill("#search", "Hyperlink TRACE")
    page.locator("#said", has_text=f"4 of {ALL}").wait_for()
    assert page.locator("#said").inner_text().startswith(f"4 of {ALL}")
    assert set(cells(page, "status")) == {"failed"}


def test_everything_is_reached_and_done_with_keys(page: Any) -> None:
    page.focus("#rows-box")
    page.keyboard.press("ArrowDown")
    first = page.locator("#point").inner_text()
    page.keyboard.press("ArrowDown")
    assert first != page.locator("#point").inner_text() and "key " in first
    page.keyboard.press("End")
    assert page.locator("#rows-body tr").last.get_attribute("class") == "now"
    page.focus("#chart-box")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "key " in page.locator("#point").inner_text()
    # What is pressed keeps the focus, though it is made anew.
    page.get_by_role("button", name="trace", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "trace"
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


def test_a_csv_holds_what_is_shown_and_is_safe_to_open(page: Any) -> None:
    page.select_option("select[data-filter=status]", "failed")
    with page.expect_download() as waited:
        page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(waited.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == 4
    assert {row["error"] for row in rows} == {"'=HYPERLINK(1)"}
    assert {*AXES} - {"model_args", "width"} <= {*rows[0]}


def test_a_finding_leads_to_its_figure_and_its_rows(page: Any) -> None:
    finding = page.locator("#five li", has_text="What removes it")
    link = finding.get_by_role("link", name="figure")
    other = page.locator(f"#figures-speedup .switch > input:not({link.get_attribute('href')})")
    other.check()
    link.click()
    assert page.locator(str(link.get_attribute("href"))).is_checked()
    devices = next(words for words in ("1 device", "2 devices") if f"on {words}," in finding.inner_text())
    assert f"{devices}, " in str(page.locator("#figures-speedup figure:visible img").get_attribute("alt"))
    finding.get_by_role("link", name="rows").click()
    assert set(cells(page, "mode")) == {"trace"}
    assert len(set(cells(page, "batch"))) == len(set(cells(page, "depth"))) == 1


def test_another_measure_is_drawn_and_mapped(page: Any) -> None:
    page.select_option("select[data-filter=y]", "speedup_vs_eager")
    page.select_option("select[data-filter=x]", "mode")
    drawn(page)
    assert "speedup_vs_eager" in page.locator("#chart").inner_text()
    assert "Median speedup_vs_eager" in page.locator("#map-said").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_light_or_dark_as_the_system_says_and_as_one_switches(
    browser: Any, written: Path, scheme: str
) -> None:
    page = opened(browser, written, color_scheme=scheme)

    def light() -> bool:
        return bool(page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.slice(4)) > 127"))

    assert light() == (scheme == "light")
    page.click("#theme")
    assert light() == (scheme == "dark")
    page.close()


def test_without_script_figures_switch_and_the_table_is_there(browser: Any, written: Path) -> None:
    page = opened(browser, written, java_script_enabled=False)
    assert page.locator("table.points tbody tr").count() == ALL
    assert not page.locator("#explore").is_visible()
    switch = page.locator(".switch").first
    assert switch.locator("figure:visible").count() == 1
    before = switch.locator("figure:visible img").get_attribute("alt")
    switch.locator("input").nth(1).check()
    assert switch.locator("figure:visible").count() == 1
    assert switch.locator("figure:visible img").get_attribute("alt") != before
    page.close()


def test_all_figures_are_printed(page: Any) -> None:
    page.emulate_media(media="print")
    assert page.locator("figure:visible").count() == page.locator("figure").count() > 1
    assert not page.locator("#filters").is_visible()


def test_the_mark_of_an_emulated_device_is_on_figure_map_and_table(browser: Any, tmp_path: Path) -> None:
    file = write_report([make_run(make_points(device_kind="emulated"))], tmp_path).html
    page = opened(browser, file)
    assert (
        page.locator("#explore .mark:visible").all_inner_texts() == ["EMULATED - modelled, not measured."] * 3
    )
    page.close()


def test_many_points_are_drawn_and_only_the_rows_that_are_seen_are_set(browser: Any, tmp_path: Path) -> None:
    points = make_points(widths=range(64, 264), batches=BATCHES, depths=DEPTHS, modes=MODES)
    table = tidy(points)
    file = tmp_path / "many.html"
    file.write_text(pages.render(assembled([make_run(points)], table, [], [])), encoding="utf-8")
    page = opened(browser, file)
    page.wait_for_selector("#chart[data-ready] canvas")
    assert page.locator("#said").inner_text().startswith("3,600 of 3,600 points")
    assert page.locator("#rows-body tr").count() < 100
    page.evaluate("document.getElementById('rows-box').scrollTop = 1e9")
    page.wait_for_selector(f"#rows-body tr[aria-rowindex='{len(table) + 1}']")
    assert page.locator("#rows-body tr").count() < 100
    page.close()


def test_hostile_text_is_drawn_and_not_obeyed(browser: Any, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=window.obeyed=1></script><script>window.obeyed=1</script>"

    def named(row: dict[str, Any]) -> dict[str, Any]:
        mode = hostile if row["mode"] == "trace" else row["mode"]
        return {
            "mode": mode,
            "device_name": hostile,
            "warnings": hostile,
            "verdict": "__proto__",
            "error": hostile,
        }

    page = opened(browser, write_report([make_run(make_points(change=named))], tmp_path).html)
    page.select_option("select[data-filter=x]", "mode")
    drawn(page)
    page.locator(SYMBOLS).last.hover(force=True)
    assert hostile in page.locator("#tip").inner_text()
    page.locator("#rows-body tr[data-row]").nth(2).click()
    page.locator("#legend button").last.click()
    drawn(page)
    assert hostile in page.locator("#point").inner_text()
    assert hostile in page.locator("#legend").inner_text()
    assert page.locator("#explore img, #tip img, #explore script").count() == 0
    assert page.evaluate("window.obeyed") is None
    page.close()


def test_without_the_library_all_but_the_figure_is_there(
    browser: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    def missing() -> str:
        raise pages.NoLibrary("it is not installed")

    monkeypatch.setattr(pages, "library", missing)
    page = opened(browser, write_report([make_run()], tmp_path).html)
    assert page.locator("#map button").count() == 9
    assert page.locator("#rows-body tr[data-row]").count() > 0
    assert not page.locator("#live").is_visible()
    assert "left out: it is not installed" in page.locator("#explore").inner_text()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken_seriously(browser: Any, written: Path, scheme: str) -> None:
    page = opened(browser, written, color_scheme=scheme)
    page.wait_for_selector("#chart[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.get_by_role("button", name="script", exact=True).click()
    assert broken_rules(page) == {}
    page.close()
