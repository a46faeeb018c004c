"""JAX on the CPU: a function of parameters and inputs, operation by operation, jitted, and compiled ahead of time."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import jax

from benchmarks.beside.frameworks.asked import options, serve


def forward(parameters, x):
    for weight, bias in parameters[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


def main() -> None:
    given = options(["eager", "jit", "aot"])
    key = jax.random.key(0)
    parameters = [
        (jax.random.normal(key, pair) * 0.1, jax.random.normal(key, pair[1:]) * 0.1)
        for pair in zip(given.sizes, given.sizes[1:])
    ]
    x = jax.random.normal(key, (given.batch, given.sizes[0]))
    call = forward
    if given.mode == "jit":
        call = jax.jit(forward)
    elif given.mode == "aot":
        call = jax.jit(forward).lower(parameters, x).compile()
    y = None

    def step() -> None:
        nonlocal y
        y = call(parameters, x)

    serve(step, lambda: y.block_until_ready())


main()
