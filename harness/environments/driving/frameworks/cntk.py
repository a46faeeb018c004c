"""CNTK: symbolic. A graph of nodes is written in Python, and evaluated by the library as a whole.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, numpy and
CNTK. Loaded by driver.py, by path; its wheels are for Python 3.6 at most.
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
    check_no_recording,
    nothing,
    sampled,
)


class Framework:
    """Graphs of CNTK's V2 API, on the CPU."""

    def __init__(self, threads: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        warnings.simplefilter("ignore")  # a system that it does not know
        self.numpy = importlib.import_module("numpy")  # type: Any
        self.cntk = cntk = importlib.import_module("cntk")  # type: Any
        cntk.device.try_set_default_device(cntk.device.cpu())
        # Of its own kernels; its matrices are multiplied by MKL, which the variables tell.
        cntk.cntk_py.set_max_num_cputhreads(threads)

    def facts(self) -> Dict[str, str]:
        cntk = self.cntk
        return {
            "framework": "cntk %s" % cntk.__version__.strip(),
            "threads": str(cntk.cntk_py.get_max_num_cputhreads()),
            "device": str(cntk.device.use_default_device()),
            "blas": "MKL (mklml)",
            "numpy": str(self.numpy.__version__),
        }

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] != "graph":
            raise Unsupported("cntk has no mode %s: it has graph" % task["mode"])
        if task["device"] != "cpu" or task["dtype"] not in ("float32", "float64"):
            raise Unsupported("cntk is driven on the CPU in float32 and float64 alone")
        check_no_recording(task, "cntk")
        dtype = getattr(self.numpy, task["dtype"])
        flat = self.numpy.frombuffer(numbers, dtype=numbers.typecode).astype(dtype)
        layers, inputs, labels = apart(flat, task["sizes"], task["batch"])
        with self.cntk.default_options(dtype=dtype):
            variable = self.cntk.input_variable(task["sizes"][0], dtype=dtype)
            model, parameters = self.model(variable, layers)
            if task["workload"] == "train":
                return self.training(model, parameters, variable, inputs, labels, task["sizes"][-1], dtype)
        return self.forward(model, variable, inputs)

    def model(self, variable: Any, layers: List[Tuple[Any, Any]]) -> Tuple[Any, List[Any]]:
        """Answers its parameters too, in the order of the numbers."""
        cntk, made, parameters = self.cntk, variable, []  # type: Any, Any, List[Any]
        for place, (weight, bias) in enumerate(layers):
            if place:
                made = cntk.relu(made)
            given = [self.numpy.ascontiguousarray(each) for each in (weight.T, bias)]
            own = [cntk.parameter(init=each) for each in given]
            made = cntk.times(made, own[0]) + own[1]
            parameters += own
        return made, parameters

    def forward(self, model: Any, variable: Any, inputs: Any) -> Step:
        # Its own array, made once; and its own array comes out, which is not copied into one of numpy.
        given = {variable: self.cntk.Value(batch=self.numpy.ascontiguousarray(inputs))}
        evaluate = model.eval

        def call() -> Any:
            return evaluate(given, as_numpy=False)

        def outcome() -> Outcome:
            return [sampled(call().asarray())]

        return Step(
            call, nothing, Nowhere, outcome, self.saved(model, inputs), "Function.save: CNTK's v2 format"
        )

    def training(
        self,
        model: Any,
        parameters: List[Any],
        variable: Any,
        inputs: Any,
        labels: Any,
        classes: int,
        dtype: Any,
    ) -> Step:
        cntk, numpy, batch = self.cntk, self.numpy, len(inputs)
        hot = numpy.eye(classes, dtype=dtype)[labels.astype(int)]
        target = cntk.input_variable(classes, dtype=dtype)
        loss = cntk.cross_entropy_with_softmax(model, target)
        # Gradients are summed over the samples: a rate for each of them makes it the rate of their mean.
        schedule = cntk.learning_parameter_schedule_per_sample(LEARNING_RATE / batch)
        trainer = cntk.Trainer(model, (loss,), [cntk.sgd(list(model.parameters), schedule)])
        given = {variable: numpy.ascontiguousarray(inputs), target: hot}
        held = {name: cntk.Value(batch=each) for name, each in given.items()}
        step = trainer.train_minibatch

        def call() -> Any:
            return step(held)

        def outcome() -> Outcome:
            found, before = loss.grad(given, wrt=parameters), [each.value.copy() for each in parameters]
            call()
            for own, was in zip(parameters, before):
                if not numpy.allclose(
                    own.value, was - LEARNING_RATE / batch * found[own], rtol=1e-4, atol=1e-6
                ):
                    raise ValueError("a step of its trainer changed the parameters otherwise than SGD does")
            gradients = [found[own] / batch for own in parameters]
            turned = [each.T if each.ndim == 2 else each for each in gradients]
            return [[float(trainer.previous_minibatch_loss_average)], *map(sampled, turned)]

        return Step(call, nothing, Nowhere, outcome)

    def saved(self, model: Any, inputs: Any) -> Saved:
        cntk = self.cntk

        def kept(folder: str) -> Callable[[], Outcome]:
            path = os.path.join(folder, "model.cntk")
            model.save(path)

            def loaded() -> Outcome:
                again = cntk.Function.load(path)
                return [sampled(again.eval({again.arguments[0]: inputs}))]

            return loaded

        return kept
