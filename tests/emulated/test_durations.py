"""How long works take on the device, against what the profile says."""

from __future__ import annotations

from typing import Any

import pytest
from held import PRELUDE, exactly, gemm_us, shown
from node import ROUND

DURATIONS = (
    PRELUDE
    + """
found = {}
found["hold"] = on_device_us(lambda: sleep(1234))
found["holds"] = on_device_us(lambda: [sleep(us) for us in (100, 200, 300)])

def gemms(dtype):
    a = torch.empty(1024, 1024, dtype=dtype, device="cuda")
    batch = torch.empty(4, 512, 512, dtype=dtype, device="cuda")
    bias = torch.empty(1024, dtype=dtype, device="cuda")
    for warm in (torch.mm(a, a), torch.addmm(bias, a, a), torch.bmm(batch, batch)):
        del warm
    return [
        on_device_us(lambda: torch.mm(a, a)),
        on_device_us(lambda: torch.addmm(bias, a, a)),
        on_device_us(lambda: torch.bmm(batch, batch)),
    ]

found["gemm"] = {
    str(dtype).removeprefix("torch."): gemms(dtype)
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
}
torch.backends.cuda.matmul.allow_tf32 = True
found["gemm"]["tf32"] = gemms(torch.float32)
torch.backends.cuda.matmul.allow_tf32 = False
one, wide = torch.empty(1, 4096, device="cuda"), torch.empty(4096, 4096, device="cuda")
found["memory_bound"] = on_device_us(lambda: torch.mm(one, wide))
tiny = torch.empty(4, 4, device="cuda")
found["tiny"] = on_device_us(lambda: torch.mm(tiny, tiny))

vector = torch.empty(1_000_000, device="cuda")
half = vector.half()
for warm in (vector.relu(), vector + vector, half.relu(), vector.zero_()):
    del warm
found["unary"] = on_device_us(lambda: vector.relu())
found["binary"] = on_device_us(lambda: vector + vector)
found["half"] = on_device_us(lambda: half.relu())
found["fill"] = on_device_us(lambda: vector.fill_(1))

pinned = torch.empty(10_000_000, dtype=torch.uint8).pin_memory()
here = torch.empty(10_000_000, dtype=torch.uint8, device="cuda")
there = torch.empty(10_000_000, dtype=torch.uint8, device="cuda:1")
found["to_device"] = on_device_us(lambda: here.copy_(pinned, non_blocking=True))
found["to_host"] = on_device_us(lambda: pinned.copy_(here, non_blocking=True))
found["within"] = on_device_us(lambda: here.clone())

print(json.dumps(found))
"""
)


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shown(DURATIONS, tmp_path_factory.mktemp("durations"))


def test_a_hold_takes_its_cycles(times: Any) -> None:
    assert times["hold"] == exactly(1234)


def test_works_of_one_stream_add_up(times: Any) -> None:
    assert times["holds"] == exactly(600)


@pytest.mark.parametrize("arithmetic", ["float64", "float32", "tf32", "float16", "bfloat16"])
def test_a_large_matrix_product_runs_at_the_rate_of_its_number_format(times: Any, arithmetic: str) -> None:
    plain, with_bias, batched = times["gemm"][arithmetic]
    assert plain == exactly(gemm_us(2 * 1024**3, arithmetic))
    assert with_bias == exactly(gemm_us(2 * 1024**3, arithmetic))
    assert batched == exactly(gemm_us(4 * 2 * 512**3, arithmetic))


def test_a_narrow_matrix_product_takes_the_time_of_its_bytes(times: Any) -> None:
    moving = (4096 * 4096 + 2 * 4096) * 4 / ROUND.memory_gb_s / 1e3
    assert times["memory_bound"] == exactly(ROUND.kernels["matrix_vector"].floor_us + moving)


def test_a_small_matrix_product_takes_the_time_of_one_tile_on_one_multiprocessor(times: Any) -> None:
    of_an_sm = ROUND.flop_s["float32"] / ROUND.sms
    assert times["tiny"] == exactly(ROUND.products["float32"].floor_us + 2 * 32**3 / of_an_sm * 1e6)


def test_other_kernels_take_the_time_of_what_they_move(times: Any) -> None:
    floor, us_of_a_number = 2.0, 4 / ROUND.memory_gb_s / 1e3
    assert times["unary"] == exactly(floor + 2 * 1_000_000 * us_of_a_number)
    assert times["binary"] == exactly(floor + 3 * 1_000_000 * us_of_a_number)
    assert times["half"] == exactly(floor + 2 * 1_000_000 * us_of_a_number / 2)
    assert times["fill"] == exactly(floor + 1_000_000 * us_of_a_number)


def test_copies_take_the_time_of_their_bytes(times: Any) -> None:
    assert times["to_device"] == exactly(10_000_000 / ROUND.host_copy_gb_s / 1e3)
    assert times["to_host"] == exactly(10_000_000 / ROUND.host_copy_gb_s / 1e3)
    # Read and written.
    assert times["within"] == exactly(2 * 10_000_000 / ROUND.memory_gb_s / 1e3)
