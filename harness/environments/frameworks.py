"""The frameworks that chose imperative, symbolic or hybrid: their modes, the call that each is, and its style.

In: nothing. Out: a table. Must not know torch, nor any other framework: driving/ has what each of them does.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.schema import HYBRID, IMPERATIVE, REFERENCE_MODE, STYLE_OF_TORCH, SYMBOLIC, TORCH
from harness.environments.driven import MODES

# What stands on the axis `mode` for all modes that an environment's framework has.
ALL = "all"


@dataclass(frozen=True)
class Way:
    """A mode of a framework. call: what is timed, as its users write it. trains: whether a training step can be made
    so. needs_python: whether the interpreter issues each operation of a step."""

    mode: str
    style: str
    call: str
    trains: bool = True
    needs_python: bool = False


@dataclass(frozen=True)
class Framework:
    """name: as an environment names it, which is that of its module. title: as it calls itself."""

    name: str
    title: str
    ways: tuple[Way, ...]

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(way.mode for way in self.ways)

    def way(self, mode: str) -> Way | None:
        return next((way for way in self.ways if way.mode == mode), None)


def _imperative(call: str, *, trains: bool = True) -> Way:
    return Way(REFERENCE_MODE, IMPERATIVE, call, trains, needs_python=True)


# Of torch those modes that a driver has.
_OF_TORCH = {
    "eager": "model(x)",
    "symbolic": "the graph of torch.fx, called as one Python function of its parameters",
    "script": "torch.jit.script(model)(x)",
    "trace": "torch.jit.trace(model, x)(x)",
    "frozen": "torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(model)))(x)",
    "compile": "torch.compile(model, fullgraph=True, dynamic=False)(x)",
}
_IN_PYTHON = ("eager", "symbolic", "compile")

_KNOWN = (
    Framework(
        TORCH,
        "PyTorch",
        tuple(
            Way(mode, STYLE_OF_TORCH[mode], _OF_TORCH[mode], mode != "frozen", mode in _IN_PYTHON)
            for mode in MODES
        ),
    ),
    Framework(
        "tensorflow",
        "TensorFlow",
        (
            _imperative("module(x), a tf.Module of tf.linalg.matmul, + and tf.nn.relu"),
            Way("function", HYBRID, "tf.function(module)(x)"),
            Way("xla", HYBRID, "tf.function(module, jit_compile=True)(x)"),
        ),
    ),
    Framework(
        "keras",
        "Keras",
        (
            _imperative("model(x), a keras.Sequential of Dense layers"),
            Way("function", HYBRID, "tf.function(model)(x)"),
            Way("xla", HYBRID, "tf.function(model, jit_compile=True)(x)"),
            Way("predict", HYBRID, "model.predict_on_batch(x)", trains=False),
        ),
    ),
    Framework(
        "jax",
        "JAX",
        (
            _imperative("forward(parameters, x), operation by operation"),
            Way("jit", HYBRID, "jax.jit(forward)(parameters, x)"),
            Way("aot", HYBRID, "jax.jit(forward).lower(parameters, x).compile()(parameters, x)"),
        ),
    ),
    Framework(
        "pytensor",
        "PyTensor",
        (
            Way("graph_c", SYMBOLIC, "pytensor.function([x], y, mode of the C linker)(x)"),
            Way("graph_numba", SYMBOLIC, "pytensor.function([x], y, mode='NUMBA')(x)"),
            Way("graph_jax", SYMBOLIC, "pytensor.function([x], y, mode='JAX')(x)"),
        ),
    ),
    Framework(
        "mxnet",
        "MXNet Gluon",
        (
            _imperative("net(x), a gluon.nn.HybridSequential that is not hybridized"),
            Way("hybridize", HYBRID, "net.hybridize(); net(x)"),
            Way("hybridize_static", HYBRID, "net.hybridize(static_alloc=True, static_shape=True); net(x)"),
        ),
    ),
    Framework("chainer", "Chainer", (_imperative("chain(x), a chainer.Sequential of links.Linear"),)),
    Framework(
        "cntk", "CNTK", (Way("graph", SYMBOLIC, "z.eval({x: value}) of a graph of its own operators"),)
    ),
    # By which all of this is tested where there is no other.
    Framework("plain", "Python's own numbers", (_imperative("loops over lists", trains=False),)),
)
FRAMEWORKS: dict[str, Framework] = {framework.name: framework for framework in _KNOWN}


def framework_of(name: str) -> Framework:
    """One that no driver knows has its imperative way: the driver says then what is wrong with it."""
    return FRAMEWORKS.get(name) or Framework(name, name, (_imperative(""),))


def modes_of_others() -> tuple[str, ...]:
    """All that some framework has and torch has not, in the order of the table."""
    named = (mode for framework in _KNOWN for mode in framework.modes)
    return tuple(dict.fromkeys(mode for mode in named if mode not in STYLE_OF_TORCH))
