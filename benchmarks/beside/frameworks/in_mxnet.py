"""MXNet's Gluon: a HybridSequential, imperative, hybridized, and hybridized with static memory."""

import os

os.environ["MXNET_CPU_WORKER_NTHREADS"] = "1"

import mxnet as mx

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["eager", "hybridize", "hybridize_static"])
    net = mx.gluon.nn.HybridSequential()
    for size in given.sizes[1:-1]:
        net.add(mx.gluon.nn.Dense(size, activation="relu"))
    net.add(mx.gluon.nn.Dense(given.sizes[-1]))
    net.initialize()
    if given.mode == "hybridize":
        net.hybridize()
    elif given.mode == "hybridize_static":
        net.hybridize(static_alloc=True, static_shape=True)
    x = mx.nd.random.normal(shape=(given.batch, given.sizes[0]))
    serve(lambda: net(x), mx.nd.waitall)


main()
