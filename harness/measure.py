"""One cell, measured by all ranks of a session: prepare, check, warm up, interleaved rounds.

In: a Cell and the Bench it is measured on. Out: raw records. Must not know how ranks were started or
what becomes of the records.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch

from harness import schema
from harness.config import TimingConfig
from harness.device import Device, is_out_of_memory
from harness.modes import Mode, get_mode
from harness.plan import REFERENCE_MODE, Cell, Point
from harness.progress import Sender
from harness.ranks import Ranks
from harness.records import Writer
from harness.timing import (
    CLOCK_SHARE,
    UNFINISHED,
    Block,
    Capped,
    Hopeless,
    Narrow,
    Rounds,
    WarmUp,
    stop_reason,
    time_block,
    time_issue,
)
from harness.workloads import TOLERANCE, WORKLOADS, Step, Workload, difference

T = TypeVar("T")

# Why a cell ended whose modes have all failed.
NOTHING_LEFT = "nothing left"


class SessionBroken(Exception):
    """This rank failed within a collective operation: the others wait for it and can only be ended."""


class _Mismatch(Exception):
    pass


@dataclass
class Bench:
    """What a cell is measured with. busy_ns: time that first calls, warm-up and timed
    blocks took so far, each of its slowest rank: what is left of the session is our own overhead."""

    ranks: Ranks
    device: Device
    writer: Writer
    sender: Sender
    timing: TimingConfig
    seed: int
    usage: bool
    clock_cost_ns: float
    busy_ns: int = 0

    @property
    def block_ns(self) -> float:
        """Wall time to aim at for a block: as configured, but long enough for the clock not to matter."""
        return max(self.timing.block_ms * 1e6, self.clock_cost_ns / CLOCK_SHARE)


@dataclass
class _Running:
    """A mode of the cell that is still in the race."""

    point: Point
    step: Step
    steps: int = 1
    issue_steps: int | None = None


@dataclass
class _CellRun:
    cell: Cell
    bench: Bench
    running: dict[str, _Running] = field(default_factory=dict)
    measured: Rounds = field(default_factory=lambda: Rounds(REFERENCE_MODE))
    stop: str = UNFINISHED
    workload: Workload | None = None

    @property
    def alone(self) -> bool:
        """Whether a failure of this rank leaves no other rank waiting inside a collective operation."""
        return self.cell.points[0].workload == "forward" or self.bench.ranks.world_size == 1

    def begin(self) -> None:
        """Build, compare and warm up every mode."""
        bench, points = self.bench, self.cell.points
        bench.writer.write("cell", cell=self.cell.id, keys={p.mode: p.key for p in points})
        bench.sender.send("progress")
        gc.collect()
        bench.device.begin_cell()
        self.workload = workload = self.agree(points, self.build)
        if workload is None:
            return
        with workload.context():
            reference = self.agree(points, lambda: self.reference(workload))
            if reference is not None:
                for point in points:
                    self.prepare(workload, point, reference)

    @property
    def open(self) -> bool:
        """Whether there is anything left to measure."""
        return bool(self.running) and self.stop == UNFINISHED

    def visit(self, rounds: int) -> None:
        """Measure at most so many further rounds, until a stopping rule holds.

        The `end` line that follows makes the cell count: what later visits add makes it more precise.
        """
        timing, measured = self.bench.timing, self.measured
        rules = (
            Narrow(timing.rel_width),
            Hopeless(timing.rel_width, timing.max_rounds),
            Capped(timing.max_rounds, timing.max_cell_s),
        )
        last = measured.count + rounds
        if self.open and self.workload is not None:
            with self.workload.context():
                if measured.count:
                    self.one_round(keep=False)  # other cells have used the caches since
                while self.open and measured.count < last:
                    self.one_round()
                    self.stop = stop_reason(measured, rules, timing.min_rounds) or UNFINISHED
                    self.bench.sender.send("progress")
        self.finish()

    def close(self) -> None:
        """Give the memory of all modes back."""
        self.running.clear()
        self.workload = None
        self.bench.device.free_cached_memory()

    def build(self) -> Workload:
        point = self.cell.points[0]
        return WORKLOADS[point.workload](point, self.bench.device, self.bench.ranks.rank, self.bench.seed)

    def reference(self, workload: Workload) -> list[torch.Tensor]:
        step = workload.prepare(get_mode(REFERENCE_MODE))
        step.call()  # as every mode's first call, so that under `train` both have made one step
        return step.outcome()

    def prepare(self, workload: Workload, point: Point, reference: list[torch.Tensor]) -> None:
        """Build a mode, compare it with eager, and warm it up; drop it where any of this fails."""
        bench, mode = self.bench, get_mode(point.mode)
        bench.device.reset_peak_memory()
        built = self.agree((point,), lambda: self.first_call(workload, mode))
        if built is None:
            return
        step, prepare_s, first_call_s = built
        gap = self.agree((point,), lambda: self.compare(step, reference, point))
        if gap is None:
            return
        running = _Running(point, step, issue_steps=bench.device.burst_steps(point.depth, point.workload))
        warm_up = self.warm_up(running)
        if warm_up is None:
            return
        self.running[point.mode] = running
        bench.writer.write(
            "prepared",
            cell=self.cell.id,
            mode=point.mode,
            key=point.key,
            prepare_s=prepare_s,
            first_call_s=first_call_s,
            memory_peak_mib=bench.device.peak_memory_mib(),
            difference=gap,
            steps=running.steps,
            warm_up_s=warm_up.spent_ns / 1e9,
            settled=warm_up.settled,
        )

    def first_call(self, workload: Workload, mode: Mode) -> tuple[Step, float, float]:
        wait = self.bench.device.wait
        wait()
        start = time.monotonic_ns()
        step = workload.prepare(mode)
        wait()
        prepared = time.monotonic_ns()
        step.call()
        wait()
        called = time.monotonic_ns()
        self.bench.busy_ns += called - prepared
        return step, (prepared - start) / 1e9, (called - prepared) / 1e9

    def compare(self, step: Step, reference: list[torch.Tensor], point: Point) -> float:
        gap = difference(step.outcome(), reference)
        if not gap <= TOLERANCE[point.dtype]:
            raise _Mismatch(
                f"output differs from eager's by {gap:.2g} of its largest value, "
                f"more than {TOLERANCE[point.dtype]:g} for {point.dtype}"
            )
        return gap

    def warm_up(self, running: _Running) -> WarmUp | None:
        """Run blocks until their step time has settled, with the timed loop's own tensor lifetimes."""
        bench = self.bench
        warm_up = WarmUp(bench.block_ns, bench.timing.warmup_max_s * 1e9)
        steps: int | None = warm_up.steps
        while steps is not None:
            running.steps = steps
            bench.ranks.barrier()
            block = self.attempt((running.point,), lambda: self.block(running))
            walls = bench.ranks.gather([float("nan") if block is None else block.wall_ns])
            bench.sender.send("progress")
            if any(wall != wall for (wall,) in walls):
                self.drop(running.point)
                return None
            steps = warm_up.next_steps(max(wall for (wall,) in walls))
        bench.busy_ns += round(warm_up.spent_ns)
        return warm_up

    def block(self, running: _Running) -> Block:
        return time_block(running.step.call, running.steps, self.bench.device.wait, usage=self.bench.usage)

    def one_round(self, *, keep: bool = True) -> None:
        """One block of every mode; unless it is to be kept, as a warm-up."""
        bench, rounds = self.bench, self.measured
        # Seeded by cell and round: the same order on all ranks, another one in every round.
        order = sorted(self.running)
        random.Random(f"{bench.seed}:{self.cell.id}:{rounds.count}").shuffle(order)
        blocks: list[dict[str, Any]] = []
        walls: list[float] = []
        for name in order:
            running = self.running[name]
            bench.ranks.barrier()
            block = self.attempt((running.point,), partial(self.timed, running))
            walls.append(float("nan") if block is None else block["end_ns"] - block["start_ns"])
            if block is not None:
                blocks.append(block)
        of_ranks = bench.ranks.gather(walls)
        slowest = [max(column, key=_nan_last) for column in zip(*of_ranks, strict=True)]
        failed = [name for name, wall in zip(order, slowest, strict=True) if wall != wall]
        for name in failed:
            self.drop(self.running.pop(name).point)
            rounds.drop(name)
        step_ns = {
            name: wall / self.running[name].steps
            for name, wall in zip(order, slowest, strict=True)
            if name not in failed
        }
        wall_ns = sum(w for w in slowest if w == w)
        bench.busy_ns += round(wall_ns)
        if step_ns and keep:
            bench.writer.write("round", cell=self.cell.id, round=rounds.count, blocks=blocks)
            rounds.add(step_ns, wall_ns / 1e9)

    def timed(self, running: _Running) -> dict[str, Any]:
        """One timed block, and on asynchronous devices one issued burst, as they are recorded."""
        block = self.block(running)
        fields: dict[str, Any] = {
            "key": running.point.key,
            "steps": block.steps,
            "start_ns": block.start_ns,
            "end_ns": block.end_ns,
        }
        if block.cpu_ns is not None:
            fields |= {
                "cpu_ns": block.cpu_ns,
                "main_ns": block.main_ns,
                "waits": block.waits,
                "preemptions": block.preemptions,
            }
        if running.issue_steps is not None:
            fields["issue_ns"] = time_issue(running.step.call, running.issue_steps, self.bench.device.wait)
        return fields

    def finish(self) -> None:
        """Close a visit. Rank 0's line comes after all ranks' rounds are written: with it the cell counts."""
        bench = self.bench
        bench.ranks.barrier()
        keys = [running.point.key for running in self.running.values()]
        if not self.running:
            self.stop = NOTHING_LEFT
        if bench.ranks.rank == 0:
            bench.writer.write("end", cell=self.cell.id, stop=self.stop, keys=keys)
            bench.sender.send(
                "visit",
                cell=self.cell.id,
                label=self.cell.label,
                points=len(self.cell.points),
                share=self.measured.count / bench.timing.max_rounds if self.open else 1.0,
                step_us={mode: self.measured.step_us(mode) for mode in self.running},
            )

    def agree(self, points: tuple[Point, ...], action: Callable[[], T]) -> T | None:
        """Do something on every rank; None, and the points dropped, unless it went well on all."""
        value = self.attempt(points, action)
        if self.bench.ranks.any(value is None):
            for point in points:
                self.drop(point)
            return None
        self.bench.sender.send("progress")
        return value

    def attempt(self, points: tuple[Point, ...], action: Callable[[], T]) -> T | None:
        """Do something on this rank; None, and why written down, if it failed here."""
        try:
            return action()
        except Exception as error:  # a mode may raise anything; a failed point is a row, not a lost sweep
            status = (
                schema.MISMATCH
                if isinstance(error, _Mismatch)
                else schema.OOM
                if is_out_of_memory(error)
                else schema.FAILED
            )
            for point in points:
                self.write_dropped(point, status, describe(error))
            if not self.alone:
                raise SessionBroken(describe(error)) from error
        self.bench.device.free_cached_memory()
        return None

    def write_dropped(self, point: Point, status: str, error: str) -> None:
        self.bench.writer.write(
            "dropped",
            cell=self.cell.id,
            mode=point.mode,
            key=point.key,
            status=status,
            error=error,
            at_ns=time.monotonic_ns(),
        )

    def drop(self, point: Point) -> None:
        """Leave a mode out from here on; the rank where it failed has written why."""
        self.running.pop(point.mode, None)
        self.bench.sender.send("progress")


