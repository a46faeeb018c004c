"""Points over all runs of a folder: where they changed, with which version, and what is called no change."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import point_key, write_run
from made_sides import FACTS, MODES, key_of, made_side

from harness.commands.cli import main
from harness.compare.side import Side
from harness.history.changes import FEWEST_RUNS, Change, changes_of
from harness.history.found import runs_below
from harness.history.lines import COMMON, lines_of

HISTORIES = 12


def sides(seed: int, runs: int, *, slower: dict[str, float] | None = None, at: int = 0) -> list[Side]:
    """slower: from the run `at` on, which has another torch."""
    made = []
    for number in range(runs):
        is_after = number >= at and bool(slower)
        facts = {**FACTS, "torch": "2.15.0" if is_after else "2.14.1"}
        side = made_side(
            1000 * seed + number,
            label=f"r{number}",
            facts=facts,
            slower=slower if is_after else None,
        )
        made.append(replace(side, began=f"2026-01-{number + 1:02d}T00:00:00+00:00"))
    return made


def changes(*given: Side) -> list[Change]:
    return changes_of(lines_of(given))


def test_where_nothing_changed_nothing_is_called_a_change() -> None:
    called = [changes(*sides(seed, 20)) for seed in range(HISTORIES)]
    assert sum(map(bool, called)) <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_change_of_5_percent_is_found_at_its_run_with_its_version_and_nothing_else(mode: str) -> None:
    key = key_of(3, mode)
    for seed in range(HISTORIES):
        (change,) = changes(*sides(seed, 14, slower={key: 1.05}, at=8))
        assert (change.line.key, change.after.side.label, change.verdict) == (key, "r8", "slower")
        assert change.ratio.low <= 1 / 1.05 * 1.01 and change.ratio.high >= 1 / 1.05 * 0.99
        assert change.reason == "torch 2.14.1 -> 2.15.0"


def test_a_change_of_all_points_is_one_of_what_they_have_in_common() -> None:
    keys = {key_of(cell, mode): 1.25 for cell in range(8) for mode in MODES}
    (change,) = changes(*sides(0, 16, slower=keys, at=8))
    assert change.line.key == COMMON


def test_with_few_runs_nothing_is_called_a_change() -> None:
    given = sides(0, FEWEST_RUNS - 1, slower={key_of(3, "script"): 3.0}, at=4)
    assert changes(*given) == []


def test_one_run_that_was_disturbed_is_no_change() -> None:
    given = sides(0, 15)
    given[7] = replace(made_side(7, slower={key_of(3, "script"): 1.5}), began=given[7].began)
    assert changes(*given) == []


def test_machines_have_lines_of_their_own() -> None:
    ours, theirs = sides(0, 3), [replace(side, facts={**side.facts, "host": "node2"}) for side in sides(1, 2)]
    lines = lines_of([*ours, *theirs])
    assert {len(line.entries) for line in lines} == {2, 3}
    assert len({line.machine for line in lines}) == 2


def test_what_drivers_measured_has_lines_of_its_own() -> None:
    ours, theirs = sides(0, 3), sides(1, 2)
    for side in theirs:
        side.points.loc[0, "environment"] = "py312"
    lines = [line for line in lines_of([*ours, *theirs]) if line.key == key_of(3, "eager")]
    assert [len(line.entries) for line in lines] == [3, 2]
    assert [line.machine.endswith("by drivers") for line in lines] == [False, True]


def test_runs_are_found_at_any_depth_in_the_order_of_time_and_behind_no_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "results", tmp_path / "outside"
    write_run(root / "deep" / "er" / "first", 1, began="2026-01-01T00:00:00+00:00")
    write_run(root / "second", 2, began="2026-01-02T00:00:00+01:00")
    write_run(root / "never", 3, began="some time")
    write_run(outside / "run", 4)
    (root / "link").symlink_to(outside)
    found = runs_below(root)
    assert [side.label for side in found.sides] == ["deep/er/first", "second"]
    assert found.left_out == ("never: it does not say when it was begun",)


def test_the_command_writes_lines_changes_figure_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {point_key(1, "script"): 1.2}
    hostile = "\x1b[2J<img src=x>"
    for number in range(8):
        write_run(
            tmp_path / "results" / str(number),
            number,
            slower=slow if number >= 4 else None,
            environment={"torch": {"torch": hostile if number >= 4 else "2.14.1"}},
            began=f"2026-01-0{number + 1}T00:00:00+00:00",
        )
    assert main(["history", str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 change in ") and "\x1b" not in said
    with (tmp_path / "out" / "changes.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["key"], row["after"], row["verdict"]) == (point_key(1, "script"), "4", "slower")
    assert "torch 2.14.1 -> " in row["versions"]
    page = (tmp_path / "out" / "history.html").read_text()
    assert "<img src=x>" not in page and "<script" not in page
    assert (tmp_path / "out" / "history.png").read_bytes().startswith(b"\x89PNG")


def test_a_history_replaces_no_file_of_somebody_else(tmp_path: Path) -> None:
    write_run(tmp_path / "results" / "run", 1)
    (tmp_path / "history.csv").write_text("mine")
    assert main(["history", str(tmp_path / "results"), "--out", str(tmp_path)]) == 2
    assert (tmp_path / "history.csv").read_text() == "mine"


def test_a_folder_without_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path)]) == 2
    assert "a folder with run directories below it" in capsys.readouterr().err
