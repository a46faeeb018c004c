"""From a cell to modes that are ready: built, compared with eager, called for the first time, warmed up.

In: a cell, a bench, and the ranks' agreement. Out: workloads and the modes Prepared on them, with a record of each.
Must not know rounds, visits or when to stop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch

from harness.core.schema import REFERENCE_MODE
from harness.modes import get_mode
from harness.modes.proof import Unproven
from harness.plan.points import Cell, Point
from harness.timing.warm_up import WarmUp
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.graph_check import NOT_REPLAYED, Replay, replayed
from harness.worker.cells.prepared import Prepared, points_lost
from harness.workloads.comparison import accepted, difference
from harness.workloads.workload import WORKLOADS, Workload


def build_workloads(cell: Cell, build: int, bench: Bench, agreement: Agreement) -> list[Workload] | None:
    """Parameters and shard of the cell on each of this rank's devices; None where that failed on any rank."""
    point, devices = cell.points[0], bench.issuers.devices
    kind, first = WORKLOADS[point.workload], bench.ranks.rank * len(devices)

    def workload(index: int) -> Workload:
        return kind(point, devices[index], first + index, bench.seed, f"{bench.session}:{cell.id}:{build}")

    return agreement.agree(cell.points, lambda: bench.issuers.each(workload))


def prepare_modes(
    cell: Cell, bench: Bench, agreement: Agreement, workloads: list[Workload]
) -> dict[str, Prepared]:
    """The modes of the cell by name, without those that failed, and the null. Called within the workload's context."""
    references = agreement.agree(cell.points, lambda: _references(bench, workloads))
    if references is None:
        return {}
    preparation = _Preparation(cell.id, bench, agreement, workloads, references)
    prepared = [preparation.prepare(point) for point in cell.points]
    prepared += [preparation.prepare(point, null=True) for point in _nulls(cell, bench, prepared)]
    return {each.name: each for each in prepared if each is not None}


def _nulls(cell: Cell, bench: Bench, prepared: Sequence[Prepared | None]) -> list[Point]:
    """The reference mode's point where it is to have a second build beside the first; collective.

    Not where memory is short: no point may be lost for its sake.
    """
    crowded = bench.ranks.any(any(device.is_crowded() for device in bench.issuers.devices))
    if crowded or cell.id not in bench.nulls:
        return []
    return [each.point for each in prepared if each is not None and each.point.mode == REFERENCE_MODE]


def _references(bench: Bench, workloads: list[Workload]) -> list[list[torch.Tensor]]:
    """Eager's outcome on each device."""

    def reference(index: int) -> list[torch.Tensor]:
        step = workloads[index].built(get_mode(REFERENCE_MODE))
        step.call()  # as every mode's first call, so that under `train` both have made one step
        return step.outcome()

    return bench.issuers.each(reference)


@dataclass(frozen=True)
class _FirstCall:
    prepared: Prepared
    prepare_s: float
    first_call_s: float


