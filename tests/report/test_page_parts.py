"""What the page is made of: points as data, the library's script, groups of figures, warnings by what to do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_frameworks import framework_points
from synthetic import as_points, failed, make_points, make_run

from harness.core.warnings import REMEDIES, WARNINGS
from harness.report.interactive import library as kept
from harness.report.interactive.data import embedded, points_json
from harness.report.interactive.policy import policy
from harness.report.page import templates
from harness.report.result import Figure
from harness.report.shown.grouped import grouped, picture, showing
from harness.report.summary import UNKNOWN, Warned, by_remedy, warned
from harness.report.table.tidy import tidy
from harness.report.write import write_report


def figure(kind: str, title: str) -> Figure:
    return Figure(kind, title, "", Path(), Path(), 1, 1)


def test_data_in_a_page_ends_no_tag_and_comes_back_as_it_was() -> None:
    hostile = {"</script><!--": ["<script>", "a&b\u2028\u2029", '"']}
    text = embedded(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile


def test_points_are_whole_in_the_data_of_a_page() -> None:
    points = make_points(change=lambda row: failed() if row["batch"] == 1 else None)
    data = json.loads(points_json(tidy(points), {"eager": "#010203"}))
    columns = {each["name"]: each for each in data["columns"]}
    assert data["rows"] == len(points)
    assert columns["batch"]["values"] == points["batch"].tolist()
    modes = columns["mode"]
    assert [modes["words"][code] for code in modes["codes"]] == points["mode"].tolist()
    steps = columns["step_us"]["values"]
    assert [value is None for value in steps] == points["step_us"].isna().tolist()
    assert data["modes"][0] == "eager" and data["looks"][0] == ["", "eager", "#010203", "circle"]
    assert data["ends"]["speedup_vs_eager"] == ["speedup_low", "speedup_high"]
    assert data["ends"]["feedable_devices"] == []
    assert "util_mean_pct" not in columns and data["mark"] == ""


def test_modes_of_the_same_name_look_different_in_different_environments() -> None:
    table = tidy(framework_points())
    environments = {name: f"#00000{place}" for place, name in enumerate(sorted(set(table["environment"])))}
    looks = json.loads(points_json(table, {}, environments))["looks"]
    pairs = set(zip(table["environment"], table["mode"], strict=True))
    assert {(environment, mode) for environment, mode, *_ in looks} == pairs
    assert len({(colour, shape) for *_, colour, shape in looks}) == len(pairs)
    assert {shape for _, mode, _, shape in looks if mode == "eager"} == {"circle"}
    # With one environment a mode has its colour of the figures.
    alone = json.loads(points_json(tidy(make_points()), {"eager": "#010203"}, {"here": "#000000"}))["looks"]
    assert alone[0] == ["", "eager", "#010203", "circle"]


def test_a_page_of_no_points_has_data_too() -> None:
    assert json.loads(points_json(tidy(as_points([])), {}))["rows"] == 0


@pytest.mark.parametrize("bad", ["", "a</SCRIPT>", "a<!--b", "a\rb", "a\0b"])
def test_a_script_that_a_page_would_change_is_not_taken(bad: str) -> None:
    assert not kept.is_safe(bad)


def test_the_library_is_taken_once_and_draws_without_eval(monkeypatch: pytest.MonkeyPatch) -> None:
    script = kept.library()
    assert kept.is_safe(script) and "window.vegaEmbed" in script
    kept.library.cache_clear()

    def never(folder: Path) -> None:
        raise AssertionError("it is kept already")

    monkeypatch.setattr(kept, "_take_out", never)
    assert kept.library() == script


def test_a_missing_wheel_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "WHEEL", "no-such-wheel-of-anybody")
    kept.library.cache_clear()
    with pytest.raises(kept.NoLibrary, match="is not installed"):
        kept.library()
    kept.library.cache_clear()


def test_a_page_without_scripts_allows_none() -> None:
    assert "script-src" not in policy() and policy().startswith("default-src 'none'")


def test_figures_of_a_kind_are_one_group_in_the_order_of_the_page() -> None:
    figures = [figure("a", "A: one"), figure("b", "B: x, y"), figure("a", "A: two")]
    groups = grouped(figures)
    assert [(group.kind, group.title, group.places) for group in groups] == [
        ("a", "A", (0, 2)),
        ("b", "B: x, y", (1,)),
    ]


def test_of_a_group_the_figure_is_found_that_a_sentence_is_about() -> None:
    slices = ((1, "forward"), (4, "forward"), (4, "train"))
    groups = grouped(
        [
            replace(figure("a", f"A: {place}"), of=(("devices", place[0]), ("workload", place[1])))
            for place in slices
        ]
    )

    def link(**row: object) -> str:
        shown = showing(groups, ("a",), row)
        return shown.link if shown else ""

    assert link(workload="train", devices=4, mode="eager") == "figures-a-3"
    assert link(devices=4) == "figures-a-2" and link() == "figures-a-1"
    # None of them shows it: another one would be taken for it.
    assert link(workload="train", devices=1) == ""
    assert showing(grouped([figure("a", "A")]), ("a",), {"devices": 4}).link == "figures-a"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kinds", "shown_by", "first"),
    [
        (("speedup", "crossover"), ("crossover", "speedup"), "crossover"),
        (("speedup", "energy"), ("crossover", "speedup"), "speedup"),
        (("energy", "modes"), ("crossover",), "modes"),
        (("energy", "memory"), (), "energy"),
    ],
)
def test_the_picture_is_what_the_finding_names_else_what_says_most(
    kinds: tuple[str, ...], shown_by: tuple[str, ...], first: str
) -> None:
    figures = [figure(kind, kind) for kind in kinds]
    found = picture(grouped(figures), shown_by, {"devices": 4})
    assert found is not None and found.group.kind == first
    assert picture([], shown_by, {}) is None
    others = [replace(each, of=(("devices", 2),)) for each in figures]
    assert picture(grouped(others), shown_by, {"devices": 4}) is None


def test_every_warning_stands_under_what_to_do_and_those_of_other_versions_last() -> None:
    points = make_points(modes=("eager",))
    points["warnings"] = ";".join([*WARNINGS, "of_tomorrow"])
    groups = by_remedy(warned(tidy(points)))
    assert [remedy for remedy, _ in groups] == [*REMEDIES, UNKNOWN]
    assert {each.name for _, own in groups for each in own} == {*WARNINGS, "of_tomorrow"}
    assert groups[-1][1] == [Warned("of_tomorrow", len(points), "no advice is known", UNKNOWN)]


class _Texts(HTMLParser):
    """What a page breaks into lines."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside += [tag] if tag in ("script", "style", "pre", "code") else []

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        self.found += [] if self.inside else [data]


def test_no_line_of_a_page_ends_between_a_number_and_its_unit(tmp_path: Path) -> None:
    html = write_report(
        [make_run(make_points(modes=("eager", "script"), batches=(1, 16, 256)))], tmp_path
    ).html
    texts = _Texts()
    texts.feed(html.read_text())
    assert any("\u00a0%" in text for text in texts.found)
    assert [
        text for text in texts.found if re.search(r"\d\s*[ \n](%|[mun]?s|MiB|GiB|GHz)(?![\w%])", text)
    ] == []


def test_what_is_copied_or_read_by_a_script_keeps_its_spaces() -> None:
    made = templates().from_string("{{ a }}|<pre>{{ a|e }}</pre>|{{ 5 }}").render(a="5 % <b>")
    assert made == "5\u00a0% &lt;b&gt;|<pre>5 % &lt;b&gt;</pre>|5"
