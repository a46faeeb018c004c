"""Cells of several environments, measured by drivers of this very Python."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
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
            ranks, InTurn([Device()]), writer, Sender(), TIMING, 0, True, 50.0, window_s, "s",  # type: ignore[arg-type]
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
