"""A model on a batch, as sizes.

In: a model's name, depth, width, batch. Out: a Shape. Must not know profiles, runs or torch.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

ITEM_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
# Backward is two matrix products for each one of forward: by input and by weight.
TRAIN_PRODUCTS = 3


@dataclass(frozen=True)
class Shape:
    """A model on a batch. sizes: widths from input to output; batch: samples per device; item: bytes a number."""

    sizes: tuple[int, ...]
    batch: int
    workload: str = "forward"
    item: int = 4

    @property
    def depth(self) -> int:
        return len(self.sizes) - 1

    @property
    def layers(self) -> list[tuple[int, int]]:
        return list(itertools.pairwise(self.sizes))

    @property
    def parameters(self) -> int:
        return sum(into * out + out for into, out in self.layers)

    def at(self, batch: int) -> Shape:
        return replace(self, batch=batch)


def sizes_of(model: str, depth: int, width: int) -> tuple[int, ...]:
    """Layer widths from a model's name as harness.plan.points gives it; uniform where the name does not tell."""
    name = model.removeprefix("mlp-")
    if found := re.fullmatch(r"(\d+)x(\d+)", name):
        return (int(found[1]),) * (int(found[2]) + 1)
    if found := re.fullmatch(r"(\d+)-(\d+)x(\d+)-(\d+)", name):
        return (int(found[1]), *[int(found[2])] * int(found[3]), int(found[4]))
    if re.fullmatch(r"\d+(-\d+)+", name):
        return tuple(map(int, name.split("-")))
    return (width,) * (depth + 1)
