"""How long a plan is likely to take, roughly: for people who wait, and to share a plan out.

In: a Plan, a Config and the Inventory. Out: seconds, from least to most. Must not be used for any result.
"""

from __future__ import annotations

from harness.core.launches import USUAL
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Plan, Point
from harness.plan.repeats import LEAD_NS, rounds_of_build

# For the estimate alone, never for a result. A bare start of two ranks: importing torch and meeting.
START_SECONDS = 5.0
# Preparation, output check and warm-up of one mode.
WARM_UP_SECONDS = 0.4
# A rough GPU, a rough CPU core, and a rough cost of one operation.
FLOP_PER_SECOND = (1e13, 3e10)
OPERATION_SECONDS = 3e-6
# A step of a model of which nothing is known.
MODEL_SECONDS = 5e-3
# For how long a point is held for samplers where the config leaves it open. A CPU has no sampled utilisation;
# an emulated device has no noise that a longer window would average.
WINDOW_S = {"cpu": 0.0, "cuda": 1.0, "emulated": 0.8}


def window_seconds(config: Config, device_kind: str) -> float:
    """Seconds for which each point is held in a steady state."""
    if not config.monitor.sampler:
        return 0.0
    return WINDOW_S[device_kind] if config.monitor.window_s is None else config.monitor.window_s


def estimate_seconds(plan: Plan, config: Config, inventory: Inventory) -> tuple[float, float]:
    """Least and most seconds that the plan is likely to take, from a rough cost of a step."""
    timing, flop_s = config.timing, FLOP_PER_SECOND[inventory.kind == "cpu"]
    if config.emulator is not None:
        flop_s = config.emulator.flop_s["float32"] * config.emulator.products["float32"].share
    once = repeated = 0.0
    for session in plan.sessions:
        repeated += START_SECONDS
        for cell in session.cells:
            in_turn = 1 if session.controller != "loop" else session.devices
            steps = [in_turn * _step_seconds(point, flop_s) for point in cell.points]
            # On asynchronous devices a burst beside every block, for issue or device time.
            blocks = 1 if inventory.kind == "cpu" else 2
            round_seconds = blocks * sum(max(timing.block_ms / 1e3, step) for step in steps)
            round_seconds += sum(max(LEAD_NS / 1e9, step) for step in steps)
            rounds = rounds_of_build(timing, round_seconds)
            build = sum(WARM_UP_SECONDS + 8 * step for step in steps) + rounds * round_seconds
            once += len(steps) * window_seconds(config, inventory.kind)
            repeated += timing.builds * build
    return once + timing.sessions * repeated, once + timing.max_sessions * repeated


def _step_seconds(point: Point, flop_s: float) -> float:
    multiplications = sum(a * b for a, b in zip(point.sizes, point.sizes[1:], strict=False))
    if point.depth is None:
        return MODEL_SECONDS
    passes = 3 if point.workload == "train" else 1
    work = passes * 2 * point.rank_batch * multiplications / flop_s
    return work + point.depth * USUAL[point.workload] * OPERATION_SECONDS
