"""One build of a cell from its beginning to its end: prepared once, then visited for some rounds at a time.

In: a Cell and the Bench it is measured on. Out: raw records. Must not know how ranks were started, other cells, or
what becomes of the records.
"""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from harness.core.schema import CAPPED, COMPLETE, UNFINISHED
from harness.plan.points import Cell
from harness.plan.repeats import rounds_of_build
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.driven import driven_modes
from harness.worker.cells.prepare import build_workloads, prepare_modes
from harness.worker.cells.prepared import Prepared
from harness.worker.cells.rounds import Interleaved
from harness.worker.cells.serialising import serialise
from harness.worker.cells.steady import run_steadily
from harness.worker.cells.turn import Turn, turns_left
from harness.workloads.workload import Workload

# Why a cell ended whose modes have all failed.
NOTHING_LEFT = "nothing left"


class CellRun:
    """A build of a cell that is being measured. Every call is collective, but `open` and `close`."""

    def __init__(self, cell: Cell, build: int, bench: Bench, turn: Turn | None = None) -> None:
        """Build, compare and warm up every mode. build: its number in the turn."""
        self.cell = cell
        self._build = build
        self._turn = turn or Turn()
        self._bench = bench
        self._agreement = Agreement(cell, bench)
        number = self._turn.number * bench.timing.builds + build
        bench.writer.write("cell", cell=cell.id, build=number, keys={p.name: p.key for p in cell.points})
        bench.sender.send("progress")
        gc.collect()
        for device in bench.issuers.devices:
            device.begin_cell()
        self._workloads: list[Workload] = []
        modes = self._driven() if bench.drivers is not None else self._prepared()
        self._rounds = Interleaved(cell.id, number, bench, self._agreement, modes)
        self._before = self._turn.keys_before(cell, bench.drivers)
        self._wanted = self._affordable(modes)

    def _prepared(self) -> dict[str, Prepared]:
        """The modes that this rank prepares and times itself."""
        bench = self._bench
        self._workloads = build_workloads(self.cell, self._build, bench, self._agreement) or []
        modes: dict[str, Prepared] = {}
        if self._workloads:
            with self._context():
                modes = prepare_modes(self.cell, bench, self._agreement, self._workloads)
            bench.rehearsal.forget()
        return modes

    def _driven(self) -> dict[str, Prepared]:
        """Those of drivers, which are in contexts of their own."""
        return driven_modes(self.cell, self._bench, self._agreement)

    def _context(self) -> AbstractContextManager[Any]:
        if not self._workloads:
            return nullcontext()
        return self._bench.issuers.within(self._workloads[0].context)

    @property
    def open(self) -> bool:
        """Whether there is anything left to measure."""
        return bool(self._rounds.modes) and self._rounds.measured.count < self._wanted

    def visit(self, rounds: int) -> None:
        """Measure at most so many further rounds.

        The `end` line that follows makes the cell count: what later visits and builds add makes it more precise.
        """
        if self.open:
            with self._context():
                self._measure(rounds)
        self._finish_visit()
        last = self._build == self._bench.timing.builds - 1 and not self.open
        if last and self._rounds.modes and self._bench.window_s:
            with self._context():
                run_steadily(self.cell.id, self._bench, self._agreement, self._rounds, self._done_before)
        if last and self._bench.serialise:
            modes = [mode for mode in self._rounds.modes.values() if mode.key not in self._done_before]
            serialise(self.cell.id, self._bench, modes)

    def close(self) -> None:
        """Give the memory of all modes back."""
        for mode in self._rounds.modes.values():
            mode.close()
        self._rounds.modes.clear()
        self._workloads.clear()
        self._bench.device.free_cached_memory()

    @property
    def _turns(self) -> int:
        """Of this cell in this session, as far as is known."""
        return self._turn.number + 1 + turns_left(self.cell, self._bench.drivers, self._bench.nulls)

    @property
    def _done_before(self) -> frozenset[str]:
        """Keys that an earlier turn has measured, the reference's too."""
        return frozenset(self._turn.earlier.get(self.cell.id, ()))

    def _affordable(self, modes: dict[str, Prepared]) -> int:
        """Rounds of this build, the same on all ranks: fixed before any of them is measured."""
        led_in = sum(mode.lead_ns for mode in modes.values())
        blocks = sum(mode.block_ns * (1 if mode.burst is None else 2) for mode in modes.values())
        # The time that a cell may take is that of all its turns.
        return rounds_of_build(self._bench.timing, (led_in + blocks) / 1e9 * self._turns)

    def _measure(self, rounds: int) -> None:
        measured = self._rounds.measured
        last = measured.count + rounds
        while self.open and measured.count < last:
            self._rounds.one_round()
            self._bench.sender.send("progress")
        self._rounds.visit += 1

    def _stop(self) -> str:
        """Why there are no more rounds in this session."""
        if not self._rounds.modes and not self._before:
            return NOTHING_LEFT
        if self.open or self._build < self._bench.timing.builds - 1 or self._turns > self._turn.number + 1:
            return UNFINISHED
        return COMPLETE if self._wanted == self._bench.timing.rounds else CAPPED

    def _finish_visit(self) -> None:
        """Rank 0's line comes after all ranks' rounds are written: with it the cell counts."""
        bench, measured = self._bench, self._rounds.measured
        bench.ranks.barrier()
        if bench.ranks.rank != 0:
            return
        modes = [mode for mode in self._rounds.modes.values() if not mode.null]
        own, turns = [mode.point.key for mode in modes], self._turns
        self._turn.ended[self.cell.id] = own
        of_build = measured.count / self._wanted if self.open else 1.0
        of_turn = min((self._build + of_build) / bench.timing.builds, 1.0) if modes else 1.0
        share = (self._turn.number + of_turn) / turns
        keys = [*self._before, *own]
        bench.writer.write("end", cell=self.cell.id, stop=self._stop(), keys=keys, share=share, turns=turns)
        bench.sender.send(
            "visit",
            cell=self.cell.id,
            label=self.cell.label,
            points=len(self.cell.points),
            share=share,
            step_us={mode.name: measured.step_us(mode.name) for mode in modes},
        )
