"""The modes of a cell under several environments, each prepared and timed by a driver of its environment.

In: a cell, a bench with drivers, and the rank's agreement. Out: the modes Prepared, with a record of each, as
worker/cells/prepare.py has it. Must not know rounds, visits or when to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch

from harness.core import schema
from harness.devices.device import Device
from harness.environments.driving.process import Driver, Preparation
from harness.environments.driving.task import DriverError, Task
from harness.plan.points import Cell, Point
from harness.timing.blocks import Block
from harness.timing.warm_up import WarmUp
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.prepared import Prepared
from harness.worker.drivers import Drivers
from harness.worker.issuers import Issuers
from harness.workloads.comparison import (
    TOLERANCE,
    accepted,
    accepted_exactly,
    difference,
    may_be_rounding,
)


@dataclass
class Driven(Prepared):
    """A mode that lies in a slot of a driver, which wakes once a block: for its untimed steps and the timed ones.
    outcome: what it gave when it was prepared."""

    driver: Driver | None = None
    slot: int = 0
    outcome: Sequence[list[float]] = ()

    def lead_in(self, issuers: Issuers) -> bool:
        """Made with the block: between the two the driver would fall asleep."""
        return True

    def timed_block(self, usage: bool) -> Block:
        assert self.driver is not None
        return _told(self.driver.timed(self.steps, self.lead_steps, self.slot), usage)

    def close(self) -> None:
        if self.driver is not None and self.driver.alive:
            with suppress(DriverError):  # whoever asks next is told
                self.driver.forget(self.slot)


def driven_modes(cell: Cell, bench: Bench, agreement: Agreement) -> dict[str, Prepared]:
    """The modes of the cell by name, without those that failed, and the null: in a second process of its environment.

    Outputs are compared with those of the first point that could be prepared: eager `here`, where that is in the cell.
    Environments whose turn it is not are left out.
    """
    drivers = bench.drivers
    assert drivers is not None
    preparation = _Preparation(cell, bench, drivers, agreement)

    def place(point: Point) -> tuple[bool, bool]:
        return point.mode != schema.REFERENCE_MODE, point.environment != drivers.reference

    points = sorted(cell.points, key=place)
    prepared = [preparation.prepare(point) for point in points]
    if cell.id in bench.nulls:
        first = next((each.point for each in prepared if each and _is_reference(each.point)), None)
        if first is not None:
            prepared.append(preparation.prepare(first, null=True))
    return {each.name: each for each in prepared if each is not None}


def _is_reference(point: Point) -> bool:
    return point.mode == schema.REFERENCE_MODE


class _Preparation:
    """Of the modes of one cell."""

    def __init__(self, cell: Cell, bench: Bench, drivers: Drivers, agreement: Agreement) -> None:
        self._cell, self._bench, self._drivers, self._agreement = cell, bench, drivers, agreement
        # The point that all are compared with, and what it gave.
        self._reference: tuple[Point, Preparation] | None = None

    def prepare(self, point: Point, *, null: bool = False) -> Driven | None:
        """None where any of it fails, or has another turn. null: as a second build: no row is made of it, nor lost."""
        if not self._drivers.has_turn(point.environment, null=null):
            return None
        agree = partial(self._agreement.agree, () if null else (point,))
        started: Driver | None = agree(lambda: self._drivers.of(point.environment, null=null))
        if started is None:
            return None
        driver, slot = started, self._drivers.new_slot()
        found: Preparation | None = agree(lambda: driver.prepared(self._task(point), slot))
        if found is None:
            return None
        gap: float | None = agree(lambda: self._compared(point, found))
        if gap is None:
            return None

        def timer(steps: int, usage: bool) -> Block:
            return _told(driver.timed(steps, 0, slot), usage)

        mode = Driven(point, [], timer, null, driver=driver, slot=slot, outcome=found.outcome)
        bench, timing = self._bench, self._bench.timing
        known = bench.block_steps.get(mode.key)
        warm_up: WarmUp | None = agree(
            lambda: driver.warmed(bench.block_ns, timing.warmup_max_s, slot, known)
        )
        if warm_up is None:
            return None
        mode.steps, mode.block_ns = warm_up.steps, warm_up.steps * warm_up.step_ns
        bench.block_steps[mode.key] = mode.steps
        bench.busy_ns += round(found.first_call_s * 1e9 + warm_up.spent_ns)
        self._record(mode, found, gap, warm_up)
        return mode

    def _task(self, point: Point, dtype: str = "") -> Task:
        return Task(
            framework=self._drivers.framework(point.environment),
            mode=point.mode,
            workload=point.workload,
            sizes=point.sizes,
            batch=point.rank_batch,
            dtype=dtype or point.dtype,
            autograd=point.autograd,
            seed=self._bench.seed,
            device=_kind(self._bench.device),
        )

    def _compared(self, point: Point, found: Preparation) -> float:
        """Largest difference from the reference; of the reference itself 0. Raises Mismatch."""
        if self._reference is None:
            self._reference = (point, found)
            return 0.0
        reference, first = self._reference
        gap = difference(tensors(found.outcome), tensors(first.outcome))
        if gap <= TOLERANCE[point.dtype] or not may_be_rounding(gap, point.dtype):
            return accepted(gap, point.dtype)
        ours, theirs = (self._in_float64(each) for each in (point, reference))
        return accepted_exactly(gap, difference(ours, theirs))

    def _in_float64(self, point: Point) -> list[torch.Tensor]:
        """In which rounding hardly shows."""
        driver, slot = self._drivers.of(point.environment), self._drivers.new_slot()
        try:
            return tensors(driver.prepare(self._task(point, "float64"), slot))
        finally:
            with suppress(DriverError):
                driver.forget(slot)

    def _record(self, mode: Driven, found: Preparation, gap: float, warm_up: WarmUp) -> None:
        self._bench.writer.write(
            "prepared",
            cell=self._cell.id,
            mode=mode.name,
            key=mode.key,
            prepare_s=found.prepare_s,
            first_call_s=found.first_call_s,
            process_peak_mib=found.peak_mib,
            tensor_peak_mib=None,
            difference=gap,
            steps=mode.steps,
            warm_up_s=warm_up.spent_ns / 1e9,
            settled=warm_up.settled,
        )


def _told(block: Block, usage: bool) -> Block:
    """usage: with the CPU time around it."""
    return block if usage else replace(block, cpu_ns=None, main_ns=None, waits=None, preemptions=None)


def tensors(outcome: Sequence[list[float]]) -> list[torch.Tensor]:
    """A tensor of one number is a loss: it stands for itself."""
    each = [torch.tensor(numbers, dtype=torch.float64) for numbers in outcome]
    return [
        tensor.squeeze() if len(outcome) > 1 and index == 0 else tensor for index, tensor in enumerate(each)
    ]


def _kind(device: Device) -> str:
    return str(device.torch_device.type)
