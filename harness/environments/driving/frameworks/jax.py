"""JAX on the CPU: op by op, compiled when first called (jit), and compiled ahead of the first call (aot).

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, jax and numpy.
Loaded by driver.py, by path.
"""

import functools
import importlib
import os
import pickle
from typing import Any, Callable, List, Tuple

from harness.environments.driving.driver import (
    LEARNING_RATE,
    Call,
    Nowhere,
    Numbers,
    Outcome,
    Saved,
    Step,
    Task,
    Unsupported,
    apart,
    check_no_recording,
    nothing,
    sampled,
)

MODES = ("eager", "jit", "aot")


class Framework:
    """jax with its pools of threads set before it is imported: it reads them once."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        # On the CPU alone, whatever else there is: no time is lost on looking for other devices.
        os.environ["JAX_PLATFORMS"] = "cpu"
        # How many threads XLA's pools have; and whether one product of matrices is divided among them.
        os.environ["NPROC"] = str(threads)
        if threads == 1:
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = (flags + " --xla_cpu_multi_thread_eigen=false").strip()
        self.numpy = importlib.import_module("numpy")  # type: Any
        self.jax = importlib.import_module("jax")  # type: Any
        self.jnp = self.jax.numpy

    def facts(self) -> "dict[str, str]":
        return {
            "framework": "jax %s" % self.jax.__version__,
            "threads": str(self.threads),
            "jaxlib": str(importlib.import_module("jaxlib").__version__),
            "numpy": str(self.numpy.__version__),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "nproc": os.environ["NPROC"],
            "platform": str(self.jax.default_backend()),
            # A call answers before it has computed, on one further thread.
            "async_dispatch": str(self.jax.config.values.get("jax_cpu_enable_async_dispatch", "")),
        }

    def wide(self) -> Any:
        """A context of 8-byte numbers; in jax since 0.8, before that experimental."""
        if hasattr(self.jax, "enable_x64"):
            return self.jax.enable_x64(True)
        return importlib.import_module("jax.experimental").enable_x64()

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] not in MODES:
            raise Unsupported("jax has no mode %s: it has %s" % (task["mode"], ", ".join(MODES)))
        if task["device"] != "cpu":
            raise Unsupported("jax is measured on the CPU alone")
        check_no_recording(task, "jax")
        if task["mode"] != "eager" and self.jax.config.jax_disable_jit:
            raise Unsupported("jit is switched off (JAX_DISABLE_JIT?)")
        # Without it, 8-byte numbers become ones of 4 bytes.
        context = self.wide if task["dtype"] == "float64" else Nowhere  # type: Any
        with context():
            flat = self.numpy.frombuffer(numbers, dtype=numbers.typecode)
            layers, given, labels = apart(flat, task["sizes"], task["batch"])
            kind = self.jnp.dtype(task["dtype"])
            parameters = [
                (self.jnp.array(weight.T, kind), self.jnp.array(bias, kind)) for weight, bias in layers
            ]
            inputs = self.jnp.array(given, kind)
            made = _Made(self.jax, task["mode"])
            if task["workload"] == "train":
                return made.training(parameters, inputs, self.jnp.array(labels.astype("int32")), context)
            return made.forward(parameters, inputs, context)


class _Made:
    """What a mode makes of a function, and steps of that."""

    def __init__(self, jax: Any, mode: str) -> None:
        self.jax, self.mode = jax, mode

    def built(self, function: Any, *arguments: Any) -> Tuple[Any, Callable[[], None]]:
        """What is called in its place; and what raises Unsupported, after a call, where nothing was compiled."""
        if self.mode == "eager":
            return function, nothing
        jitted = self.jax.jit(function)
        if self.mode == "aot":
            compiled = jitted.lower(*arguments).compile()

            def has_program() -> None:
                if "ENTRY" not in compiled.as_text():
                    raise Unsupported("the compiled program has no text")

            return compiled, has_program

        def is_compiled() -> None:
            if jitted._cache_size() != 1:
                raise Unsupported("jit keeps %d compiled programs instead of one" % jitted._cache_size())

        return jitted, is_compiled

    def forward(self, parameters: Any, inputs: Any, context: Call) -> Step:
        program, proof = self.built(self.mlp, parameters, inputs)
        # The last output, for which a block waits: JAX answers before it has computed.
        last = None  # type: Any

        def call() -> None:
            nonlocal last
            last = program(parameters, inputs)

        def outcome() -> Outcome:
            call()
            proof()
            return [self.numbers(last)]

        def wait() -> None:
            if last is not None:
                last.block_until_ready()

        return Step(call, wait, context, outcome, *self.saving(program, parameters, inputs))

    def training(self, parameters: Any, inputs: Any, labels: Any, context: Call) -> Step:
        """A step is one function of the parameters that answers new ones and the loss, as its users write it."""
        program, proof = self.built(self.trained, parameters, inputs, labels)
        gradients_of = self.jax.value_and_grad(self.loss)
        if self.mode != "eager":
            gradients_of = self.jax.jit(gradients_of)
        state, last = parameters, None  # type: Any, Any

        def call() -> None:
            nonlocal state, last
            state, last = program(state, inputs, labels)

        def outcome() -> Outcome:
            """The loss is the step's own. It does not answer gradients: they are taken beside it, of the same function,
            and what the step has made of the parameters is held against them."""
            before = state
            _, gradients = gradients_of(before, inputs, labels)
            call()
            proof()
            self.check_update(before, gradients, state)
            flat = [self.numbers(last)]
            for weight, bias in gradients:
                flat += [self.numbers(weight.T), self.numbers(bias)]
            return flat

        def wait() -> None:
            if last is not None:
                self.jax.block_until_ready((state, last))

        return Step(call, wait, context, outcome)

    def mlp(self, parameters: Any, inputs: Any) -> Any:
        values = inputs
        for weight, bias in parameters[:-1]:
            values = self.jax.nn.relu(values @ weight + bias)
        weight, bias = parameters[-1]
        return values @ weight + bias

    def loss(self, parameters: Any, inputs: Any, labels: Any) -> Any:
        """Cross entropy, the mean of the batch."""
        logarithms = self.jax.nn.log_softmax(self.mlp(parameters, inputs))
        return -self.jax.numpy.take_along_axis(logarithms, labels[:, None], axis=1).mean()

    def trained(self, parameters: Any, inputs: Any, labels: Any) -> Tuple[Any, Any]:
        loss, gradients = self.jax.value_and_grad(self.loss)(parameters, inputs, labels)
        updated = self.jax.tree.map(lambda own, slope: own - LEARNING_RATE * slope, parameters, gradients)
        return updated, loss

    def check_update(self, before: Any, gradients: Any, after: Any) -> None:
        leaves = self.jax.tree.leaves
        for own, slope, updated in zip(leaves(before), leaves(gradients), leaves(after)):
            wanted = own - LEARNING_RATE * slope
            if not self.jax.numpy.allclose(updated, wanted, rtol=1e-2, atol=LEARNING_RATE * 1e-2):
                raise ValueError("a training step's parameters are not those of its gradients")

    def numbers(self, array: Any) -> List[float]:
        return sampled(importlib.import_module("numpy").asarray(array))

    def saving(self, program: Any, parameters: Any, inputs: Any) -> Tuple[Saved, str]:
        if self.mode == "jit":
            return functools.partial(self.exported, parameters, inputs), "jax.export (StableHLO with weights)"
        if self.mode == "aot":
            saved = functools.partial(self.executable, program, parameters, inputs)
            return saved, "jax.experimental.serialize_executable and weights as .npz"

        def none(folder: str) -> Any:
            raise Unsupported("op by op there is no program to save: it is the function's source")

        return none, ""

    def exported(self, parameters: Any, inputs: Any, folder: str) -> Callable[[], Outcome]:
        """StableHLO, with the weights in it as constants; compiled anew where it is loaded."""
        export = importlib.import_module("jax.export")  # type: Any
        whole = self.jax.jit(functools.partial(self.mlp, parameters))
        path = os.path.join(folder, "program.stablehlo")
        with open(path, "wb") as file:
            file.write(export.export(whole)(inputs).serialize())

        def load() -> Outcome:
            with open(path, "rb") as saved:
                program = export.deserialize(bytearray(saved.read()))
            return [self.numbers(program.call(inputs))]

        return load

    def executable(self, program: Any, parameters: Any, inputs: Any, folder: str) -> Callable[[], Outcome]:
        """Machine code of this kind of processor, and the weights beside it."""
        numpy = importlib.import_module("numpy")  # type: Any
        serialize = importlib.import_module("jax.experimental.serialize_executable")  # type: Any
        path, beside = os.path.join(folder, "program.pickle"), os.path.join(folder, "weights.npz")
        with open(path, "wb") as file:
            pickle.dump(serialize.serialize(program), file)
        leaves, tree = self.jax.tree.flatten(parameters)
        numpy.savez(beside, *[numpy.asarray(leaf) for leaf in leaves])

        def load() -> Outcome:
            with open(path, "rb") as saved:
                loaded = serialize.deserialize_and_load(*pickle.load(saved))
            with numpy.load(beside) as kept:
                again = [self.jax.numpy.array(kept[name]) for name in kept.files]
            return [self.numbers(loaded(self.jax.tree.unflatten(tree, again), inputs))]

        return load
