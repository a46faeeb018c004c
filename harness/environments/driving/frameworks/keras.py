"""Keras 3 on TensorFlow: a Sequential model called as it is, as a graph, compiled by XLA, and by predict_on_batch.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, keras,
tensorflow and numpy. Loaded by driver.py, by path.
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
    framework_of,
    nothing,
    sampled,
)

MODES = ("eager", "function", "xla", "predict")


class Framework:
    """keras over a tensorflow that is set up as tensorflow.py does it."""

    def __init__(self, threads: int) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        self.beneath = framework_of("tensorflow")(threads)
        self.keras = importlib.import_module("keras")  # type: Any

    def facts(self) -> Dict[str, str]:
        found = dict(self.beneath.facts())  # type: Dict[str, str]
        found["backend"] = found["framework"]
        found["framework"] = "keras %s" % self.keras.__version__
        return found

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        mode = task["mode"]
        if mode not in MODES:
            raise Unsupported("keras has no mode %s: it has %s" % (mode, ", ".join(MODES)))
        self.beneath.check(task, "keras")
        if mode == "predict" and task["workload"] == "train":
            raise Unsupported("predict_on_batch predicts: it trains nothing")
        layers, inputs, labels = self.beneath.tensors(task, numbers)
        model = self.sequential(layers, task["dtype"])
        if task["workload"] == "train":
            return self.training(task, model, inputs, labels)
        program, proof = self.called(mode, model, inputs)
        return self.forward(mode, model, program, proof, inputs)

    def sequential(self, layers: List[Tuple[Any, Any]], dtype: str) -> Any:
        keras = self.keras
        stack = [keras.Input((layers[0][0].shape[0],), dtype=dtype)]
        for place, (_, bias) in enumerate(layers):
            activation = "relu" if place < len(layers) - 1 else None
            stack.append(keras.layers.Dense(len(bias), activation=activation, dtype=dtype))
        model = keras.Sequential(stack)
        model.set_weights([each for layer in layers for each in layer])
        return model

    def called(self, mode: str, model: Any, inputs: Any) -> Tuple[Any, Call]:
        """What one calls with the inputs; and what raises Unsupported, after a call, where it is something else."""
        if mode == "predict":
            return model.predict_on_batch, functools.partial(self.check_predicting, model)
        apply = functools.partial(model, training=False)
        if mode == "eager":
            return apply, nothing
        return self.beneath.built(mode, apply, inputs)  # type: ignore[no-any-return]

    def check_predicting(self, model: Any) -> None:
        if model.predict_function is None or model.run_eagerly:
            raise Unsupported("predict_on_batch runs op by op")

    def forward(self, mode: str, model: Any, program: Any, proof: Call, inputs: Any) -> Step:
        call = functools.partial(program, inputs)

        def outcome() -> Outcome:
            output = call()
            proof()
            return [self.numbers(output)]

        return Step(call, self.beneath.wait(), Nowhere, outcome, *self.saving(mode, model, inputs))

    def training(self, task: Task, model: Any, inputs: Any, labels: Any) -> Step:
        """A loop of one's own, as Keras' guide has it for TensorFlow: a tape, a loss and an optimizer of Keras."""
        tf, keras = self.beneath.tf, self.keras
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=task["dtype"])
        optimizer = keras.optimizers.SGD(LEARNING_RATE)
        optimizer.build(model.trainable_variables)

        def slopes_of(given: Any, wanted: Any) -> Tuple[Any, Any]:
            with tf.GradientTape() as tape:
                loss = loss_of(wanted, model(given, training=True))
            return loss, tape.gradient(loss, model.trainable_weights)

        def update(slopes: Any) -> None:
            optimizer.apply(slopes, model.trainable_weights)

        weights = [each.value for each in model.trainable_weights]
        return self.beneath.training(task["mode"], slopes_of, update, weights, inputs, labels)  # type: ignore[no-any-return]

    def numbers(self, output: Any) -> List[float]:
        """predict_on_batch answers an array of numpy."""
        return sampled(output.numpy() if hasattr(output, "numpy") else output)

    def saving(self, mode: str, model: Any, inputs: Any) -> Tuple[Saved, str]:
        def save(folder: str) -> Callable[[], Outcome]:
            path = os.path.join(folder, "model.keras")
            model.save(path)

            def load() -> Outcome:
                program, _ = self.called(mode, self.keras.saving.load_model(path), inputs)
                return [self.numbers(program(inputs))]

            return load

        return save, "model.save (.keras)"
