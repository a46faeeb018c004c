"""MXNet with Gluon: imperative, and hybrid once a block is hybridized.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, numpy and
MXNet. Loaded by driver.py, by path.
"""

import importlib
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

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
    sampled,
)

# What hybridize() is called with; None where it is not called.
_MODES: Dict[str, Optional[Dict[str, bool]]] = {
    "eager": None,
    "hybridize": {},
    "hybridize_static": {"static_alloc": True, "static_shape": True},
}


class Framework:
    """Gluon's blocks, on the CPU."""

    def __init__(self, threads: int) -> None:
        # OpenMP's, which its operators and oneDNN use. Its engine executes on a thread for each worker.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", "1")
        self.threads = threads
        self.numpy = importlib.import_module("numpy")  # type: Any
        self.mx = importlib.import_module("mxnet")  # type: Any

    def facts(self) -> Dict[str, str]:
        mx = self.mx
        features = mx.runtime.Features()
        has = sorted(name for name in features if features.is_enabled(name))
        return {
            "framework": "mxnet %s" % mx.__version__,
            "threads": str(self.threads),
            "engine": os.environ.get("MXNET_ENGINE_TYPE", "ThreadedEnginePerDevice"),
            "engine_threads": os.environ["MXNET_CPU_WORKER_NTHREADS"],
            "blas": "OpenBLAS" if "BLAS_OPEN" in has else "MKL" if "BLAS_MKL" in has else "",
            "onednn": "yes" if "MKLDNN" in has else "no",
            "features": " ".join(has),
            "numpy": str(self.numpy.__version__),
        }

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        mode = task["mode"]
        if mode not in _MODES:
            raise Unsupported("mxnet has no mode %s: it has %s" % (mode, ", ".join(_MODES)))
        if task["device"] != "cpu" or task["dtype"] not in ("float32", "float64"):
            raise Unsupported("mxnet is driven on the CPU in float32 and float64 alone")
        mx, dtype = self.mx, task["dtype"]
        flat = self.numpy.frombuffer(numbers, dtype=numbers.typecode)
        layers, given, classes = apart(flat, task["sizes"], task["batch"])
        model, parameters = self.model(layers, dtype)
        inputs, labels = mx.nd.array(given, dtype=dtype), mx.nd.array(classes, dtype=dtype)
        if _MODES[mode] is not None:
            model.hybridize(**(_MODES[mode] or {}))
        if task["workload"] == "train":
            return self.training(model, parameters, inputs, labels, mode)
        return self.forward(model, inputs, mode, task["autograd"])

    def model(self, layers: List[Tuple[Any, Any]], dtype: str) -> Tuple[Any, List[Any]]:
        """Answers its parameters too, in the order of the numbers."""
        mx = self.mx
        model, dense = mx.gluon.nn.HybridSequential(), []
        for place, (weight, _) in enumerate(layers):
            fan_out, fan_in = weight.shape
            last = place == len(layers) - 1
            layer = mx.gluon.nn.Dense(
                fan_out, in_units=fan_in, activation=None if last else "relu", dtype=dtype
            )
            model.add(layer)
            dense.append(layer)
        model.initialize(ctx=mx.cpu())
        parameters = []
        for layer, pair in zip(dense, layers):
            for parameter, value in zip((layer.weight, layer.bias), pair):
                parameter.set_data(mx.nd.array(value, dtype=dtype))
                parameters.append(parameter)
        return model, parameters

    def forward(self, model: Any, inputs: Any, mode: str, autograd: str) -> Step:
        mx = self.mx

        def call() -> Any:
            return model(inputs)

        def outcome() -> Outcome:
            output = call()
            self.prove(model, mode)
            return [sampled(output.asnumpy())]

        # Nothing is recorded but where that is asked for; then as in evaluation.
        context: Call = Nowhere if autograd != "grad" else lambda: mx.autograd.record(train_mode=False)
        saved, saved_as = self.saved(model, inputs, mode)
        return Step(call, mx.nd.waitall, context, outcome, saved, saved_as)

    def training(self, model: Any, parameters: List[Any], inputs: Any, labels: Any, mode: str) -> Step:
        mx, batch = self.mx, len(inputs)
        loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()
        if _MODES[mode] is not None:
            loss_of.hybridize(**(_MODES[mode] or {}))
        trainer = mx.gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": LEARNING_RATE})
        record = mx.autograd.record

        def call() -> Any:
            with record():
                loss = loss_of(model(inputs), labels)
            loss.backward()
            trainer.step(batch)
            return loss

        def outcome() -> Outcome:
            loss = call()
            self.prove(model, mode)
            # Gluon sums the gradients of the samples, and its trainer divides them by their number.
            gradients = [sampled((each.grad() / batch).asnumpy()) for each in parameters]
            return [sampled(loss.mean().asnumpy()), *gradients]

        return Step(call, mx.nd.waitall, Nowhere, outcome)

    def prove(self, model: Any, mode: str) -> None:
        """Raises Unsupported where the block runs in another way than the mode says, which Gluon does not tell."""
        wanted = _MODES[mode]
        if (getattr(model, "_cached_op", None) is not None) != (wanted is not None):
            raise Unsupported("hybridize made no graph" if wanted is not None else "the block is hybridized")
        flags = dict(getattr(model, "_flags", ()))
        if any(flags.get(name) is not value for name, value in (wanted or {}).items()):
            raise Unsupported("hybridize took no notice of %s" % ", ".join(sorted(wanted or {})))

    def saved(self, model: Any, inputs: Any, mode: str) -> Tuple[Saved, str]:
        gluon = self.mx.gluon

        def exported(folder: str) -> Callable[[], Outcome]:
            model.export(os.path.join(folder, "model"))

            def loaded() -> Outcome:
                paths = [os.path.join(folder, "model" + end) for end in ("-symbol.json", "-0000.params")]
                return [sampled(gluon.SymbolBlock.imports(paths[0], ["data"], paths[1])(inputs).asnumpy())]

            return loaded

        def kept(folder: str) -> Callable[[], Outcome]:
            path = os.path.join(folder, "model.params")
            model.save_parameters(path)

            def loaded() -> Outcome:
                again, dtype = gluon.nn.HybridSequential(), str(inputs.dtype.__name__)
                for layer in model:
                    units, fan_in = layer.weight.shape
                    activation = "relu" if layer.act is not None else None
                    again.add(gluon.nn.Dense(units, in_units=fan_in, activation=activation, dtype=dtype))
                again.load_parameters(path)
                return [sampled(again(inputs).asnumpy())]

            return loaded

        if _MODES[mode] is None:
            return kept, "save_parameters: the weights alone"
        return exported, "HybridBlock.export: a symbol in JSON, and the weights"
