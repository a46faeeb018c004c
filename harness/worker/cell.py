"""One cell, measured by all ranks of a session: prepare, check, warm up, interleaved rounds.

In: a Cell and the Bench it is measured on. Out: raw records. Must not know how ranks were started or
what becomes of the records.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch

from harness.core import schema
from harness.core.schema import REFERENCE_MODE
from harness.devices.device import Device, is_out_of_memory
from harness.modes import Mode, get_mode
from harness.plan.config import TimingConfig
from harness.plan.points import Cell, Point
from harness.records.raw import Writer
from harness.session.progress import Sender
from harness.timing.blocks import (
    CLOCK_SHARE,
    UNFINISHED,
    Block,
    Burst,
    Capped,
    Hopeless,
    Narrow,
    Rounds,
    WarmUp,
    stop_reason,
)
from harness.worker.graph_check import LEAST_HOLD_NS, NOT_REPLAYED, Replay, longer_hold, replayed
from harness.worker.issuers import Drive, Lanes
from harness.worker.ranks import Ranks
from harness.workloads.comparison import Mismatch, accepted, difference
from harness.workloads.cpu_check import Rehearsal
from harness.workloads.workload import WORKLOADS, Step, Workload

T = TypeVar("T")

# Why a cell ended whose modes have all failed.
NOTHING_LEFT = "nothing left"


class SessionBroken(Exception):
    """This rank failed within a collective operation: the others wait for it and can only be ended."""


@dataclass
class Bench:
    """What a cell is measured with. window_s: for how long each point is held in a steady state for samplers,
    after its rounds; 0: not at all. busy_ns: time that first calls, warm-up and timed
    blocks took so far, each of its slowest rank: what is left of the session is our own overhead."""

    ranks: Ranks
    lanes: Lanes
    writer: Writer
    sender: Sender
    timing: TimingConfig
    seed: int
    usage: bool
    clock_cost_ns: float
    window_s: float = 0.0
    busy_ns: int = 0
    rehearsal: Rehearsal = field(init=False)

    def __post_init__(self) -> None:
        self.rehearsal = Rehearsal(self.seed)

    @property
    def device(self) -> Device:
        """The first of this rank's devices, which are all alike."""
        return self.lanes.devices[0]

    @property
    def block_ns(self) -> float:
        """Wall time to aim at for a block: as configured, but long enough for the clock not to matter."""
        return max(self.timing.block_ms * 1e6, self.clock_cost_ns / CLOCK_SHARE)


@dataclass
class _Running:
    """A mode of the cell that is still in the race."""

    point: Point
    own: list[Step]  # of each device
    drive: Drive
    steps: int = 1
    # Steps of a burst that fits the launch queue, and for how long to hold the device while it is queued.
    burst: int | None = None
    hold_ns: float = LEAST_HOLD_NS


