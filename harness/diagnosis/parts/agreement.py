"""Whether two calls answer the same, though a step changes what it reads.

In: outputs; the tensors that a step reads. Out: whether they agree. Must not know timing or ranks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from harness.devices.device import Device

# Of the largest value: the same kernels on the same numbers, but sums of several threads come in any order.
TOLERANCE = 1e-3
SEED = 0


@contextlib.contextmanager
def kept_values(tensors: Sequence[torch.Tensor], device: Device) -> Iterator[None]:
    """Within: random numbers begin at one seed. After it those, and the values of the tensors, are what they were."""
    devices = [device.torch_device] if device.asynchronous else []
    before = [(each, each.detach().clone()) for each in tensors]
    with torch.random.fork_rng(devices, device_type=device.torch_device.type if devices else "cuda"):
        torch.manual_seed(SEED)
        try:
            yield
        finally:
            for each, value in before:
                if each.shape == value.shape:
                    # Not through autograd, for which it would be a change of what a graph has kept.
                    each.data.copy_(value)


def agree(expected: Any, found: Any, *, values: bool) -> bool:
    """Whether both have tensors of the same shape and type at the same places, and the same of anything else.

    values: whether the tensors' numbers are compared too.
    """
    if isinstance(expected, torch.Tensor):
        return isinstance(found, torch.Tensor) and _same(expected.detach(), found.detach(), values)
    if isinstance(expected, dict):
        same = isinstance(found, dict) and expected.keys() == found.keys()
        return same and all(agree(expected[key], found[key], values=values) for key in expected)
    if isinstance(expected, (list, tuple)):
        same = isinstance(found, (list, tuple)) and len(expected) == len(found)
        return same and all(
            agree(one, other, values=values) for one, other in zip(expected, found, strict=True)
        )
    # Numbers and objects are constants of the record.
    return type(expected) is type(found)


def _same(expected: torch.Tensor, found: torch.Tensor, values: bool) -> bool:
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return False
    if not values or not expected.numel():
        return True
    if not expected.is_floating_point():
        return torch.equal(expected, found)
    scale = expected.abs().max().clamp(min=1e-30)
    return bool(((expected - found).abs().max() / scale <= TOLERANCE) | expected.isnan().any())
