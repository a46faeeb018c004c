"""Which kernels a step launches, how long a profile's device needs for them, and how far that may be from real ones.

In: a Shape, a profile. Out: kernels, microseconds. Must not know fits, runs or torch. The times are the emulator's own
(emulator/times).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from harness.core.emulated import TENSORS, Profile, class_of_product, other_us, product_us
from harness.kernels.shape import Shape

# The fused optimizer's blocks take so many elements and move 12 bytes for each (CHUNK in emulator/times/kernels.py); a
# launch has so many blocks at most (MultiTensorApply.cuh of ATen).
CHUNK, MOST_CHUNKS = 65536, 320
# A sum over the batch: a thread takes so many numbers, a block so many columns; seen on torch 2.14.
SUMMED, SUMMED_COLUMNS = 64, 128
# What the emulator takes a thread to move: 4 numbers of 4 bytes, read and written.
PER_THREAD = 32.0
# Modes that hold the whole step in one CUDA graph: one launch a step.
ONE_LAUNCH = ("cudagraph",)
PRODUCT, COPY = "product", "copy within the device"


@dataclass(frozen=True)
class Kernel:
    """kind: PRODUCT, whose sizes are m, n, k; or one of emulator.times.kernels, with what it moves."""

    kind: str
    m: int = 0
    n: int = 0
    k: int = 0
    transposed: bool = False
    bytes_: float = 0.0
    blocks_x: float = 0.0


def launches(shape: Shape, mode: str) -> int:
    """Launches of one step where no count was measured: kernels as PyTorch issues them one by one."""
    return 1 if mode in ONE_LAUNCH else len(kernels(shape))


def device_us(shape: Shape, profile: Profile, dtype: str = "float32", mode: str = "eager") -> float:
    """Device time of one step without collectives, microseconds: all kernels, each queued behind the one before."""
    gap = profile.graph_gap_us if mode in ONE_LAUNCH else profile.queued_gap_us
    return sum(count * (us + gap) for _, us, count in _times(shape, profile, dtype))


def model_error(shape: Shape, profile: Profile, dtype: str = "float32") -> tuple[float, float]:
    """By which factors real device time may differ from device_us, low and high: those of the step's kernels by their
    classes (profile.errors), each by its share."""
    low = high = whole = 0.0
    for name, us, count in _times(shape, profile, dtype):
        error = profile.errors.get(name)
        if error is None:
            return math.nan, math.nan
        whole += us * count
        low += us * count * error.low
        high += us * count * error.high
    return low / whole, high / whole


def _times(shape: Shape, profile: Profile, dtype: str) -> list[tuple[str, float, int]]:
    """Class of error, microseconds and number of each kernel that there is."""
    found = []
    for kernel, count in Counter(kernels(shape)).items():
        if kernel.kind == PRODUCT:
            us = float(product_us(profile, kernel.m, kernel.n, kernel.k, 1, dtype, kernel.transposed)[0])
            found.append((class_of_product(us), us, count))
        elif kernel.kind == COPY:
            us = max(kernel.bytes_ / profile.memory_gb_s / 1e3, profile.shortest_kernel_us)
            found.append(("others", us, count))
        else:
            us = float(other_us(profile, kernel.kind, kernel.bytes_, kernel.blocks_x))
            found.append(("others", us, count))
    return found


def kernels(shape: Shape) -> list[Kernel]:
    """Forward: a product a layer, an activation between two. Train: see _training."""
    forward = [_product(shape.batch, out, into) for into, out in shape.layers]
    forward += [_elementwise(shape.batch * width, shape.item) for width in shape.sizes[1:-1]]
    return forward + _training(shape) if shape.workload == "train" else forward


def _product(m: int, n: int, k: int, transposed: bool = False) -> Kernel:
    return Kernel(PRODUCT, m, n, k, transposed)


def _elementwise(elements: int, item: int, kind: str = "elementwise") -> Kernel:
    return Kernel(kind, bytes_=float(elements * item * TENSORS.get(kind, 2)))


def _training(shape: Shape) -> list[Kernel]:
    """Loss, backward, DistributedDataParallel's copies into and out of its buckets, and the update, as PyTorch 2.14
    launches them in an eager step on one device."""
    batch, item, classes = shape.batch, shape.item, shape.sizes[-1]
    softmax, one_block = (
        Kernel("softmax", bytes_=_softmax_threads(batch, classes) * PER_THREAD),
        Kernel("softmax"),
    )
    found = [softmax, one_block, _elementwise(1, item, "fill"), _elementwise(batch * classes, item, "fill")]
    found += [one_block, softmax]
    chunks = 0
    for index, (into, out) in enumerate(shape.layers):
        found.append(_product(out, into, batch, transposed=True))
        summed = Kernel(
            "column_sum", bytes_=batch * out / SUMMED * PER_THREAD, blocks_x=math.ceil(out / SUMMED_COLUMNS)
        )
        found.append(summed)
        for parameters in (out, into * out):
            found.append(_elementwise(parameters, item))  # into the bucket, over the number of ranks
            found.append(Kernel(COPY, bytes_=2.0 * parameters * item))  # and out of it
            chunks += math.ceil(parameters / CHUNK)
        if index:
            found += [_product(batch, into, out), _elementwise(batch * into, item, "binary")]
    for first in range(0, chunks, MOST_CHUNKS):
        found.append(Kernel("optimizer", bytes_=min(chunks - first, MOST_CHUNKS) * CHUNK * 12.0))
    return found


def _softmax_threads(rows: int, classes: int) -> int:
    """A warp takes two rows of up to 128 numbers, or one of up to 1,024; above, a block of 1,024 threads takes one
    (PersistentSoftmax.cuh and SoftMax.cu of ATen)."""
    if classes > 1024:
        return rows * 1024
    return math.ceil(rows / (8 if classes <= 128 else 4)) * 128
