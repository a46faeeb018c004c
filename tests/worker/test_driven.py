"""Cells of several environments, measured by drivers of this very Python."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from cell_records import TIMING, Alone, Records
from plans import POINT

from benchmarks.on_disk import lines_of
from harness.devices.device import Device
from harness.environments.document import HERE, Environment
from harness.plan.points import Cell
from harness.records.lines import Writer
from harness.records.raw import RawFiles
from harness.session.progress import Sender
from harness.worker.cells.bench import Bench
from harness.worker.drivers import Drivers
from harness.worker.issuers import InTurn
from harness.worker.visits import measure_cells

OTHER = Environment("other", "torch", sys.executable, (), {})


@pytest.fixture
def driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("HARNESS_PROGRESS_SOCKET", raising=False)
    (tmp_path / "raw").mkdir()
    # Other tests of this process may keep servers of their own.
    before = _children()

    def run(
        environments: list[Environment],
        modes: tuple[str, ...] = ("eager",),
        *,
        null: bool = False,
        window_s: float = 0.0,
        timeout_s: float = 60.0,
        cells: int = 1,
        builds: int = 1,
        **axes: Any,
    ) -> Records:
        names = [each.name for each in environments]
        points = [
            [
                replace(POINT, batch=batch + 1, environment=name, mode=mode, **axes)
                for name in names
                for mode in modes
            ]
            for batch in range(cells)
        ]
        each = [Cell(tuple(members)) for members in points]
        writer, ranks = Writer(tmp_path / "raw" / "s-rank0.jsonl"), Alone()
        drivers = Drivers(
            environments,
            threads=1,
            cores=None,
            timeout_s=timeout_s,
            while_waiting=lambda: None,
            told=lambda name, facts: writer.write("environment", environment=name, facts=dict(facts)),
        )
        bench = Bench(
            ranks, InTurn([Device()]), writer, Sender(), replace(TIMING, builds=builds), 0, True, 50.0, window_s, "s",  # type: ignore[arg-type]
            frozenset(cell.id for cell in each) if null else frozenset(), drivers=drivers,
        )  # fmt: skip
        try:
            measure_cells(each, bench)
        finally:
            drivers.close()
            writer.close()
        written, raw = lines_of(tmp_path)["s-rank0.jsonl"], RawFiles(tmp_path)
        list(raw.records("s-rank0.jsonl"))
        assert not raw.skipped, "a record that its own reader refuses"
        return written

    yield run
    assert _children() <= before, "a driver is left"


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def of(records: Records, kind: str) -> Records:
    return [record for record in records if record["type"] == kind]


def test_a_round_visits_every_mode_of_every_environment(driven: Any) -> None:
    records = driven([HERE, OTHER], ("eager", "script"))
    assert [record["environment"] for record in of(records, "environment")] == ["here", "other"]
    assert {record["mode"] for record in of(records, "prepared")} == {
        *("eager", "script", "eager in other", "script in other"),
    }
    rounds = of(records, "round")
    assert len(rounds) == TIMING.rounds and {len(each["blocks"]) for each in rounds} == {4}
    orders = {tuple(block["key"] for block in each["blocks"]) for each in rounds}
    assert len(orders) > 1
    blocks = [block for each in rounds for block in each["blocks"]]
    assert all(a["end_ns"] <= b["start_ns"] for a, b in itertools.pairwise(blocks))
    assert all(block["cpu_ns"] > 0 for block in blocks)
    (end,) = of(records, "end")
    assert end["stop"] == "complete" and len(end["keys"]) == 4


def test_outputs_agree_under_train_too(driven: Any) -> None:
    records = driven([HERE, OTHER], workload="train")
    assert not of(records, "dropped")
    assert [record["difference"] for record in of(records, "prepared")] == [0.0, 0.0]


def test_the_null_is_a_second_process_of_the_first_environment(driven: Any) -> None:
    records = driven([HERE, OTHER], null=True)
    assert [record["mode"] for record in of(records, "prepared")] == ["eager", "eager in other", "null"]
    assert {len(each["blocks"]) for each in of(records, "round")} == {3}
    assert len(of(records, "environment")) == 2


def test_each_is_held_for_samplers(driven: Any) -> None:
    assert len(of(driven([HERE, OTHER], window_s=0.05), "window")) == 2


def test_one_that_is_not_ready_gets_rows_and_the_others_go_on(driven: Any) -> None:
    absent = Environment("absent", "torch", "/no/such/python", (), {})
    records = driven([HERE, absent], ("eager", "script"), cells=2)
    dropped = of(records, "dropped")
    assert len(dropped) == 4 and {record["status"] for record in dropped} == {"failed"}
    assert all("/no/such/python" in record["error"] for record in dropped)
    assert [len(end["keys"]) for end in of(records, "end")] == [2, 2]


def misbehaving(tmp_path: Path, text: str) -> Environment:
    """This torch, but for what is done when a layer is made."""
    (tmp_path / "sitecustomize.py").write_text(text)
    return replace(OTHER, variables={"PYTHONPATH": str(tmp_path)})


AT_LINEAR = """
import builtins, sys
real = builtins.__import__
def imported(name, *rest):
    module = real(name, *rest)
    linear = getattr(getattr(sys.modules.get("torch"), "nn", None), "Linear", None)
    if linear is not None and not hasattr(linear, "planted"):
        linear.planted = True
        made = linear.__init__
        def planted(self, *args, **kwargs):
            {what}
            made(self, *args, **kwargs)
        linear.__init__ = planted
    return module
