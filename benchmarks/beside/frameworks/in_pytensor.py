"""PyTensor: a function compiled of a graph, by each of its linkers."""

import os
import sys

# One thread in each pool: of numpy, of Numba, and of XLA, which OMP_NUM_THREADS says nothing to.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks.beside.frameworks.asked import options, serve

MODES = {"graph_c": "CVM", "graph_numba": "NUMBA", "graph_jax": "JAX"}


def aligned(array):
    """On a border of 64 bytes, where numpy's arrays lie by chance: elsewhere JAX copies weights at each call."""
    room = np.empty(array.nbytes + 64, "uint8")
    skipped = -room.ctypes.data % 64
    copy = room[skipped : skipped + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def main() -> None:
    given = options(MODES)
    sys.setrecursionlimit(20000)
    drawn = np.random.default_rng(0)
    x = y = pt.matrix("x", dtype="float32")
    for place, pair in enumerate(zip(given.sizes, given.sizes[1:])):
        if place:
            y = pt.maximum(y, 0)
        weight = aligned((drawn.standard_normal(pair) * 0.1).astype("float32"))
        weight = pytensor.shared(weight, shape=pair, borrow=True)
        bias = pytensor.shared(aligned(np.zeros(pair[1], "float32")), shape=pair[1:], borrow=True)
        y = y @ weight + bias
    function = pytensor.function([x], y, mode=MODES[given.mode])
    values = aligned(drawn.standard_normal((given.batch, given.sizes[0])).astype("float32"))
    if given.mode != "graph_jax":
        serve(lambda: function(values))
        return
    import jax

    last = None

    def step() -> None:
        nonlocal last
        last = function(values)

    serve(step, lambda: jax.block_until_ready(last))  # JAX answers before it has computed


main()
