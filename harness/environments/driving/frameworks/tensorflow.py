"""TensorFlow 2 on the CPU: op by op, as a graph (tf.function), and as one that XLA compiles.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, tensorflow and
numpy. Loaded by driver.py, by path; keras.py uses it.
"""

import functools
import importlib
import os
from typing import Any, Callable, Dict, List, Tuple

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

MODES = ("eager", "function", "xla")
# Of a program and of what raises Unsupported, after a call, where it is not what it should be.
Built = Tuple[Any, Call]


class Framework:
    """tensorflow with its pools of threads set before anything is computed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        # What it says of itself when it is imported; and no looking for other devices.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self.tf = tf = importlib.import_module("tensorflow")  # type: Any
        # Within one operation (XLA's pool too), and of operations beside each other.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)

    def facts(self) -> Dict[str, str]:
        tf = self.tf
        info = tf.sysconfig.get_build_info()
        synchronous = tf.config.experimental.get_synchronous_execution()
        return {
            "framework": "tensorflow %s" % tf.__version__,
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "inter_op_threads": str(tf.config.threading.get_inter_op_parallelism_threads()),
            "git": str(tf.version.GIT_VERSION),
            "compiler": str(tf.version.COMPILER_VERSION),
            "cuda": str(info.get("cuda_version")) if info.get("is_cuda_build") else "None",
            "onednn": self.onednn(),
            "numpy": str(importlib.import_module("numpy").__version__),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "async_dispatch": "False" if synchronous else "True",
        }

    def onednn(self) -> str:
        """Whether its operations are oneDNN's: its own choice by the processor, or TF_ENABLE_ONEDNN_OPTS."""
        try:
            asked = importlib.import_module("tensorflow.python.util._pywrap_util_port")  # type: Any
            return "used" if asked.IsMklEnabled() else "not used"
        except (ImportError, AttributeError):
            return "unknown"

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] not in MODES:
            raise Unsupported("tensorflow has no mode %s: it has %s" % (task["mode"], ", ".join(MODES)))
        self.check(task, "tensorflow")
        layers, inputs, labels = self.tensors(task, numbers)
        model = self.mlp(layers, task["dtype"])
        if task["workload"] == "train":
            slopes_of = functools.partial(self.gradients, model, model.trained)
            update = functools.partial(self.assign, model.trained)
            return self.training(task["mode"], slopes_of, update, model.trained, inputs, labels)
        program, proof = self.built(task["mode"], model.__call__, inputs)
        return self.forward(program, proof, inputs, *self.saving(task["mode"], model, inputs))

    def check(self, task: Task, name: str) -> None:
        """Raises Unsupported."""
        if task["device"] != "cpu":
            raise Unsupported("%s is measured on the CPU alone" % name)
        check_no_recording(task, name)
        if task["mode"] != "eager" and self.tf.config.functions_run_eagerly():
            raise Unsupported("tf.function is switched off (tf.config.run_functions_eagerly)")

    def tensors(self, task: Task, numbers: Numbers) -> Tuple[List[Tuple[Any, Any]], Any, Any]:
        """Weights (inputs, outputs) and biases in arrays of numpy, the inputs and the labels in tensors."""
        numpy = importlib.import_module("numpy")  # type: Any
        flat = numpy.frombuffer(numbers, dtype=numbers.typecode)
        layers, given, labels = apart(flat, task["sizes"], task["batch"])
        inputs = self.tf.cast(self.tf.constant(given), task["dtype"])
        return [(weight.T, bias) for weight, bias in layers], inputs, self.tf.constant(labels.astype("int32"))

    def mlp(self, layers: List[Tuple[Any, Any]], dtype: str) -> Any:
        """A tf.Module, as TensorFlow's own introduction to modules writes one; in here, since it needs tf to be."""
        tf = self.tf

        class Mlp(tf.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layers = [
                    (tf.Variable(tf.cast(weight, dtype)), tf.Variable(tf.cast(bias, dtype)))
                    for weight, bias in layers
                ]
                # In the order of the layers: those that tf.Module finds are in the order of their names.
                self.trained = [each for layer in self.layers for each in layer]

            def __call__(self, given: Any) -> Any:
                values = given
                for weight, bias in self.layers[:-1]:
                    values = tf.nn.relu(tf.matmul(values, weight) + bias)
                weight, bias = self.layers[-1]
                return tf.matmul(values, weight) + bias

        return Mlp()

    def built(self, mode: str, function: Any, *arguments: Any) -> Built:
        """What is called instead of a function of tensors."""
        if mode == "eager":
            return function, nothing
        program = self.tf.function(function, jit_compile=True if mode == "xla" else None)

        def proof() -> None:
            if program.experimental_get_tracing_count() != 1:
                raise Unsupported("it was traced %d times" % program.experimental_get_tracing_count())
            if not program.get_concrete_function(*arguments).graph.get_operations():
                raise Unsupported("the graph that was traced has no operations")
            if mode == "xla" and "ENTRY" not in program.experimental_get_compiler_ir(*arguments)(stage="hlo"):
                raise Unsupported("XLA compiled nothing")

        return program, proof

    def forward(self, program: Any, proof: Call, inputs: Any, saved: Saved, saved_as: str) -> Step:
        call = functools.partial(program, inputs)

        def outcome() -> Outcome:
            output = call()
            proof()
            return [self.numbers(output)]

        return Step(call, self.wait(), Nowhere, outcome, saved, saved_as)

    def training(
        self, mode: str, slopes_of: Any, update: Any, variables: List[Any], inputs: Any, labels: Any
    ) -> Step:
        """slopes_of: loss and gradients of inputs and labels; update: has the variables follow them."""

        def trained(given: Any, wanted: Any) -> Any:
            loss, slopes = slopes_of(given, wanted)
            update(slopes)
            return loss

        program, proof = self.built(mode, trained, inputs, labels)
        call = functools.partial(program, inputs, labels)

        def outcome() -> Outcome:
            """The loss is the step's own. It does not answer gradients: they are taken beside it, of the same function,
            and what the step has made of the variables is held against them."""
            before = [self.tf.identity(each) for each in variables]
            beside, _ = self.built(mode, slopes_of)
            _, slopes = beside(inputs, labels)
            loss = call()
            proof()
            for old, slope, own in zip(before, slopes, variables):
                moved = self.tf.reduce_max(self.tf.abs(old - LEARNING_RATE * slope - own)).numpy()
                if not moved <= LEARNING_RATE * 1e-2 * (1 + self.tf.reduce_max(self.tf.abs(slope)).numpy()):
                    raise ValueError("a training step's parameters are not those of its gradients")
            turned = [self.tf.transpose(each) if len(each.shape) == 2 else each for each in slopes]
            return [self.numbers(each) for each in [loss, *turned]]

        return Step(call, self.wait(), Nowhere, outcome)

    def gradients(self, model: Any, variables: List[Any], inputs: Any, labels: Any) -> Tuple[Any, List[Any]]:
        """Cross entropy, the mean of the batch, and its gradient by each variable."""
        tf = self.tf
        with tf.GradientTape() as tape:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model(inputs))
            loss = tf.reduce_mean(each)
        return loss, tape.gradient(loss, variables)

    def assign(self, variables: List[Any], slopes: List[Any]) -> None:
        for own, slope in zip(variables, slopes):
            own.assign_sub(LEARNING_RATE * slope)

    def wait(self) -> Call:
        """On the CPU a call answers when it has computed, unless it was told otherwise."""
        if self.tf.config.experimental.get_synchronous_execution():
            return nothing
        return self.tf.test.experimental.sync_devices  # type: ignore[no-any-return]

    def numbers(self, tensor: Any) -> List[float]:
        return sampled(tensor.numpy())

    def saving(self, mode: str, model: Any, inputs: Any) -> Tuple[Saved, str]:
        def save(folder: str) -> Callable[[], Outcome]:
            if mode == "eager":
                raise Unsupported("op by op there is no program to save: it is the source of __call__")
            tf = self.tf
            given = tf.TensorSpec(inputs.shape, inputs.dtype)
            whole = tf.Module()
            whole.model = model
            whole.step = tf.function(model.__call__, [given], jit_compile=True if mode == "xla" else None)
            tf.saved_model.save(whole, folder)

            def load() -> Outcome:
                loaded = tf.saved_model.load(folder)  # whose variables live as long as it does
                return [self.numbers(loaded.step(inputs))]

            return load

        return save, "tf.saved_model.save"
