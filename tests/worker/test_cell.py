"""Measuring one cell: it is written down from beginning to end, and what goes wrong becomes a record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from cell_records import MODES, TIMING, FailsAfter, Measure, Records, faulty, of_kind, refuse
from raw_runs import cell_of, key_of

from benchmarks.on_disk import lines_of
from harness.plan.points import Cell

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


def test_a_cell_is_written_down_from_its_beginning_to_its_end(measure: Measure) -> None:
    cell = cell_of(MODES)
    records = measure(cell)
    kinds = [record["type"] for record in records]
    assert (kinds[0], kinds[-1]) == ("cell", "end")
    assert {r["cell"] for r in records} == {cell.id}
    assert [r["key"] for r in of_kind(records, "prepared")] == [p.key for p in cell.points]
    assert records[-1]["keys"] == [p.key for p in cell.points]
    assert records[-1]["stop"] == "complete"


def failure(records: Records, cell: Cell) -> dict[str, Any]:
    """The one record of a failure; the other mode must have been measured to the end."""
    (dropped,) = of_kind(records, "dropped")
    assert dropped["key"] == key_of(cell, "faulty")
    assert records[-1]["type"] == "end"
    assert records[-1]["keys"] == [key_of(cell, "eager")]
    assert len(of_kind(records, "round")) >= TIMING.rounds
    return dropped


class TestFailures:
    cell = cell_of(["eager", "faulty"])

    def test_a_mode_that_cannot_be_built_is_failed(self, measure: Measure) -> None:
        dropped = failure(measure(self.cell, mode=faulty(refuse)), self.cell)
        assert (dropped["status"], dropped["error"]) == ("failed", "RuntimeError: this mode cannot be built")

    def test_a_mode_that_computes_something_else_is_a_mismatch(self, measure: Measure) -> None:
        mode = faulty(lambda model: torch.nn.Sequential(model, torch.nn.Threshold(0.0, 5.0)))
        dropped = failure(measure(self.cell, mode=mode), self.cell)
        assert dropped["status"] == "mismatch"
        assert "differs from eager's by" in dropped["error"]

    @pytest.mark.parametrize("calls", [0, 1, 5], ids=["first call", "comparison", "warm-up"])
    def test_a_mode_that_runs_out_of_memory_is_oom_whenever_it_does(
        self, measure: Measure, calls: int
    ) -> None:
        error = RuntimeError("DefaultCPUAllocator: can't allocate memory")
        mode = faulty(lambda model: FailsAfter(model, calls, error))
        assert failure(measure(self.cell, mode=mode), self.cell)["status"] == "oom"

    def test_a_mode_that_fails_in_its_timed_blocks_leaves_the_others(self, measure: Measure) -> None:
        class FailsInRounds(torch.nn.Module):
            def __init__(self, model: torch.nn.Module) -> None:
                super().__init__()
                self.model = model

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                if of_kind(lines_of(Path(os.environ["RUN"]))["s-rank0.jsonl"], "round"):
                    raise RuntimeError("enough")
                return self.model(x)

        records = measure(self.cell, mode=faulty(FailsInRounds))
        dropped = failure(records, self.cell)
        assert dropped["error"] == "RuntimeError: enough"
        first, second, *_ = of_kind(records, "round")
        assert {b["key"] for b in first["blocks"]} == {p.key for p in self.cell.points}
        assert {b["key"] for b in second["blocks"]} == {key_of(self.cell, "eager")}

    def test_when_every_mode_fails_the_cell_ends_all_the_same(self, measure: Measure) -> None:
        """With its reasons: it need not be tried again."""
        records = measure(cell_of(["faulty"]), mode=faulty(refuse))
        assert [r["type"] for r in records] == ["cell", "dropped", "end"]
        assert (records[-1]["stop"], records[-1]["keys"]) == ("nothing left", [])

    def test_a_model_that_does_not_fit_drops_every_mode_with_the_reason(self, measure: Measure) -> None:
        cell = cell_of(MODES, sizes=(1 << 26, 1 << 26), depth=1)
        records = measure(cell)
        assert {r["key"] for r in of_kind(records, "dropped")} == {p.key for p in cell.points}
        assert {r["status"] for r in of_kind(records, "dropped")} == {"oom"}
        assert records[-1]["type"] == "end"
