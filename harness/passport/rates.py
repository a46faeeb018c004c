"""What a device moves and computes in a second, where there is much to do at once.

In: a Bench of its own. Out: measures in it, and the amount of work of one. Must not know costs of single calls.
"""

from __future__ import annotations

import torch

from harness.passport.loops import Bench
from harness.timing.interleaved import Blocks

# Beyond any cache, and what a device needs to be full; on a CPU a fraction, since a call takes some ten milliseconds.
_COPIED = {False: 2**26, True: 2**29}
_SIDE = {False: 768, True: 4096}


def rates(bench: Bench) -> dict[str, float]:
    """Rate -> its units of work in one call of the measure of the same name: bytes read and written, or FLOP."""
    device, large = bench.device.torch_device, bench.device.asynchronous
    source = torch.ones(_COPIED[large] // 4, device=device)
    target = torch.empty_like(source)
    left, right = (torch.ones(_SIDE[large], _SIDE[large], device=device) for _ in range(2))
    out = torch.empty_like(left)
    for name, call in (
        ("memory_gb_s", lambda: target.copy_(source)),
        ("matmul_gflop_s", lambda: torch.mm(left, right, out=out)),
    ):
        bench.measures[name] = Blocks(
            call, bench.device.wait, context=torch.inference_mode, block_ns=bench.block_ns
        )
    return {"memory_gb_s": 2.0 * source.nbytes, "matmul_gflop_s": 2.0 * _SIDE[large] ** 3}
