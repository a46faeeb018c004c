"""`harness duel`: what it refuses, what it writes, and what it answers to a build that runs it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_drivers import A_AGAIN, A, B, FakeDriver, Machine, constant, failing

import harness.duel.contestants
import harness.duel.run
from harness.commands.cli import main
from harness.duel.driven import Arm

CELL = ["depth=[4]", "width=[32]", "timing.rounds=6", "timing.builds=1"]


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how long a step takes in A and B; each is a process of the fake machine."""

    def are(a: float = 1e5, b: object = 1e5, **swapped: float) -> None:
        machine = Machine(0, noise=0.005)
        of_b = b if callable(b) else constant(b)  # type: ignore[arg-type]
        steps = {A: constant(a), A_AGAIN: constant(a), B: of_b}
        steps |= {f"a with b's {name.replace('_', ' ')}": constant(of_it) for name, of_it in swapped.items()}

        def contestant(key: str, word: str, index: str, told: object) -> SimpleNamespace:
            def arm(name: str, threads: int, cores: Sequence[int] | None, timeout_s: float) -> Arm:
                facts = {"python": "3.11", "torch": "2.13.0" if name == B else "2.14.1"}
                return Arm(name, word, lambda: FakeDriver(machine, steps[name], 0.002, [], facts))

            environment = SimpleNamespace(variables={})
            interpreter = SimpleNamespace(python=Path("/python/bin/python"), environment=environment)
            return SimpleNamespace(said=word, interpreter=interpreter, arm=arm)

        monkeypatch.setattr(harness.duel.contestants, "contestant", contestant)
        monkeypatch.setattr(
            harness.duel.contestants, "made", lambda said, environment, told: contestant("", said, "", told)
        )
        monkeypatch.setattr(harness.duel.run.duel, "__kwdefaults__", {
            **harness.duel.run.duel.__kwdefaults__, "clock": machine,
        })  # fmt: skip

    return are


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "duel.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_says_slower_and_writes_what_was_found(
    environments: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environments(1e5, 1.1e5)
    assert main(["duel", "here", "=old", "--out", str(tmp_path / "out"), *CELL]) == 0
    said = capsys.readouterr().out
    assert "=old beside here: slower." in said
    assert "torch  2.14.1  2.13.0" in said
    assert "the test of A against itself" in said
    (row, overall) = rows(tmp_path / "out")
    assert row["verdict"] == overall["verdict"] == "slower"
    assert float(row["ratio_low"]) < float(row["ratio"]) < float(row["ratio_high"]) < 1
    # A text that a spreadsheet would execute is none any more.
    assert (row["a"], row["b"], row["mode"], row["depth"]) == ("here", "'=old", "eager", "4")
    assert overall["key"] == "overall"
    plain = json.loads((tmp_path / "out" / "duel.json").read_text())
    assert plain["verdict"] == "slower" and plain["facts"]["b"]["torch"] == "2.13.0"
    lines = [json.loads(line) for line in (tmp_path / "out" / "repeats.jsonl").read_text().splitlines()]
    assert len(lines) == plain["repeats"]
    assert all(set(line["cells"][row["key"]]["ratios"]) == {"ratio", "null"} for line in lines)


