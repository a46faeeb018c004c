"""No framework: an MLP in lists of Python's own numbers, by which the driver is tested where there is no other.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules. Loaded by
driver.py, by path.
"""

import itertools
from typing import Any, Dict, List

from harness.environments.driving.driver import (
    Nowhere,
    Numbers,
    Outcome,
    Step,
    Task,
    Unsupported,
    evenly,
    nothing,
)


class Framework:
    """Lists of numbers."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def facts(self) -> Dict[str, str]:
        return {"framework": "plain"}

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] != "eager" or task["workload"] != "forward":
            raise Unsupported("plain numbers have no mode %s for %s" % (task["mode"], task["workload"]))
        sizes, batch = task["sizes"], task["batch"]
        layers: List[Any] = []
        numbers = iter(numbers)
        for fan_in, fan_out in zip(sizes, sizes[1:]):
            weight = [list(itertools.islice(numbers, fan_in)) for _ in range(fan_out)]
            layers.append((weight, list(itertools.islice(numbers, fan_out))))
        inputs = [list(itertools.islice(numbers, sizes[0])) for _ in range(batch)]

        def call() -> Any:
            outputs = []
            for values in inputs:
                for place, (weight, bias) in enumerate(layers):
                    if place:
                        values = [max(value, 0.0) for value in values]
                    values = [
                        sum(map(float.__mul__, row, values)) + shift for row, shift in zip(weight, bias)
                    ]
                outputs.append(values)
            return outputs

        def outcome() -> Outcome:
            flat = [value for values in call() for value in values]
            return [flat[:: evenly(len(flat))]]

        return Step(call, nothing, Nowhere, outcome)
