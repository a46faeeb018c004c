"""`harness trace` as a user has it."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from made_traces import Made

from harness.commands.cli import main
from harness.trace.answers.rows import COLUMNS
from harness.trace.idle import CAUSES


def made(rank: int = 0, ranks: int = 2) -> Made:
    found = Made(rank, ranks)
    for number in range(4):
        found.step(number, 1000 * number, 900)
        found.operator("aten::linear", 1000 * number + 100, 300)
        found.python("model.py(7): forward", 1000 * number + 50, 500)
        found.kernel(1000 * number + 390, 200, 1000 * number + 380)
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_ranks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    for rank in (1, 0):
        made(rank).save(folder / f"rank{rank}.json.gz")
    assert main(["trace", str(folder), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "rank 0, device 0: the host is what keeps it waiting. Idle 75.0% of 3.2 ms" in said
    assert "model.py(7): forward" in said and "aten::linear" in said
    table = rows(tmp_path / "out" / "trace.csv")
    assert [(row["rank"], row["step"]) for row in table] == [(r, s) for r in "01" for s in ("", *"0123")]
    whole = table[0]
    assert float(whole["busy_share"]) + float(whole["idle_share"]) == pytest.approx(1)
    causes = ("host_late", "in_flight", "waiting", "synchronised", "outside", "unknown")
    assert sum(float(whole[f"{cause}_share"]) for cause in causes) == pytest.approx(
        float(whole["idle_share"])
    )
    late = sum(
        float(whole[f"host_{part}_share"]) for part in ("interpreter", "dispatch", "runtime", "guards")
    )
    assert late == pytest.approx(float(whole["host_late_share"]))
    assert float(whole["dispatch_share"]) == pytest.approx(
        1 - float(whole["device_us"]) / float(whole["span_us"])
    )
    assert len(whole) == len(set(COLUMNS)) == len(COLUMNS)
    assert float(table[1]["device_us"]) == 200 and table[1]["launches"] == "1"
    gaps = rows(tmp_path / "out" / "gaps.csv")
    assert len(gaps) == 6
    assert gaps[0]["operator"] == "aten::linear" and gaps[0]["python"] == "model.py(7): forward"


def test_the_report_is_whole(tmp_path: Path) -> None:
    """Tables, figures, a page that needs nothing else, and a timeline of each rank."""
    files = [str(made(rank).save(tmp_path / f"rank{rank}.json")) for rank in (0, 1)]
    out = tmp_path / "out"
    assert main(["trace", *files, "--out", str(out)]) == 0
    changes = [row["change"] for row in rows(out / "bounds.csv") if row["rank"] == "0"]
    assert changes == ["graphs", "compile", "host_twice_as_fast", "device_only"]
    page = (out / "trace.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3 and 'src="data:image/svg+xml' in page
    assert not re.search(r"src=\"(?!data:)", page)
    for text in ("host late", "What would remove it", "The longest gaps", "aten::linear", "CUDA graphs"):
        assert text in page
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"trace-{kind}.{ending}" for kind in ("causes", "over-time", "launches") for ending in ("svg", "png")
    }
    with gzip.open(out / "idle-rank-1.json.gz", "rt", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    gaps = [event for event in events if event["name"] in CAUSES and event["ph"] == "X"]
    assert sum(event["dur"] for event in gaps) == pytest.approx(2400)
    tracks = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert tracks == {"steps", "idle, by cause"}


def test_a_trace_without_devices_is_answered_from_the_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Made()
    found.operator("aten::linear", 100, 300)
    found.python("model.py(7): forward", 50, 500)
    assert main(["trace", str(found.save(tmp_path / "a.json")), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "no work of a device is in a.json" in said
    assert "of 0.3 ms the host was 100% inside operators" in said
    assert (tmp_path / "out" / "trace.html").exists()


def test_names_are_no_markup(tmp_path: Path) -> None:
    found = made()
    found.operator("<img src=x onerror=alert(1)>", 1360, 40)
    assert main(["trace", str(found.save(tmp_path / "a.json")), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "trace.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_some_steps_alone(tmp_path: Path) -> None:
    made().save(tmp_path / "trace.json")
    assert (
        main(["trace", str(tmp_path / "trace.json"), "--steps", "1:2", "--out", str(tmp_path / "out")]) == 0
    )
    assert [row["step"] for row in rows(tmp_path / "out" / "trace.csv")] == ["", "1", "2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope*.json"], "FILE=nope*.json: not allowed"),
        (["{file}", "--steps", "3"], "--steps=3: not allowed"),
        (["{file}", "--steps", "8:9"], "--steps=8:9: not allowed; allowed: steps of 0:3"),
        (["{file}", "--node-devices", "0"], "--node-devices=0: not allowed"),
        (["{file}", "--steps", "8:9"], "--steps=8:9: not allowed; allowed: steps of 0:3"),
        (["{file}", "--node-devices", "0"], "--node-devices=0: not allowed"),
        (["{file}", "{twin}"], "one file a rank"),
        (["{file}", "{other}"], "ranks of one job"),
        (["{foreign}"], "no trace of torch.profiler"),
    ],
)
def test_what_cannot_be_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    files = {
        "file": made().save(tmp_path / "a.json"),
        "twin": made().save(tmp_path / "b.json"),
        "other": made(1, 8).save(tmp_path / "c.json"),
    }
    files["foreign"] = tmp_path / "d.json"
    files["foreign"].write_text("{}")
    assert main(["trace", *(word.format(**files) for word in words), "--out", str(tmp_path / "out")]) != 0
    errors = capsys.readouterr().err
    assert said in errors and len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_names_are_no_orders_to_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = made()
    found.operator("evil\x1b[2J", 1100, 200)
    assert main(["trace", str(found.save(tmp_path / "a.json")), "--out", str(tmp_path / "out")]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out
