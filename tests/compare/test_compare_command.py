"""`harness compare`: what it refuses, what it writes, and what it answers to CI."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from made_runs import point_key, write_run

from harness.commands.cli import main
from harness.duel.shown import COLUMNS as OF_A_DUEL
from harness.report.write import write_report

SLOW = {point_key(2, "script"): 1.1}
HOSTILE = "\x1b[2J<img src=x onerror=alert(1)>|[x](http://x)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "a", 1)
    write_run(root / "b", 2, slower=SLOW)
    write_run(root / "again", 3)
    write_run(root / "elsewhere", 4, environment={"host": "node2"})
    write_run(root / "hostile", 5, environment={"python": HOSTILE, "torch": {"torch": "=1+1"}}, name=HOSTILE)
    return root


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "compare.csv").open(encoding="utf-8") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def test_it_says_what_became_slower_and_writes_it_down(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(folder / "a"), str(folder / "b"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "The runs say the same of machine, versions and settings." in said.splitlines()[0]
    assert "1 slower" in said
    found = rows(tmp_path)[point_key(2, "script")]
    assert found["verdict"] == "slower" and found["through"] == "eager"
    assert float(found["ratio_low"]) <= 1 / 1.1 <= float(found["ratio_high"])
    assert found["status"] == "ok" and {"overall", "common"} <= set(rows(tmp_path))
    plain = json.loads((tmp_path / "compare.json").read_text())
    assert plain["comparisons"][0]["movers"] == [point_key(2, "script")]
    assert "1 slower" in (tmp_path / "compare.md").read_text().splitlines()[0]
    page = (tmp_path / "compare.html").read_text()
    assert (
        "data:image/svg+xml" in page
        and "<script" not in page
        and "http" not in page.replace("http-equiv", "")
    )
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_its_table_has_the_words_of_a_duels(folder: Path, tmp_path: Path) -> None:
    main(["compare", str(folder / "a"), str(folder / "b"), "--out", str(tmp_path)])
    (first, *_) = rows(tmp_path).values()
    shared = (
        "key",
        "mode",
        "batch",
        "a",
        "b",
        "ratio",
        "ratio_low",
        "ratio_high",
        "verdict",
        "a_us",
        "b_us",
        "floor",
    )
    assert set(shared) <= set(first) and set(shared) <= set(OF_A_DUEL)


@pytest.mark.parametrize(
    ("runs", "words", "status"),
    [
        (("a", "b"), "slower", 1),
        (("a", "again"), "slower,faster", 0),
        (("b", "a"), "slower", 0),
        (("b", "a"), "faster", 1),
    ],
)
def test_its_exit_status_is_for_a_build(
    folder: Path, tmp_path: Path, runs: tuple[str, str], words: str, status: int
) -> None:
    given = [str(folder / run) for run in runs]
    assert main(["compare", *given, "--fail-on", words, "--out", str(tmp_path)]) == status


def test_another_machines_run_is_refused_and_shown_when_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["compare", str(folder / "a"), str(folder / "elsewhere"), "--out", str(tmp_path / "out")]
    assert main(given) == 2
    assert "another machine (host: node1 in A, node2 in B)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*given, "--across-machines"]) == 0
    assert "two machines, and no change" in capsys.readouterr().out
    assert "no change was measured" in (tmp_path / "out" / "compare.html").read_text()
    assert main([*given, "--across-machines", "--fail-on", "slower"]) == 2


def test_the_table_of_a_run_is_a_baseline(folder: Path, tmp_path: Path) -> None:
    from harness.analysis.run import load_run

    write_report([load_run(folder / "a")], tmp_path / "report")
    baseline = str(tmp_path / "report" / "points.csv")
    given = ["compare", baseline, str(folder / "b"), "--fail-on", "slower", "--out", str(tmp_path / "out")]
    assert main(given) == 1
    assert rows(tmp_path / "out")[point_key(2, "script")]["verdict"] == "slower"


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", "key,mode,status,step_us\nx,eager,ok,1\nx,eager,ok,1\n"]
)
def test_what_is_neither_run_nor_table_is_refused(
    folder: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "points.csv").write_text(content)
    assert main(["compare", str(folder / "a"), str(tmp_path / "points.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_that_is_a_link_or_no_plain_file_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "target.csv").write_text("key,mode,status,step_us\nx,eager,ok,1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    os.mkfifo(tmp_path / "fifo.csv")
    for name in ("link.csv", "fifo.csv", "nothing.csv"):
        assert main(["compare", str(folder / "a"), str(tmp_path / name)]) == 2


def test_a_table_that_is_too_large_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wide.csv").write_text(",".join(["key"] * 5000) + "\n")
    (tmp_path / "long.csv").write_text("key,mode,status,step_us\n" + "x,eager,ok,1\n" * 1000)
    monkeypatch.setattr("harness.compare.side.LARGEST_CSV", 10_000)
    for name, why in (("wide.csv", "larger than"), ("long.csv", "larger than")):
        assert main(["compare", str(folder / "a"), str(tmp_path / name)]) == 2
        assert why in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["compare", str(folder / "a"), str(tmp_path / "wide.csv")]) == 2
    assert "columns" in capsys.readouterr().err


def test_numbers_that_none_of_ours_are_cost_no_comparison(folder: Path, tmp_path: Path) -> None:
    from harness.analysis.run import load_run

    write_report([load_run(folder / "a")], tmp_path / "report")
    path = tmp_path / "report" / "points.csv"
    lines = list(csv.DictReader(path.open(encoding="utf-8")))
    for row, value in zip(lines, ["1e300", "inf", "-1", "nan", "x", "1e-300", "0", ""], strict=False):
        row |= dict.fromkeys(("step_us", "step_us_low", "speedup_vs_eager", "speedup_low", "sessions"), value)
        row["null_ratio"] = value
    with path.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    for runs in ([path, folder / "b"], [folder / "b", path]):
        assert main(["compare", *map(str, runs), "--out", str(tmp_path / "out")]) == 0


def test_what_a_compared_run_says_is_no_order_to_anybody(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["compare", str(folder / "a"), str(folder / "hostile"), "--out", str(tmp_path)])
    assert "\x1b" not in capsys.readouterr().out
    assert "<img src=x" not in (tmp_path / "compare.html").read_text()
    text = (tmp_path / "compare.md").read_text()
    assert "<img" not in text and "[x](http" not in text.replace("\\[", "")
    assert all(not cell.startswith("=") for row in rows(tmp_path).values() for cell in row.values())


def test_a_comparison_replaces_no_file_of_somebody_else(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "compare.csv").write_text("mine")
    assert main(["compare", str(folder / "a"), str(folder / "b"), "--out", str(tmp_path)]) == 2
    assert (tmp_path / "compare.csv").read_text() == "mine" and list(tmp_path.iterdir()) == [
        tmp_path / "compare.csv"
    ]


@pytest.mark.parametrize("given", [["a"], ["a", "b", "--fail-on", "slowr"], ["a", "nothing"]])
def test_a_comparison_that_is_refused_is_refused_in_one_line(
    folder: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word if word.startswith("-") or word == "slowr" else str(folder / word) for word in given]
    assert main(["compare", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
