"""A report is whole whatever the data: it says what it does not show, and obeys nothing that it quotes."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import failed, make_points, make_run

from harness.core.files.made import Made
from harness.core.schema import COLUMNS
from harness.report.interactive.library import library
from harness.report.page import TEMPLATES
from harness.report.write import write_report

HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n# head"


class Tags(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def scripts(file: Path) -> list[str]:
    """What stands between tags of scripts, data too, as a browser reads it."""
    return re.findall(r"<script[^>]*>(.*?)</script", file.read_text("utf-8"), re.DOTALL | re.IGNORECASE)


def ours(file: Path) -> list[str]:
    """The scripts that a report has, whatever it is of; what is not run is data, of points and maps."""
    data = re.findall(
        r'<script type="application/json" id="(?:points|crossover)">(.*?)</script>',
        file.read_text("utf-8"),
        re.DOTALL,
    )
    assert len(data) == 2
    for each in data:
        json.loads(each)
    return [*data, library(), *run_by_the_page()]


def run_by_the_page() -> list[str]:
    return [(TEMPLATES / name).read_text() for name in ("crossover.js", "report.js")]


def test_the_policy_allows_the_scripts_of_the_page_and_no_others(tmp_path: Path) -> None:
    file = write_report([make_run()], tmp_path).html
    page = Tags(file.read_text())
    (said,) = [str(attrs["content"]) for _, attrs in page.tags if attrs.get("http-equiv")]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in [library(), *run_by_the_page()]
    ]
    assert said.split("; ")[-1] == "script-src " + " ".join(f"'sha256-{each}'" for each in hashes)
    assert scripts(file) == ours(file)
    assert not any(
        word in said for word in ("unsafe-eval", "http:", "https:", "*", "script-src 'unsafe-inline'")
    )


def test_a_report_has_all_its_files(tmp_path: Path) -> None:
    paths = write_report([make_run()], tmp_path)
    for path in (paths.csv, paths.html, paths.markdown, *(figure.svg for figure in paths.figures)):
        assert path.stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".harness-made",
        "crossover.csv",
        "figures",
        "points.csv",
        "report.html",
        "report.md",
    ]


def test_the_page_holds_its_figures_and_asks_for_nothing(tmp_path: Path) -> None:
    paths = write_report([make_run()], tmp_path)
    page = Tags(paths.html.read_text())
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == len(paths.figures) > 0
    for attrs in images:
        assert str(attrs["src"]).startswith("data:image/svg+xml;base64,")
        assert attrs["width"] and attrs["height"] and attrs["alt"]
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; img-src data:")


def test_the_page_shows_every_row(tmp_path: Path) -> None:
    paths = write_report([make_run()], tmp_path)
    text = paths.html.read_text()
    assert all(key in text for key in make_points()["key"])
    assert all(f">{name}<" in text for name in COLUMNS)


def test_hostile_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    def change(row: dict[str, object]) -> dict[str, object] | None:
        return failed(error=HOSTILE) if row["batch"] == 1 else {"device_name": HOSTILE}

    run = make_run(
        make_points(change=change),
        label=HOSTILE,
        name=HOSTILE,
        notes=(HOSTILE,),
        environment={HOSTILE: {HOSTILE: [HOSTILE]}},
    )
    paths = write_report([run], tmp_path)
    page = Tags(paths.html.read_text())
    assert scripts(paths.html) == ours(paths.html)
    assert all(str(attrs["href"]).startswith("#") for tag, attrs in page.tags if tag == "a")
    assert all(str(attrs["src"]).startswith("data:") for tag, attrs in page.tags if tag == "img")
    assert "&lt;script&gt;" in paths.html.read_text()

    lines = paths.markdown.read_text().splitlines()
    assert not [line for line in lines if re.search(r"<(script|img)", line)]
    assert not [line for line in lines if re.search(r"(?<!\\)\[a\]\(javascript", line)]
    assert [line for line in lines if line.startswith("# ")] == [lines[0]]
    table = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_markdown_links_its_figures_and_keeps_intervals_readable(tmp_path: Path) -> None:
    paths = write_report([make_run()], tmp_path)
    text = paths.markdown.read_text()
    for figure in paths.figures:
        assert f"](figures/{figure.png.name})" in text
    assert re.search(r"x \[\d\.\d+, \d\.\d+\] as fast as eager", text)


def test_a_report_of_failures_only_is_a_page_without_figures(tmp_path: Path) -> None:
    paths = write_report([make_run(make_points(change=lambda row: failed()))], tmp_path)
    assert paths.figures == []
    assert "There are no figures, since no point could be measured." in paths.html.read_text()
    assert "There are no figures, since no point could be measured." in paths.markdown.read_text()
    assert "27 points: 27 failed." in paths.html.read_text()


def test_a_run_without_points_is_still_a_page(tmp_path: Path) -> None:
    paths = write_report([make_run(make_points()[:0])], tmp_path)
    assert "There are no points." in paths.html.read_text()


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    runs = [make_run(label="before"), make_run(label="after", notes=("disturbed",))]
    paths = write_report(runs, tmp_path)
    header, first, *_ = paths.csv.read_text().splitlines()
    assert header.split(",")[:2] == ["run", "key"]
    assert first.startswith("before,")
    assert "after: disturbed" in paths.html.read_text()
    assert {"before", "after"} <= {
        word for figure in paths.figures for word in re.findall(r"\w+", figure.title)
    }


def test_runs_of_the_same_label_are_told_apart(tmp_path: Path) -> None:
    paths = write_report([make_run(), make_run()], tmp_path)
    labels = {line.split(",")[0] for line in paths.csv.read_text().splitlines()[1:]}
    assert labels == {"smoke", "smoke (2)"}


def test_emulated_points_are_marked_everywhere(tmp_path: Path) -> None:
    paths = write_report([make_run(make_points(device_kind="emulated"))], tmp_path)
    mark = "EMULATED - modelled, not measured"
    # Above all, below each figure, and once for each script, which puts it on what it draws.
    assert paths.html.read_text().count(mark) == 3 + len(paths.figures)
    assert mark in paths.markdown.read_text()
    assert all(figure.emulated for figure in paths.figures)


def test_measured_points_carry_no_such_mark(tmp_path: Path) -> None:
    assert "EMULATED" not in write_report([make_run()], tmp_path).html.read_text()


def test_warnings_come_with_their_advice(tmp_path: Path) -> None:
    points = make_points(change=lambda row: {"warnings": "noisy"} if row["batch"] == 1 else None)
    text = write_report([make_run(points)], tmp_path).html.read_text()
    assert "(9 of 27 points)" in text
    assert "Measure longer, or in more sessions" in text


def test_strong_scaling_changes_what_batch_is_said_to_be(tmp_path: Path) -> None:
    paths = write_report([make_run(scaling="strong")], tmp_path)
    assert "strong scaling: batch counts the samples of all devices together" in paths.html.read_text()


def test_a_single_cell_tells_the_seconds_for_a_thousand_calls(tmp_path: Path) -> None:
    points = make_points(
        depths=(4,), batches=(8,), model="mlp-512-256-128-2", change=lambda row: {"step_us": 250.0}
    )
    paths = write_report([make_run(points, name="hybridize")], tmp_path)
    for path in (paths.html, paths.markdown):
        assert "Total seconds for 1,000 calls" in path.read_text()
        assert "0.250" in path.read_text()


def test_figures_of_an_earlier_report_are_removed_and_nothing_else(tmp_path: Path) -> None:
    write_report([make_run()], tmp_path)
    folder = tmp_path / "figures"
    made = Made(tmp_path)
    for name in ("old.svg", "old.png"):
        made.write(f"figures/{name}", b"x")
    for name in ("mine.txt", "mine.svg"):
        (folder / name).write_text("x")
    paths = write_report([make_run()], tmp_path)
    names = {path.name for figure in paths.figures for path in (figure.svg, figure.png)}
    assert {path.name for path in folder.iterdir()} == {"mine.txt", "mine.svg", *names}


def test_importing_the_report_is_cheap() -> None:
    code = (
        "import sys; import harness.report.write; "
        "sys.exit(str([m for m in ('torch', 'matplotlib', 'seaborn', 'scipy') if m in sys.modules]) "
        "if {'torch', 'matplotlib', 'seaborn', 'scipy'} & set(sys.modules) else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_report_never_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/report'); from pathlib import Path; "
        "from synthetic import make_run; from harness.report.write import write_report; "
        f"write_report([make_run()], Path({str(tmp_path)!r})); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_time_grows_no_worse_than_linearly_with_points(tmp_path: Path) -> None:
    def seconds(widths: int) -> float:
        points = make_points(
            widths=[64 + width for width in range(widths)], batches=(1, 8), modes=("eager", "script")
        )
        start = time.perf_counter()
        write_report([make_run(points)], tmp_path)
        return time.perf_counter() - start

    seconds(1)  # imports and font caches
    # 16 times the points; quadratic growth of any part would show as far more than that.
    assert seconds(64) < 16 * 2.5 * seconds(4)


@pytest.mark.parametrize("wrong", [float("inf"), -1.0, 0.0])
def test_impossible_numbers_do_not_stop_the_report(tmp_path: Path, wrong: float) -> None:
    names = (
        "step_us",
        "step_us_low",
        "speedup_vs_eager",
        "speedup_low",
        "throughput_samples_s",
        "dispatch_share",
    )
    points = make_points(
        devices=(1, 2), change=lambda row: dict.fromkeys(names, wrong) if row["batch"] == 64 else None
    )
    paths = write_report([make_run(points)], tmp_path)
    assert "Could not draw" not in paths.html.read_text()
    assert paths.figures
