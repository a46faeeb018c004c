"""Chainer: imperative, the first of them ("define by run").

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, numpy and
Chainer. Loaded by driver.py, by path.
"""

import importlib
import os
import warnings
from typing import Any, Callable, Dict, List, Tuple

from harness.environments.driving.driver import (
    LEARNING_RATE,
    Nowhere,
    Numbers,
    Outcome,
    Saved,
    Step,
    Task,
    Unsupported,
    apart,
    nothing,
    sampled,
)


class _Configured:
    """A context with some of Chainer's settings."""

    def __init__(self, chainer: Any, **settings: bool) -> None:
        self.contexts = [chainer.using_config(name, value) for name, value in sorted(settings.items())]

    def __enter__(self) -> "_Configured":
        for each in self.contexts:
            each.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        for each in reversed(self.contexts):
            each.__exit__(None, None, None)


class Framework:
    """Chains of links, on arrays of numpy, without iDeep."""

    def __init__(self, threads: int) -> None:
        # numpy's, which multiplies its matrices.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        self.threads = threads
        warnings.simplefilter("ignore")  # newer versions of Python and numpy than it knows
        self.numpy = importlib.import_module("numpy")  # type: Any
        self.chainer = chainer = importlib.import_module("chainer")  # type: Any
        self.functions = importlib.import_module("chainer.functions")  # type: Any
        self.links = importlib.import_module("chainer.links")  # type: Any
        chainer.global_config.use_ideep = "never"

    def facts(self) -> Dict[str, str]:
        found = {
            "framework": "chainer %s" % self.chainer.__version__,
            "threads": str(self.threads),
            "numpy": str(self.numpy.__version__),
            "ideep": "no",
        }
        blas = getattr(self.numpy.__config__, "blas_opt_info", None) or getattr(
            self.numpy.__config__, "openblas64__info", {}
        )
        if blas.get("libraries"):
            found["blas"] = "numpy's %s" % blas["libraries"][0]
        return found

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] != "eager":
            raise Unsupported("chainer has no mode %s: it has eager" % task["mode"])
        if task["device"] != "cpu" or task["dtype"] not in ("float32", "float64"):
            raise Unsupported("chainer is driven on the CPU in float32 and float64 alone")
        flat = self.numpy.frombuffer(numbers, dtype=numbers.typecode)
        layers, inputs, labels = apart(flat.astype(task["dtype"]), task["sizes"], task["batch"])
        model = self.model(layers)
        if task["workload"] == "train":
            return self.training(model, inputs.copy(), labels.astype("int32"))
        return self.forward(model, inputs.copy(), task["autograd"])

    def model(self, layers: List[Tuple[Any, Any]]) -> Any:
        model = self.chainer.Sequential()
        for place, (weight, bias) in enumerate(layers):
            if place:
                model.append(self.functions.relu)
            fan_out, fan_in = weight.shape
            layer = self.links.Linear(fan_in, fan_out)
            layer.W.array, layer.b.array = weight.copy(), bias.copy()
            model.append(layer)
        return model

    def forward(self, model: Any, inputs: Any, autograd: str) -> Step:
        chainer = self.chainer

        def call() -> Any:
            return model(inputs)

        def outcome() -> Outcome:
            output = call()
            if (output.creator is not None) != (autograd == "grad"):
                raise ValueError("autograd=%s, and it recorded otherwise" % autograd)
            return [sampled(output.array)]

        def context() -> Any:
            """Evaluation; and as the manual has it for inference, nothing recorded."""
            return _Configured(chainer, enable_backprop=autograd == "grad", train=False)

        return Step(call, nothing, context, outcome, self.saved(model, inputs), "save_npz: the weights alone")

    def training(self, model: Any, inputs: Any, labels: Any) -> Step:
        optimizer = self.chainer.optimizers.SGD(lr=LEARNING_RATE).setup(model)
        loss_of = self.functions.softmax_cross_entropy

        def call() -> Any:
            loss = loss_of(model(inputs), labels)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        def outcome() -> Outcome:
            loss = call()
            layers = [layer for layer in model if hasattr(layer, "W")]
            gradients = [each.grad for layer in layers for each in (layer.W, layer.b)]
            return [sampled(each) for each in [loss.array, *gradients]]

        return Step(call, nothing, Nowhere, outcome)

    def saved(self, model: Any, inputs: Any) -> Saved:
        chainer = self.chainer

        def kept(folder: str) -> Callable[[], Outcome]:
            path = os.path.join(folder, "model.npz")
            chainer.serializers.save_npz(path, model)
            # What is loaded into is made by the program, as with every format of weights alone.
            layers = [layer for layer in model if hasattr(layer, "W")]
            empty = [tuple(map(self.numpy.zeros_like, (layer.W.array, layer.b.array))) for layer in layers]

            def loaded() -> Outcome:
                again = self.model(empty)
                chainer.serializers.load_npz(path, again)
                with chainer.no_backprop_mode(), chainer.using_config("train", False):
                    return [sampled(again(inputs).array)]

            return loaded

        return kept
