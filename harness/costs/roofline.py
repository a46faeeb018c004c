"""What a step is made of, and how long a device and its links need for it by a profile.

In: a model's layer widths, a batch, a profile of conf/emulator/. Out: operations, bytes, microseconds.
Must not know fits, runs or torch. The times are those of emulator/src (kernels.cpp, nccl_collective.cpp): one roofline.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.core.emulated import Profile

Floats = npt.NDArray[np.float64]

ITEM_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

# PyTorch's element-wise kernels: a thread takes 8 elements, and the emulator counts 32 bytes a thread, whatever
# the number format (BYTES_PER_THREAD in emulator/src/kernels.cpp); seen on torch 2.14.
ELEMENTWISE_BYTES = 4.0
# A sum over the batch: a thread takes 64 elements.
REDUCTION_BYTES = 0.5
# The fused optimizer's blocks take so many elements and move 12 bytes for each (BYTES_PER_CHUNK there).
CHUNK = 65536
# Backward is two matrix products for each one of forward: by input and by weight.
TRAIN_PRODUCTS = 3
# DistributedDataParallel sends gradients in buckets: the first of 1 MiB, the others of 25
# (torch.nn.parallel.DistributedDataParallel, bucket_cap_mb; dist._DEFAULT_FIRST_BUCKET_BYTES).
FIRST_BUCKET, BUCKET = 2**20, 25 * 2**20
# Share of a training step's device time that is backward, behind which buckets can be sent: two of three products.
BACKWARD = 2 / 3

# What two nodes have between them, GB/s a node: AWS instances of these devices (Amazon EC2 Accelerated Computing
# Instances, aws.amazon.com/ec2/instance-types): p3dn 100 Gbit/s, p4d 400, p5 and p5en 3,200.
NETWORK_GB_S = {"V100": 12.5, "A100": 50.0, "H100": 400.0, "H200": 400.0}
DEFAULT_NETWORK_GB_S = 12.5
# assumed: one hop between nodes; NCCL's own model takes 14 us for a ring's hop (src/graph/tuning.cc).
NETWORK_LATENCY_US = 14.0

# Modes that hold the whole step in one CUDA graph: one launch a step.
ONE_LAUNCH = ("cudagraph",)


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


def launches(shape: Shape, mode: str) -> int:
    """Launches of one step where no count was measured: kernels as PyTorch issues them one by one."""
    if mode in ONE_LAUNCH:
        return 1
    return len(_kernels(shape))


def device_us(shape: Shape, profile: Profile, dtype: str = "float32") -> float:
    """Device time of one step without collectives, microseconds."""
    return float(sum(_kernel_us(kernel, profile, dtype) for kernel in _kernels(shape)))


@dataclass(frozen=True)
class _Kernel:
    """flops: operations of a matrix product; bytes_: read and written."""

    flops: float
    bytes_: float


def _kernel_us(kernel: _Kernel, profile: Profile, dtype: str) -> float:
    rate = profile.flop_s[dtype] * profile.gemm_efficiency
    memory = kernel.bytes_ / profile.memory_gb_s / 1e3
    return max(kernel.flops / rate * 1e6, memory, profile.shortest_kernel_us)


def _product(m: int, n: int, k: int, item: int) -> _Kernel:
    return _Kernel(2.0 * m * n * k, (m * k + k * n + m * n) * float(item))


def _kernels(shape: Shape) -> list[_Kernel]:
    """Forward: a product a layer, an activation between two. Train: see _training."""
    batch, item = shape.batch, shape.item
    forward = [_product(batch, out, into, item) for into, out in shape.layers]
    forward += [_Kernel(0.0, batch * width * ELEMENTWISE_BYTES) for width in shape.sizes[1:-1]]
    return forward + _training(shape) if shape.workload == "train" else forward


def _training(shape: Shape) -> list[_Kernel]:
    """Loss, backward, DistributedDataParallel's copies into and out of its buckets, and the fused update.

    Kernels and bytes as the emulator's trace of an eager step shows them (docs/cost-model.md).
    """
    batch, item, classes = shape.batch, shape.item, shape.batch * shape.sizes[-1]
    short = _Kernel(0.0, 0.0)
    kernels = [_Kernel(0.0, classes * each) for each in (ELEMENTWISE_BYTES, 1.0, 1.0)] + [short] * 3
    chunks = 0
    for index, (into, out) in enumerate(shape.layers):
        weights = into * out
        kernels.append(_product(out, into, batch, item))
        kernels.append(_Kernel(0.0, batch * out * REDUCTION_BYTES))
        kernels += [short, _Kernel(0.0, weights * ELEMENTWISE_BYTES)]
        kernels += [short, _Kernel(0.0, 2.0 * weights * item)]
        if index:
            kernels.append(_product(batch, into, out, item))
            kernels.append(_Kernel(0.0, batch * into * ELEMENTWISE_BYTES))
        chunks += math.ceil(weights / CHUNK) + math.ceil(out / CHUNK)
    return [*kernels, _Kernel(0.0, chunks * CHUNK * 12.0)]


@dataclass(frozen=True)
class Links:
    """What devices exchange gradients over; network_gb_s: bytes between two nodes, for a node as a whole."""

    link_gb_s: float
    link_latency_us: float
    per_node: int
    network_gb_s: float = DEFAULT_NETWORK_GB_S
    network_latency_us: float = NETWORK_LATENCY_US

    def nodes(self, devices: int) -> int:
        return math.ceil(devices / self.per_node)

    def allreduce_us(self, bytes_: float, devices: int) -> float:
        """A ring over all devices: each sends 2 (n - 1) / n of the bytes over the slowest link
        (nccl-tests, PERFORMANCE.md); between nodes the latency of a tree up and down comes on top."""
        if devices <= 1:
            return 0.0
        nodes = self.nodes(devices)
        rate = self.link_gb_s if nodes == 1 else min(self.link_gb_s, self.network_gb_s)
        hops = 2 * math.ceil(math.log2(nodes)) * self.network_latency_us if nodes > 1 else 0.0
        return self.link_latency_us + hops + 2 * (devices - 1) / devices * bytes_ / (rate * 1e3)

    def exchange_us(self, bytes_: float, devices: int) -> tuple[float, float]:
        """All-reduce of all buckets of a step, and of the last one, behind which nothing is left to do."""
        if devices <= 1:
            return 0.0, 0.0
        first = min(bytes_, FIRST_BUCKET)
        whole, last = divmod(bytes_ - first, BUCKET)
        sizes = [first, *[float(BUCKET)] * int(whole), *([last] if last else [])]
        times = [self.allreduce_us(size, devices) for size in sizes]
        return sum(times), times[-1]


def links_of(profile: Profile, network_gb_s: float | None = None, per_node: int | None = None) -> Links:
    known = next((rate for name, rate in NETWORK_GB_S.items() if name in profile.name), DEFAULT_NETWORK_GB_S)
    size = per_node or profile.devices
    return Links(profile.link_gb_s, profile.link_latency_us, size, network_gb_s or known)


def exposed_us(all_us: float, last_us: float, device_us: float) -> float:
    """The part of the all-reduce that backward does not hide: at least the last bucket."""
    return max(all_us - BACKWARD * device_us, last_us)
