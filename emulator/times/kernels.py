"""The time of any other kernel: what it moves over the bandwidth that its kind reaches, above a floor.

In: a kernel's name, grid and block. Out: its kind, its bytes, microseconds. Must not know tables or files.
src/kernels.cpp says the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Kind -> parts of names, as nvcc mangles them or a profiler prints them; the first that fits counts.
OTHER = "other"
KINDS = (
    (OTHER, ("AdamFunctor",)),  # of apex, which keeps four lists
    ("optimizer", ("multi_tensor_apply",)),
    ("split_sum", ("splitKreduce",)),
    ("matrix_vector", ("gemv", "dot_kernel", "reduce_1Block")),
    ("fill", ("FillFunctor",)),
    ("softmax", ("softmax", "SoftMax", "nll_loss", "cunn_")),
    ("norm", ("layer_norm", "LayerNorm", "batch_norm", "GammaBeta", "RowwiseMoments", "welford")),
    (
        "index",
        ("index_elementwise", "scatter_gather", "embedding_b", "EmbeddingBag", "indexSelect", "nan_to_num"),
    ),
    ("copy", ("CatArrayBatchedCopy", "CopyKernel")),
    ("column_sum", ("reduce_kernel<128, 4", "reduce_kernelILi128ELi4E")),
    ("reduction", ("reduce_kernel",)),
    ("binary", ("CUDAFunctor_add", "BinaryFunctor", "CUDAFunctorOnOther", "backward_kernel")),
    ("elementwise", ("vectorized_elementwise", "vectorized_templated")),
    ("strided", ("elementwise_kernel", "elementwise")),
)
ALL_KINDS = (*(kind for kind, _ in KINDS if kind != OTHER), OTHER)
# Those of TensorIterator (CUDALoops.cuh of ATen).
ELEMENTWISE = ("fill", "binary", "elementwise", "strided")

# A thread of PyTorch's element-wise kernels takes 4 elements, of those that know strides 2 (thread_work_size in
# thread_constants.h of ATen; launch_legacy_kernel<128, 2>).
ELEMENTS, STRIDED_ELEMENTS = 4, 2
STRIDED, STRIDED_MANGLED = "::elementwise_kernel<", "18elementwise_kernelI"
# A block of the optimizers' fused kernels takes a chunk of up to 65,536 elements (kChunkSize, MultiTensorApply.cuh).
CHUNK = 65536
ITEM = 4
HALVES = ("4HalfE", "8BFloat16E", "c10::Half", "c10::BFloat16", "__half", "__nv_bfloat16")
# Tensors that an element-wise kernel reads and writes, where its name is cut off before it says so and it is not two.
TENSORS = {"fill": 1, "binary": 3}
_POINTERS = re.compile(r"array(?:IPcLm|<char ?\*, )([1-9])")


@dataclass
class KernelTimes:
    """Constants of a device for one kind. share: of memory_gb_s; root_us: for the root of the blocks along x, whose
    partial results are put together."""

    floor_us: float
    share: float = 1.0
    root_us: float = 0.0


def kind_of(name: str) -> str:
    return next((kind for kind, parts in KINDS if any(part in name for part in parts)), OTHER)


def bytes_of(name: str, blocks: Floats, threads: Floats) -> Floats:
    """What its threads read and write, by what PyTorch's kernels of that kind do; threads: of a block."""
    item = ITEM / 2 if any(part in name for part in HALVES) else ITEM
    kind = kind_of(name)
    if kind == "optimizer":
        return blocks * CHUNK * item * 3
    if kind in ELEMENTWISE:
        few = STRIDED in name or STRIDED_MANGLED in name
        return blocks * threads * (STRIDED_ELEMENTS if few else ELEMENTS) * item * tensors_of(name)
    return blocks * threads * ELEMENTS * item * 2


def tensors_of(name: str) -> int:
    """Read and written by an element-wise kernel."""
    found = _POINTERS.search(name)
    return int(found[1]) if found else TENSORS.get(kind_of(name), 2)


def kernel_us(times: KernelTimes, bytes_: Floats, grid_x: Floats, bytes_us: float) -> Floats:
    """Microseconds. bytes_us: of the device's memory."""
    found: Floats = times.floor_us + bytes_ / (bytes_us * times.share) + times.root_us * np.sqrt(grid_x)
    return found