@dataclass(frozen=True)
class _Preparation:
    """Of the modes of one cell. references: eager's outcome on each device."""

    cell_id: str
    bench: Bench
    agreement: Agreement
    workloads: list[Workload]
    references: list[list[torch.Tensor]]

    def prepare(self, point: Point, *, null: bool = False) -> Prepared | None:
        """Build a mode, compare it with eager, and warm it up; None where any of this fails on any rank.

        null: as a second build, of which no row is made, nor lost.
        """
        bench, agree = self.bench, partial(self.agreement.agree, () if null else (point,))
        gap: float | None = None
        if not bench.device.computes and (gap := agree(lambda: self._compare_on_cpu(point))) is None:
            return None
        for device in bench.issuers.devices:
            device.reset_peak_memory()
        built = agree(lambda: self._first_call(point, null))
        if built is None:
            return None
        prepared = built.prepared
        if agree(lambda: self._prove(prepared)) is None:
            return None
        if gap is None and (gap := agree(lambda: self._compare(prepared))) is None:
            return None
        warm_up = self._warm_up(prepared)
        if warm_up is None:
            return None
        memory_peak_mib = bench.issuers.peak_memory_mib()
        replay = agree(lambda: self._check_by_replay(prepared))
        if replay is None:
            return None
        if bench.ranks.any(replay.spoiled):
            # What was counted stays; what is measured was never captured.
            again = agree(lambda: self._first_call(point, null))
            if again is None:
                return None
            prepared.own, prepared.timer = again.prepared.own, again.prepared.timer
            if self._warm_up(prepared) is None:
                return None
        self._record(built, gap, warm_up, memory_peak_mib, replay)
        return prepared

    def _first_call(self, point: Point, null: bool) -> _FirstCall:
        issuers, mode = self.bench.issuers, get_mode(point.mode)
        models = issuers.each(lambda index: self.workloads[index].new_model())
        issuers.wait()
        start = time.monotonic_ns()
        own = issuers.each(lambda index: self.workloads[index].prepare(mode, models[index]))
        prepared = Prepared(point, own, issuers.timer(own), null)
        issuers.wait()
        built = time.monotonic_ns()
        # One after the other: what compiles at its first call is not made to do so in several threads at once.
        issuers.each(lambda index: own[index].call())
        issuers.wait()
        called = time.monotonic_ns()
        self.bench.busy_ns += called - built
        return _FirstCall(prepared, (built - start) / 1e9, (called - built) / 1e9)

    def _prove(self, prepared: Prepared) -> bool:
        """True. Raises Unproven where a mode is not what it says on one of this rank's devices."""
        mode = get_mode(prepared.point.mode)
        for why in self.bench.issuers.each(lambda index: mode.proof(prepared.own[index].built)):
            if why:
                raise Unproven(why)
        return True

    def _compare_on_cpu(self, point: Point) -> float:
        """Where the device computes nothing: the same comparison on a CPU copy, made by one rank for all."""
        if self.bench.ranks.rank != 0:
            return 0.0
        return accepted(self.bench.rehearsal.difference(point), point.dtype)

    def _compare(self, prepared: Prepared) -> float:
        def gap(index: int) -> float:
            return difference(prepared.own[index].outcome(), self.references[index])

        return accepted(max(self.bench.issuers.each(gap)), prepared.point.dtype)

    def _warm_up(self, prepared: Prepared) -> WarmUp | None:
        """Run blocks until their step time has settled, with the timed loop's own tensor lifetimes."""
        bench = self.bench
        known = bench.block_steps.get(prepared.key)
        warm_up = WarmUp(bench.block_ns, bench.timing.warmup_max_s * 1e9, known)
        steps: int | None = warm_up.steps
        while steps is not None:
            prepared.steps = steps
            bench.ranks.barrier()
            block = self.agreement.attempt(points_lost(prepared), lambda: prepared.timed_block(bench.usage))
            walls = bench.ranks.gather([float("nan") if block is None else block.wall_ns])
            bench.sender.send("progress")
            if any(wall != wall for (wall,) in walls):
                return None
            steps = warm_up.next_steps(max(wall for (wall,) in walls))
        bench.busy_ns += round(warm_up.spent_ns)
        bench.block_steps[prepared.key] = prepared.steps
        prepared.block_ns = prepared.steps * warm_up.step_ns
        return warm_up

    def _check_by_replay(self, prepared: Prepared) -> Replay:
        """Choose the burst of an asynchronous device, and check its device time by the replay of a graph."""
        point, device = prepared.point, self.bench.device
        if not device.asynchronous:
            return NOT_REPLAYED
        replay = NOT_REPLAYED
        if point.workload == "forward":
            replay = replayed(self.bench.issuers, prepared.own[0], prepared.steps)
        steps = device.burst_steps(point.depth, point.workload, replay.launches)
        # No longer than a block: a launch that is a whole graph would fit the queue hundreds of times.
        prepared.burst = None if steps is None else min(steps, prepared.steps)
        return replay

    def _record(
        self, built: _FirstCall, gap: float, warm_up: WarmUp, memory_peak_mib: float | None, replay: Replay
    ) -> None:
        prepared, counted = built.prepared, asdict(replay)
        del counted["spoiled"]
        self.bench.writer.write(
            "prepared",
            cell=self.cell_id,
            mode=prepared.name,
            key=prepared.key,
            prepare_s=built.prepare_s,
            first_call_s=built.first_call_s,
            memory_peak_mib=memory_peak_mib,
            difference=gap,
            steps=prepared.steps,
            warm_up_s=warm_up.spent_ns / 1e9,
            settled=warm_up.settled,
            **counted,
        )