builtins.__import__ = imported
"""


@pytest.mark.parametrize(
    ("what", "status", "says"),
    [
        ("import os; os.abort()", "failed", "SIGABRT"),
        ("import time; time.sleep(600)", "timeout", "no answer within"),
        ("raise RuntimeError('DefaultCPUAllocator: not enough memory')", "oom", "not enough memory"),
        ("print('hello' * 10**6)", "", ""),
    ],
)
def test_one_that_fails_in_the_middle_gets_its_row_and_the_others_go_on(
    driven: Any, tmp_path: Path, what: str, status: str, says: str
) -> None:
    environments = [HERE, misbehaving(tmp_path, AT_LINEAR.replace("{what}", what))]
    records = driven(environments, timeout_s=20.0 if status == "timeout" else 60.0)
    if status:
        (dropped,) = of(records, "dropped")
        assert dropped["status"] == status and says in dropped["error"]
    (end,) = of(records, "end")
    assert len(end["keys"]) == (1 if status else 2)


def test_another_output_is_a_mismatch(driven: Any, tmp_path: Path) -> None:
    text = AT_LINEAR.replace(
        "made(self, *args, **kwargs)", "made(self, *args, **kwargs); self.forward = lambda x: x * 2"
    )
    records = driven([HERE, misbehaving(tmp_path, text.replace("{what}", "pass"))])
    (dropped,) = of(records, "dropped")
    assert dropped["status"] == "mismatch"


def with_room_for(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """As many drivers at once."""

    def no_room(drivers: Sequence[Any]) -> str | None:
        return "no room" if len(drivers) >= most else None

    monkeypatch.setattr("harness.worker.drivers.no_room", no_room)


def environments_of_round(records: Records) -> dict[tuple[str, ...], int]:
    """Modes in a round -> how many such rounds."""
    names = {record["key"]: record["mode"] for record in of(records, "prepared")}
    return Counter(
        tuple(sorted(names[block["key"]] for block in each["blocks"])) for each in of(records, "round")
    )


def test_where_memory_is_short_all_are_measured_beside_here_by_turns(
    driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room_for(monkeypatch, 2)
    others = [replace(OTHER, name=name) for name in ("x", "y", "z")]
    records = driven([others[0], HERE, *others[1:]], cells=2, builds=2, window_s=0.01)
    assert not of(records, "dropped")
    rounds = 2 * 2 * TIMING.rounds
    assert environments_of_round(records) == {
        ("eager", f"eager in {name}"): rounds for name in ("x", "y", "z")
    }
    numbers = [(each["cell"], each["round"]) for each in of(records, "round")]
    assert len(set(numbers)) == len(numbers) and {each["build"] for each in of(records, "round")} == set(
        range(6)
    )
    last = {end["cell"]: end for end in of(records, "end")}
    assert len(last) == 2
    for end in last.values():
        assert (len(end["keys"]), end["share"], end["stop"], end["turns"]) == (4, 1.0, "complete", 3)
    assert [end["share"] for end in of(records, "end")] == sorted(end["share"] for end in of(records, "end"))
    windows = [record["key"] for record in of(records, "window")]
    assert len(windows) == len(set(windows)) == 8


def test_the_null_waits_for_its_turn_too(driven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 2)
    records = driven([HERE, OTHER], null=True)
    assert environments_of_round(records) == {("eager", "eager in other"): 8, ("eager", "null"): 8}
    assert of(records, "end")[-1]["turns"] == 2


def test_as_many_as_have_room_are_in_a_turn(driven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 3)
    records = driven([HERE, *(replace(OTHER, name=name) for name in "xyz")])
    assert [len(each) for each in environments_of_round(records)] == [3, 2]


def test_the_time_of_a_cell_is_that_of_all_its_turns(driven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 2)
    wanted: list[float] = []
    monkeypatch.setattr(
        "harness.worker.cells.cell.rounds_of_build", lambda timing, round_s: wanted.append(round_s) or 3
    )
    records = driven([HERE, OTHER, replace(OTHER, name="x")])
    assert len(wanted) == 2 and len(of(records, "round")) == 6
    # Of two modes at once in both turns: that of the first one alone would be about half as long.
    blocks = 2 * (2e6 + TIMING.block_ms * 1e6) / 1e9
    assert all(each > 1.5 * blocks for each in wanted)


def test_where_not_even_two_have_room_the_other_is_refused_with_the_reason(
    driven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room_for(monkeypatch, 1)
    records = driven([HERE, OTHER], null=True)
    (dropped,) = of(records, "dropped")
    assert dropped["status"] == "oom" and "not even two environments have room at once" in dropped["error"]
    (end,) = of(records, "end")
    assert (len(end["keys"]), end["turns"]) == (1, 1)


def test_one_that_is_not_ready_has_no_turn_of_its_own(driven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 2)
    absent = Environment("absent", "torch", "/no/such/python", (), {})
    records = driven([HERE, OTHER, absent])
    (dropped,) = of(records, "dropped")
    assert "/no/such/python" in dropped["error"]
    assert [end["turns"] for end in of(records, "end")] == [1]
