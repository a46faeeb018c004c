"""One cell from its beginning to its end: prepared once, then visited for some rounds at a time.

In: a Cell and the Bench it is measured on. Out: raw records. Must not know how ranks were started, other cells, or
what becomes of the records.
"""

from __future__ import annotations

import gc

from harness.core.schema import UNFINISHED
from harness.plan.points import Cell
from harness.timing.stopping import Capped, Hopeless, Narrow, stop_reason
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.prepare import build_workloads, prepare_modes
from harness.worker.cells.prepared import Prepared
from harness.worker.cells.rounds import Interleaved
from harness.worker.cells.steady import run_steadily
from harness.workloads.workload import Workload

# Why a cell ended whose modes have all failed.
NOTHING_LEFT = "nothing left"


class CellRun:
    """A cell that is being measured. Every call is collective, but `open` and `close`."""

    def __init__(self, cell: Cell, bench: Bench) -> None:
        """Build, compare and warm up every mode."""
        self.cell = cell
        self._bench = bench
        self._stop = UNFINISHED
        self._agreement = Agreement(cell, bench)
        bench.writer.write("cell", cell=cell.id, keys={p.mode: p.key for p in cell.points})
        bench.sender.send("progress")
        gc.collect()
        for device in bench.issuers.devices:
            device.begin_cell()
        self._workloads: list[Workload] = build_workloads(cell, bench, self._agreement) or []
        modes: dict[str, Prepared] = {}
        if self._workloads:
            with bench.issuers.within(self._workloads[0].context):
                modes = prepare_modes(cell, bench, self._agreement, self._workloads)
            bench.rehearsal.forget()
        self._rounds = Interleaved(cell.id, bench, self._agreement, modes)

    @property
    def open(self) -> bool:
        """Whether there is anything left to measure."""
        return bool(self._rounds.modes) and self._stop == UNFINISHED

    def visit(self, rounds: int) -> None:
        """Measure at most so many further rounds, until a stopping rule holds.

        The `end` line that follows makes the cell count: what later visits add makes it more precise.
        """
        if self.open:
            with self._bench.issuers.within(self._workloads[0].context):
                self._measure(rounds)
        self._finish_visit()
        if self._rounds.modes and not self.open and self._bench.window_s:
            with self._bench.issuers.within(self._workloads[0].context):
                run_steadily(self.cell.id, self._bench, self._agreement, self._rounds)

    def close(self) -> None:
        """Give the memory of all modes back."""
        self._rounds.modes.clear()
        self._workloads.clear()
        self._bench.device.free_cached_memory()

    def _measure(self, rounds: int) -> None:
        timing, measured = self._bench.timing, self._rounds.measured
        rules = (
            Narrow(timing.rel_width),
            Hopeless(timing.rel_width, timing.max_rounds),
            Capped(timing.max_rounds, timing.max_cell_s),
        )
        last = measured.count + rounds
        if measured.count:
            self._rounds.one_round(keep=False)  # other cells have used the caches since
        while self.open and measured.count < last:
            self._rounds.one_round()
            self._stop = stop_reason(measured, rules, timing.min_rounds) or UNFINISHED
            self._bench.sender.send("progress")

    def _finish_visit(self) -> None:
        """Rank 0's line comes after all ranks' rounds are written: with it the cell counts."""
        bench, modes, measured = self._bench, self._rounds.modes, self._rounds.measured
        bench.ranks.barrier()
        if not modes:
            self._stop = NOTHING_LEFT
        if bench.ranks.rank != 0:
            return
        keys = [mode.point.key for mode in modes.values()]
        bench.writer.write("end", cell=self.cell.id, stop=self._stop, keys=keys)
        bench.sender.send(
            "visit",
            cell=self.cell.id,
            label=self.cell.label,
            points=len(self.cell.points),
            share=measured.count / bench.timing.max_rounds if self.open else 1.0,
            step_us={mode: measured.step_us(mode) for mode in modes},
        )