def test_what_was_measured_stays_where_a_duel_is_broken_off(
    environments: Callable[..., None], tmp_path: Path
) -> None:
    calls = Counter[str]()

    def stopped(task: object) -> float:
        calls["times"] += 1
        if calls["times"] > 30:
            raise KeyboardInterrupt
        return 1e5

    environments(1e5, stopped)
    with pytest.raises(KeyboardInterrupt):
        main(["duel", "x", "y", "--out", str(tmp_path), *CELL])
    assert len((tmp_path / "repeats.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("of_b", "options", "status"),
    [
        (1.1e5, ["--fail-on", "slower"], 1),
        (1.1e5, ["--fail-on", "faster,undecided"], 0),
        (1.1e5, [], 0),
        (0.9e5, ["--fail-on", "slower"], 0),
        (0.9e5, ["--fail-on", "faster"], 1),
        (failing("failed", "died"), [], 1),
        (failing("unsupported", "no such mode"), [], 1),  # nothing at all was compared
    ],
)
def test_its_exit_status_is_what_was_asked_for(
    environments: Callable[..., None], tmp_path: Path, of_b: object, options: list[str], status: int
) -> None:
    environments(1e5, of_b)
    assert main(["duel", "x", "y", "--out", str(tmp_path), *options, *CELL]) == status


def test_a_cell_that_is_unsupported_beside_one_that_is_compared_fails_nothing(
    environments: Callable[..., None], tmp_path: Path
) -> None:
    environments(1e5, failing("unsupported", "no TorchScript", mode="script"))
    assert main(["duel", "x", "y", "--out", str(tmp_path), "mode=[eager,script]", *CELL]) == 0
    by_mode = {row["mode"]: row for row in rows(tmp_path)}
    assert by_mode["script"]["status"] == "unsupported" and by_mode["script"]["ratio"] == ""
    assert by_mode["script"]["error"] == "b: no TorchScript"
    assert by_mode["eager"]["status"] == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["here"], "required"),
        (["here", "here", "depth=[0]"], "depth=0"),
        (["here", "here", "model=transformer"], "model=transformer"),
        (["here", "here", "--seconds", "0"], "--seconds=0"),
        (["here", "here", "--seconds", "nan"], "--seconds=nan"),
        (["here", "here", "--fail-on", "slowr"], "(the nearest: slower)"),
        (["here", "here", "resume=x"], "not beside a duel"),
        (["here", "here", "environment=[x]"], "not beside a duel"),
        (["here", "here", "--bisect"], "ends in .txt"),
        (["a.txt", "b.txt", "--bisect"], "No such file"),
        (["here", "numpy==2.0"], "one line of torch"),
        (["", "here"], "A="),
    ],
)
def test_what_is_refused_is_refused_in_one_line_before_anything_is_started(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["duel", *words]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == "" and line.startswith("harness: error: ") and said in line
    assert not (tmp_path / "results").exists()


def test_a_duel_replaces_no_file_of_somebody_else(
    environments: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environments()
    (tmp_path / "duel.csv").write_text("mine")
    assert main(["duel", "x", "y", "--out", str(tmp_path), *CELL]) == 2
    assert (tmp_path / "duel.csv").read_text() == "mine"


def test_the_default_cells_are_one_that_is_narrow_and_deep_and_one_that_is_wide(
    environments: Callable[..., None], tmp_path: Path
) -> None:
    environments()
    main(["duel", "x", "y", "--out", str(tmp_path), "timing.rounds=6"])
    cells = [row for row in rows(tmp_path) if row["key"] != "overall"]
    assert sorted((row["depth"], row["width"], row["batch"]) for row in cells) == [
        ("64", "64", "1"),
        ("8", "256", "64"),
    ]


@pytest.mark.parametrize(
    ("overrides", "models"),
    [
        (["batch=[1,4]"], ["mlp-64x64", "mlp-64x64"]),
        (["depth=[2]"], ["mlp-64x2"]),
        (["hidden=[32,16]"], ["mlp-32-32-16-16"]),
        (["depth=[2,4]", "exclude=[{depth: 4}]"], ["mlp-64x2"]),
        (["sweep=hybridize", "mode=[eager]"], ["mlp-512-256-128-2"]),
    ],
)
def test_another_grid_is_what_was_said_and_no_more(
    environments: Callable[..., None], tmp_path: Path, overrides: list[str], models: list[str]
) -> None:
    environments()
    assert main(["duel", "x", "y", "--out", str(tmp_path), "timing.rounds=6", *overrides]) == 0
    assert [row["model"] for row in rows(tmp_path) if row["key"] != "overall"] == models


def files(folder: Path, a: str, b: str) -> list[str]:
    (folder / "a.txt").write_text(a)
    (folder / "b.txt").write_text(b)
    return [str(folder / "a.txt"), str(folder / "b.txt")]


def test_bisected_it_names_the_component_and_the_interaction(
    environments: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = files(
        tmp_path,
        "python==3.11\ntorch==2.13.0\nnumpy==2.0.1\n",
        "python==3.12\ntorch==2.14.1\nnumpy==2.1.0\n",
    )
    environments(1e5, 1.3e5, python=1e5, torch=1.3e5, the_rest=1e5)
    options = ["--bisect", "--out", str(tmp_path / "out"), "--seconds", "240", *CELL]
    assert main(["duel", a, b, *options]) == 0
    said = capsys.readouterr().out
    assert "The difference is carried by torch (0.7" in said
    assert "Interaction: " in said
    plain = json.loads((tmp_path / "out" / "duel.json").read_text())
    found = plain["overall"]["found"]
    assert set(found) == {"ratio", "null", "python", "torch", "the rest", "interaction"}
    assert found["torch"]["verdict"] == "slower" and found["interaction"]["verdict"] != "slower"
    assert plain["carried"].startswith("The difference is carried by torch")


def test_where_one_component_differs_it_is_b_itself(
    environments: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = files(tmp_path, "torch==2.13.0\n", "torch==2.14.1\n")
    environments(1e5, 1.3e5)
    assert main(["duel", a, b, "--bisect", "--out", str(tmp_path / "out"), *CELL]) == 0
    said = capsys.readouterr().out
    assert "carried by torch" in said and "interaction" not in said.lower()


def test_where_nothing_differs_nothing_carries_it(
    environments: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = files(tmp_path, "torch==2.13.0\n", "torch==2.13.0\n")
    environments()
    assert main(["duel", a, b, "--bisect", "--out", str(tmp_path / "out"), *CELL]) == 0
    assert "No component carries a difference" in capsys.readouterr().out