@dataclass
class _CellRun:
    cell: Cell
    bench: Bench
    running: dict[str, _Running] = field(default_factory=dict)
    measured: Rounds = field(default_factory=lambda: Rounds(REFERENCE_MODE))
    stop: str = UNFINISHED
    workloads: list[Workload] | None = None  # of each device

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
        for device in bench.lanes.devices:
            device.begin_cell()
        self.workloads = workloads = self.agree(points, self.build)
        if workloads is None:
            return
        with bench.lanes.within(workloads[0].context):
            references = self.agree(points, lambda: self.references(workloads))
            if references is not None:
                for point in points:
                    self.prepare(workloads, point, references)
        bench.rehearsal.forget()

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
        if self.open and self.workloads is not None:
            with self.bench.lanes.within(self.workloads[0].context):
                if measured.count:
                    self.one_round(keep=False)  # other cells have used the caches since
                while self.open and measured.count < last:
                    self.one_round()
                    self.stop = stop_reason(measured, rules, timing.min_rounds) or UNFINISHED
                    self.bench.sender.send("progress")
        self.finish()
        if self.stop != UNFINISHED and self.bench.window_s and self.workloads is not None:
            with self.bench.lanes.within(self.workloads[0].context):
                self.hold_steady()

    def close(self) -> None:
        """Give the memory of all modes back."""
        self.running.clear()
        self.workloads = None
        self.bench.device.free_cached_memory()

    def build(self) -> list[Workload]:
        point, bench = self.cell.points[0], self.bench
        kind, first = WORKLOADS[point.workload], bench.ranks.rank * len(bench.lanes.devices)

        def build(lane: int) -> Workload:
            return kind(point, bench.lanes.devices[lane], first + lane, bench.seed)

        return bench.lanes.each(build)

    def references(self, workloads: list[Workload]) -> list[list[torch.Tensor]]:
        """Eager's outcome on each device."""

        def reference(lane: int) -> list[torch.Tensor]:
            step = workloads[lane].prepare(get_mode(REFERENCE_MODE))
            step.call()  # as every mode's first call, so that under `train` both have made one step
            return step.outcome()

        return self.bench.lanes.each(reference)

    def prepare(self, workloads: list[Workload], point: Point, references: list[list[torch.Tensor]]) -> None:
        """Build a mode, compare it with eager, and warm it up; drop it where any of this fails."""
        bench, mode = self.bench, get_mode(point.mode)
        gap: float | None = None
        if not bench.device.computes:
            gap = self.agree((point,), lambda: self.rehearse(point))
            if gap is None:
                return
        for device in bench.lanes.devices:
            device.reset_peak_memory()
        built = self.agree((point,), lambda: self.first_call(workloads, point, mode))
        if built is None:
            return
        running, prepare_s, first_call_s = built
        if gap is None and (gap := self.agree((point,), lambda: self.compare(running, references))) is None:
            return
        warm_up = self.warm_up(running)
        if warm_up is None:
            return
        memory_peak_mib = bench.lanes.peak_memory_mib()
        replay = self.agree((point,), lambda: self.look_into(running))
        if replay is None:
            return
        self.running[point.mode] = running
        bench.writer.write(
            "prepared",
            cell=self.cell.id,
            mode=point.mode,
            key=point.key,
            prepare_s=prepare_s,
            first_call_s=first_call_s,
            memory_peak_mib=memory_peak_mib,
            difference=gap,
            steps=running.steps,
            warm_up_s=warm_up.spent_ns / 1e9,
            settled=warm_up.settled,
            **asdict(replay),
        )

    def first_call(
        self, workloads: list[Workload], point: Point, mode: Mode
    ) -> tuple[_Running, float, float]:
        lanes = self.bench.lanes
        lanes.wait()
        start = time.monotonic_ns()
        own = lanes.each(lambda lane: workloads[lane].prepare(mode))
        running = _Running(point, own, lanes.drive(own))
        lanes.wait()
        prepared = time.monotonic_ns()
        # One after the other: what compiles at its first call is not made to do so in several threads at once.
        lanes.each(lambda lane: own[lane].call())
        lanes.wait()
        called = time.monotonic_ns()
        self.bench.busy_ns += called - prepared
        return running, (prepared - start) / 1e9, (called - prepared) / 1e9

    def look_into(self, running: _Running) -> Replay:
        """Choose the burst of an asynchronous device, and check its device time by the replay of a graph."""
        point, device = running.point, self.bench.device
        if not device.asynchronous:
            return NOT_REPLAYED
        replay = NOT_REPLAYED
        if point.workload == "forward":
            replay = replayed(self.bench.lanes, running.own[0], running.steps)
        steps = device.burst_steps(point.depth, point.workload, replay.launches)
        # No longer than a block: a launch that is a whole graph would fit the queue hundreds of times.
        running.burst = None if steps is None else min(steps, running.steps)
        return replay

    def rehearse(self, point: Point) -> float:
        """Where the device computes nothing: the same comparison on a CPU copy, made by one rank for all."""
        if self.bench.ranks.rank != 0:
            return 0.0
        return accepted(self.bench.rehearsal.difference(point), point.dtype)

    def compare(self, running: _Running, references: list[list[torch.Tensor]]) -> float:
        def gap(lane: int) -> float:
            return difference(running.own[lane].outcome(), references[lane])

        return accepted(max(self.bench.lanes.each(gap)), running.point.dtype)

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
        return running.drive.block(running.steps, self.bench.usage)

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

    def hold_steady(self) -> None:
        """One long block of every mode, which no figure of time comes from: it is there to be sampled.

        What samplers read is an average over some tenth of a second, and no point's block lasts that long.
        """
        bench = self.bench
        for name, running in list(self.running.items()):
            # Of times that all ranks know: they make as many steps.
            steps = math.ceil(bench.window_s * 1e6 / self.measured.step_us(name))
            bench.ranks.barrier()
            block = self.agree((running.point,), partial(running.drive.block, steps, False))
            if block is None:
                continue
            bench.busy_ns += block.wall_ns
            bench.writer.write(
                "window",
                cell=self.cell.id,
                key=running.point.key,
                start_ns=block.start_ns,
                end_ns=block.end_ns,
                steps=steps,
            )

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
        if block.fastest_ns is not None:
            fields["fastest_ns"] = block.fastest_ns
        if running.burst is not None:
            burst = self.burst(running, running.burst)
            fields |= {"issue_ns": burst.issue_ns, "device_ns": burst.device_ns, "growth": burst.growth}
        return fields

    def burst(self, running: _Running, steps: int) -> Burst:
        """Issue and device time of a step, from a burst of them."""
        if not self.alone:
            # Held at the same time, so that no rank's time contains waiting for another's beginning.
            self.bench.ranks.barrier()
        # Each device in its turn.
        lane = self.measured.count % len(running.own)
        burst = self.bench.lanes.burst(lane, running.own[lane], steps, running.hold_ns)
        if burst.device_ns is None:  # the first time, when what to expect is not known yet, or disturbed
            running.hold_ns = longer_hold(running.hold_ns, steps, burst)
        return burst

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
                if isinstance(error, Mismatch)
                else schema.OOM
                if is_out_of_memory(error)
                else schema.FAILED
            )
            for point in points:
                self.write_dropped(point, status, describe(error))
            if not self.alone or any(device.is_broken() for device in self.bench.lanes.devices):
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
        crowded = bench.ranks.any(any(device.is_crowded() for device in bench.lanes.devices))
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
    if isinstance(error, Mismatch):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _nan_last(value: float) -> float:
    return value if value == value else float("inf")
