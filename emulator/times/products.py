"""The time of a matrix product: (m x k) times (k x n), `batch` of them, rows of memory along n and k.

In: sizes and constants. Out: microseconds. Must not know tables or files. src/products.cpp says the same.

A product is cut into tiles of the result, one block of threads each, which the SMs take in waves (NVIDIA, Matrix
Multiplication Background User's Guide: tile and wave quantization); with few tiles the loop over k is cut as well, and
the parts summed afterwards (split-k; CUTLASS, Efficient GEMM in CUDA). The library chooses; here the fastest of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Bytes a number, per number format that there are rates for.
ITEM_BYTES = {"float64": 8, "float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2}

# Those of cuBLAS' kernels by their names: ..._256x128, ..._32x32_sliced1x4.
TILES = (
    *((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64)),
    *((128, 32), (32, 128), (64, 32), (32, 64), (32, 32)),
)
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16)
# Of the loop over k a block takes so much at a time, and a split keeps twice as much at least.
STEP, LEAST_K = 32, 64
# An SM holds two blocks of 128 x 128 by their registers, and 16 at most that are smaller.
HELD, MOST_HELD = 2 * 128 * 128, 16
# Side of the tile that ramp_us is of.
RAMP = 128
# Rows whose length in bytes is no multiple of it cannot be read by whole vectors, only by a half of one, or a quarter.
VECTOR_BYTES = 16


@dataclass
class ProductTimes:
    """Constants of a device for one number format.

    floor_us: of the shortest product; share: of the peak rate that an SM reaches with large tiles; half: what a tile of
    a x b loses by its edges, a share of half (a + b) / a b; step_us: the latency of one step of the loop over k;
    ramp_us: of a wave of RAMP x RAMP, to fill and to write, by a tile's side; unaligned: how many times as long steps
    take whose rows are read by half a vector (VECTOR_BYTES), squared by a quarter of one; memory_share: of memory_gb_s;
    split_us: of the kernel that sums parts.
    """

    floor_us: float
    share: float = 1.0
    half: float = 0.0
    step_us: float = 0.0
    ramp_us: float = 0.0
    unaligned: float = 1.0
    memory_share: float = 1.0
    split_us: float = 0.0


@dataclass(frozen=True)
class Machine:
    """rate: peak operations a us of the number format; bytes_us: of memory."""

    sms: int
    rate: float
    bytes_us: float


@dataclass(frozen=True)
class Products:
    """m, n, k, batch: (products,). item: bytes a number. transposed: whether the first operand lies in memory by its
    columns, along m; (products,), none where it is left out."""

    m: Floats
    n: Floats
    k: Floats
    batch: Floats
    item: int
    transposed: npt.NDArray[np.bool_] | None = None

    @cached_property
    def bytes_(self) -> Floats:
        """Each operand and the result once; (products,)."""
        m, n, k = self.m, self.n, self.k
        return self.batch * (m * k + k * n + m * n) * self.item

    @cached_property
    def halvings(self) -> Floats:
        """How often a vector has to be halved until rows are multiples of it; (products,)."""
        along_m = np.zeros_like(self.m) if self.transposed is None else np.where(self.transposed, self.m, 0)
        lengths = np.gcd.reduce([(each * self.item).astype(np.int64) for each in (along_m, self.n, self.k)])
        found: Floats = np.log2(VECTOR_BYTES / np.gcd(lengths, VECTOR_BYTES))
        return found

    @cached_property
    def _ways(self) -> tuple[Floats, Floats, Floats]:
        """Sides of the tiles and splits of each way to do it; (ways, 1) each."""
        ways = [(a, b, s) for a, b in TILES for s in SPLITS]
        a, b, s = np.array(ways, np.float64).T[:, :, None]
        return a, b, s

    @cached_property
    def _cut(self) -> tuple[Floats, Floats]:
        """Blocks, and steps of one; (ways, products)."""
        a, b, s = self._ways
        blocks = np.ceil(self.m / a) * np.ceil(self.n / b) * self.batch * s
        return blocks, np.ceil(self.k / s / STEP)

    def us(self, times: ProductTimes, machine: Machine) -> Floats:
        """Microseconds; (products,)."""
        a, b, s = self._ways
        blocks, steps = self._cut
        slower = times.unaligned**self.halvings
        bytes_us = machine.bytes_us * times.memory_share
        in_turn = np.ceil(blocks / machine.sms)
        waves = np.ceil(in_turn / np.clip(HELD / (a * b), 1, MOST_HELD))
        of_block = 2 * a * b * STEP * steps * (1 + times.half * (a + b) / (a * b)) * slower
        computing = in_turn * of_block / (machine.rate * times.share / machine.sms)
        waiting = waves * (steps * times.step_us * slower + times.ramp_us * np.sqrt(a * b) / RAMP)
        longest = np.maximum(np.maximum(computing, waiting), self.bytes_ / bytes_us)
        parts = (s + 1) * self.batch * self.m * self.n * 4 / bytes_us  # written in 32 bits, and read
        whole = longest + np.where(s > 1, times.split_us + parts, 0.0)
        allowed = (s == 1) | (self.k / s >= LEAST_K)
        best: Floats = times.floor_us + np.where(allowed, whole, np.inf).min(axis=0)
        return best
