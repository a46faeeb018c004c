"""PyTensor: a function compiled of a graph, by each of its linkers."""

import os
import sys

# One thread in each pool: of numpy, of Numba, and of XLA, whose only one is else not held to by OMP_NUM_THREADS.
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


def main() -> None:
    given = options(MODES)
    sys.setrecursionlimit(20000)
    drawn = np.random.default_rng(0)
    x = y = pt.matrix("x", dtype="float32")
    for place, pair in enumerate(zip(given.sizes, given.sizes[1:])):
        if place:
            y = pt.maximum(y, 0)
        weight = pytensor.shared((drawn.standard_normal(pair) * 0.1).astype("float32"), shape=pair)
        bias = pytensor.shared(np.zeros(pair[1], "float32"), shape=pair[1:])
        y = y @ weight + bias
    function = pytensor.function([x], y, mode=MODES[given.mode])
    values = drawn.standard_normal((given.batch, given.sizes[0])).astype("float32")
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
