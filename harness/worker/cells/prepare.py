"""From a cell to modes that are ready: built, compared with eager, called for the first time, warmed up.

In: a cell, a bench, and the ranks' agreement. Out: workloads and the modes Prepared on them, with a record of each.
Must not know rounds, visits or when to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from harness.core.schema import REFERENCE_MODE
from harness.devices.launch_queue import AT_MOST_OF_OPERATION, launches_of_step
from harness.modes import get_mode
from harness.modes.proof import Unproven
from harness.plan.points import Cell, Point
from harness.timing.warm_up import WarmUp
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.graph_check import NOT_REPLAYED, Replay, replayed
from harness.worker.cells.prepared import Prepared, points_lost
from harness.workloads.comparison import TOLERANCE, accepted, accepted_exactly, may_be_rounding
from harness.workloads.outcomes import Outcomes
from harness.workloads.workload import WORKLOADS, Step, Workload

# Agreement.agree on what one mode is lost with.
Agree = Callable[[Callable[[], Any]], Any]


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


def _references(bench: Bench, workloads: list[Workload]) -> list[Outcomes]:
    """Eager's outcomes on each device."""
    return bench.issuers.each(lambda index: Outcomes(workloads[index]))


@dataclass(frozen=True)
class _FirstCall:
    prepared: Prepared
    prepare_s: float
    first_call_s: float


@dataclass(frozen=True)
class _Preparation:
    """Of the modes of one cell. references: eager's outcomes on each device."""

    cell_id: str
    bench: Bench
    agreement: Agreement
    workloads: list[Workload]
    references: list[Outcomes]

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
        if gap is None and (gap := self._compared(prepared, agree)) is None:
            return None
        warm_up = self._warm_up(prepared)
        if warm_up is None:
            return None
        process_peak_mib = bench.issuers.peak_memory_mib()
        tensor_peak_mib: float | None = None
        if bench.memory:
            peaks = agree(lambda: self._tensor_peak_mib(prepared))
            if peaks is None:
                return None
            (tensor_peak_mib,) = peaks
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
        self._record(built, gap, warm_up, process_peak_mib, tensor_peak_mib, replay)
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
        issuers.each(lambda index: self._seeded_call(index, own[index]))
        issuers.wait()
        called = time.monotonic_ns()
        self.bench.busy_ns += called - built
        return _FirstCall(prepared, (built - start) / 1e9, (called - built) / 1e9)

    def _seeded_call(self, index: int, step: Step) -> None:
        """As eager's first call: under `train` both have then made one and the same step."""
        self.workloads[index].reseed()
        step.call()

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
        return self.bench.rehearsal.compared(point)

    def _compared(self, prepared: Prepared, agree: Agree) -> float | None:
        """Largest difference from eager on any device; None where it is none of rounding. Collective, in each part."""
        each, mode, dtype = self.bench.issuers.each, get_mode(prepared.point.mode), prepared.point.dtype
        gap: float | None = agree(
            lambda: max(each(lambda index: self.references[index].gap(prepared.own[index])))
        )
        if gap is None or not self.bench.ranks.any(not gap <= TOLERANCE[dtype]):
            return gap
        draws = agree(lambda: any(each(lambda index: self.references[index].draws())))
        if draws is None:
            return None
        found, settled = float(gap), self.bench.ranks.any(draws)
        checked: float | None
        if not settled and self.bench.ranks.any(not may_be_rounding(found, dtype)):
            checked = agree(lambda: accepted(found, dtype))
            return checked
        exact = agree(
            lambda: max(each(lambda index: self.references[index].exact_gap(mode, settled=settled)))
        )
        checked = None if exact is None else agree(lambda: accepted_exactly(found, float(exact)))
        return checked

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
        launches = replay.launches or self._launches_of_step(prepared)
        steps = device.burst_steps(launches)
        # No longer than a block: a launch that is a whole graph would fit the queue hundreds of times.
        prepared.burst = None if steps is None else min(steps, prepared.steps)
        return replay

    def _launches_of_step(self, prepared: Prepared) -> int:
        """An estimate, where they could not be counted: of an MLP by its layers, of any other model by the operations
        that eager's step asks of torch."""
        point = prepared.point
        if point.depth is not None:
            return launches_of_step(point.depth, point.workload)
        return AT_MOST_OF_OPERATION * self.bench.issuers.at(0, self.references[0].operations)

    def _tensor_peak_mib(self, prepared: Prepared) -> tuple[float | None]:
        """Of a step of the first device, outside of all that is timed; None where the mode does not tell."""
        step = prepared.own[0]
        kept = get_mode(prepared.point.mode).kept_bytes(step.built)
        if kept is None:
            return (None,)

        def peak() -> int:
            step.clear()
            return self.bench.device.tensor_peak_bytes(step.once)

        return ((kept + self.bench.issuers.at(0, peak)) / 2**20,)

    def _record(
        self,
        built: _FirstCall,
        gap: float,
        warm_up: WarmUp,
        process_peak_mib: float | None,
        tensor_peak_mib: float | None,
        replay: Replay,
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
            process_peak_mib=process_peak_mib,
            tensor_peak_mib=tensor_peak_mib,
            difference=gap,
            steps=prepared.steps,
            warm_up_s=warm_up.spent_ns / 1e9,
            settled=warm_up.settled,
            **counted,
        )
