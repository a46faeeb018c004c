"""The most bytes of tensors that are alive at a time: by hand, and by torch's memory profiler."""

from __future__ import annotations

import pytest
import torch

from harness.devices.device import Device
from harness.devices.live_tensors import highest
from harness.models.named import build, inputs
from harness.modes import get_mode

MIB = 2**20
BATCH, WIDTH = 256, 1024
VALUE, ROW = BATCH * WIDTH * 4, WIDTH * 4  # bytes: of the input's size, and of the parameters'

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


@pytest.mark.parametrize(
    ("changes", "peak"),
    [
        ([], 0),
        ([(1, 5), (2, 7), (3, -5), (4, 2)], 12),
        ([(3, -5), (1, 5), (4, 2), (2, 7)], 12),  # in the order of time, not of the list
        ([(1, -4), (2, 3), (3, 3)], 2),  # what was there before makes room
    ],
)
def test_the_highest_is_that_of_the_running_sum(changes: list[tuple[int, int]], peak: int) -> None:
    assert highest(changes) == peak


def test_what_a_call_takes_and_gives_back_is_counted_while_it_is_there() -> None:
    def call() -> torch.Tensor:
        first = torch.empty(MIB, dtype=torch.uint8)
        del first
        second = torch.empty(3 * MIB, dtype=torch.uint8)
        return second[:1].clone()

    assert Device().tensor_peak_bytes(call) == pytest.approx(3 * MIB, abs=4096)


# What is alive at the worst moment of a step of `named` (docs/memory.md): by how many values of the input's size, and
# whether beside them what depends on the parameters alone.
KEPT = {"eager": (9, 1), "symbolic": (2, 1), "script": (2, 1), "trace": (2, 1), "frozen": (2, 0)}


@pytest.mark.parametrize("mode", KEPT)
def test_modes_keep_what_they_say_by_hand(mode: str) -> None:
    torch.manual_seed(0)
    model, x = build(WIDTH).eval(), inputs(BATCH, WIDTH)
    with torch.inference_mode():
        run = get_mode(mode).prepare(model, x)
        for _ in range(4):  # TorchScript looks at the first calls, and changes its code then
            run(x)
        values, rows = KEPT[mode]
        assert Device().tensor_peak_bytes(lambda: run(x)) == pytest.approx(
            values * VALUE + rows * ROW, abs=1024
        )
