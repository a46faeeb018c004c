"""Sentence, number and picture of a page's answer are of the same rows, whatever was swept beside them."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_frameworks import framework_points
from synthetic import Row, make_points, make_run

from harness.report.write import write_report

FEW: dict[str, Any] = {"depths": (2, 16), "batches": (1, 64)}


def page_of(points: pd.DataFrame, folder: Path) -> str:
    paths = write_report([make_run(points)], folder)
    assert not paths.failed
    return paths.html.read_text(encoding="utf-8")


def part(page: str, name: str) -> str:
    return page.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def answered(page: str) -> tuple[str, str, str]:
    """Sentences, number and title of the figure that is seen first; empty where there is none."""
    own = part(page, "answer")
    said = " ".join(re.findall(r"<p(?: class=\"lead\")?>(.*?)</p>", own))
    number = re.search(r'class="big">(.*?)<', own)
    checked = own.partition(" checked>")[2] or own
    title = re.search(r'alt="(.*?)"', checked)
    found = (said, number[1] if number else "", title[1] if title else "")
    said, largest, shown = (unescape(text).replace("\xa0", " ") for text in found)
    return said, largest, shown


def first_of_five(page: str) -> str:
    return unescape(part(page, "five").partition("<li>")[2].partition("</li>")[0])


def in_environments(shares: dict[str, float], **options: Any) -> pd.DataFrame:
    """Environments of one framework, with eager so much slower in each that dispatch has this share at least."""
    tables = []
    for name, share in shares.items():

        def change(row: Row, name: str = name, share: float = share) -> Row:
            own = {"environment": name, "key": f"{name}{row['key']}"[:12], "framework": "torch"}
            if row["mode"] == "eager":
                return {**own, "dispatch_share": share}
            gain = 1 / (1 - share)
            return {**own, "speedup_vs_eager": gain, "speedup_low": 0.99 * gain, "speedup_high": 1.01 * gain}

        tables.append(make_points(**{**FEW, **options}, change=change))
    return pd.concat(tables, ignore_index=True)


def test_of_several_frameworks_the_answer_is_about_the_frameworks(tmp_path: Path) -> None:
    page = page_of(framework_points(), tmp_path)
    said, number, title = answered(page)
    assert said.startswith(
        "At depth 16, batch 1, jax aot runs 28.6x [27.8, 29.5] as fast as jax eager, its own"
    )
    assert number.endswith("x") and f"runs {number} [" in said
    assert "Fastest of all is jax aot" in said and "environment" not in said
    assert title.startswith("Imperative, symbolic, hybrid")
    assert "how do they compare?" in first_of_five(
        page
    ) and "Imperative, symbolic, hybrid at" in first_of_five(page)


def test_frameworks_of_one_style_are_compared_too(tmp_path: Path) -> None:
    costs = {("torch", "eager"): (6.0, 6.0), ("mxnet", "eager"): (50.0, 200.0)}
    said, number, title = answered(page_of(framework_points(costs=costs), tmp_path))
    assert "no graph is shown to run faster" in said and "the slowest framework is mxnet" in said
    assert number == "32x" and title.startswith("Imperative, symbolic, hybrid")


def test_of_frameworks_that_are_not_told_apart_no_number_is_made_up(tmp_path: Path) -> None:
    costs = {("torch", "eager"): (6.0, 6.0), ("mxnet", "eager"): (6.0, 6.1)}
    said, number, _ = answered(page_of(framework_points(costs=costs), tmp_path))
    assert "no graph is shown" in said and number == ""


def test_of_several_environments_all_three_are_of_the_one_that_is_named(tmp_path: Path) -> None:
    # More than are drawn of a kind: the answer's own is among them, wherever it stands.
    shares = {"here": 0.3, "torch-a": 0.4, "torch-b": 0.5, "torch-c": 0.8, "torch-d": 0.6}
    said, number, title = answered(page_of(in_environments(shares), tmp_path))
    assert number == "80 %" and said.count("environment torch-c") == 2
    assert "environment torch-c" in title


def test_of_several_workloads_widths_and_devices_all_three_are_of_the_same(tmp_path: Path) -> None:
    def change(row: Row) -> Row:
        if (
            row["workload"] == "train"
            and row["width"] == 128
            and row["devices"] == 2
            and row["mode"] == "eager"
        ):
            return {"dispatch_share": 0.93}
        return {}

    points = make_points(
        **FEW, widths=(64, 128, 256), workloads=("forward", "train"), devices=(1, 2, 4), change=change
    )
    said, number, title = answered(page_of(points, tmp_path))
    assert number == "93 %"
    for word in ("train", "width 128", "2 devices"):
        assert word in title, title
    assert "on 2 devices (width 128), but only" in said and "(train)." in said
    assert re.search(r"What saves it: .* on 2 devices \(width 128, train\)", said)


def test_what_removes_it_is_never_told_of_other_rows(tmp_path: Path) -> None:
    def change(row: Row) -> Row:
        if row["workload"] == "train":
            wide = {"speedup_low": 0.5, "speedup_high": 9.0} if row["mode"] != "eager" else {}
            return {"dispatch_share": 0.9 if row["mode"] == "eager" else 0.1, **wide}
        return {}

    points = make_points(
        **FEW, workloads=("forward", "train"), device_kind="cuda", device_name="a GPU", change=change
    )
    said, number, title = answered(page_of(points, tmp_path))
    assert number == "90 %" and "train" in title and "What removes" not in said


def test_what_was_measured_answers_before_what_was_modelled(tmp_path: Path) -> None:
    modelled = make_points(**FEW, device_kind="emulated", device_name="Emulated H100")
    modelled["dispatch_share"] = modelled["dispatch_share"].where(modelled["mode"] != "eager", 0.99)
    modelled["key"] = "e" + modelled["key"].str[1:]
    for tables in ((make_points(**FEW), modelled), (modelled, make_points(**FEW))):
        said, number, title = answered(page_of(pd.concat(tables, ignore_index=True), tmp_path))
        assert number != "99 %" and "Test CPU 9000" in said and "(emulated)" not in title


def test_where_no_share_is_known_the_gain_is_of_the_rows_that_are_named(tmp_path: Path) -> None:
    points = in_environments({"here": 0.5, "torch-a": 0.6}, device_kind="cuda", device_name="a GPU")
    points["dispatch_share"] = float("nan")
    said, number, title = answered(page_of(points, tmp_path))
    named = re.search(r"cannot be told: .*? \(environment (\S+)\)\.", said)
    assert named and f"(environment {named[1]})." in said.partition("What removes")[2]
    assert f"environment {named[1]}" in title and number == {"here": "2.00x", "torch-a": "2.50x"}[named[1]]


def test_no_figure_of_other_rows_stands_beside_the_answer(tmp_path: Path) -> None:
    # The answer's environment has a single cell with a single mode beside eager; the other has all figures.
    wide, single = (
        in_environments({"here": 0.2}),
        in_environments({"torch-a": 0.7}, depths=(2,), batches=(1,)),
    )
    page = page_of(pd.concat([wide, single], ignore_index=True), tmp_path)
    said, number, title = answered(page)
    assert number == "70 %" and "environment torch-a" in said
    assert "environment here" not in title


@pytest.mark.parametrize("kind", ["bottleneck", "faster"])
def test_every_finding_leads_to_a_figure_of_its_own_rows_or_to_none(kind: str, tmp_path: Path) -> None:
    from harness.report.findings import told
    from harness.report.shown.grouped import grouped, showing
    from harness.report.table.tidy import tidy

    points = in_environments({"here": 0.3, "torch-a": 0.4, "torch-b": 0.5, "torch-c": 0.8})
    figures = grouped(write_report([make_run(points)], tmp_path).figures)
    own = [each for each in told(tidy(points)) if each.kind == kind]
    assert own
    for each in own:
        if (shown := showing(figures, each.shown_by, each.rows)) is not None:
            figure = shown.group.figures[shown.place]
            assert dict(figure.of).get("environment") == each.rows["environment"]