def measure_cells(cells: Sequence[Cell], bench: Bench) -> None:
    """Measure the cells of a session. Collective: all ranks call it with the same cells.

    A cell's rounds are spread over the session: every cell is visited for some rounds, then every cell that
    needs more is visited again, and so on. A disturbance that lasts seconds, as on machines shared with
    others, then meets some rounds of many cells and not all rounds of one. Where memory is short, a cell
    gets all its rounds at its first visit and is not kept.

    Raises SessionBroken if this rank failed where the others cannot be told, and OSError if a record
    cannot be written.
    """
    kept: list[_CellRun] = []
    for cell in cells:
        run = _CellRun(cell, bench)
        run.begin()
        crowded = bench.ranks.any(bench.device.is_crowded())
        run.visit(bench.timing.max_rounds if crowded else bench.timing.visit_rounds)
        kept += _still_open([run])
    while kept:
        for run in kept:
            run.visit(bench.timing.visit_rounds)
        kept = _still_open(kept)


def _still_open(runs: list[_CellRun]) -> list[_CellRun]:
    """Those that need more rounds; the others are closed."""
    for run in runs:
        if not run.open:
            run.close()
    return [run for run in runs if run.open]


def describe(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    if isinstance(error, _Mismatch):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _nan_last(value: float) -> float:
    return value if value == value else float("inf")
