"""No framework: an MLP in lists of Python's own numbers, by which this benchmark is tested where there is no other."""

import random

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["eager"])
    layers = [
        ([[random.gauss(0, 0.1) for _ in range(fan_in)] for _ in range(fan_out)], [0.0] * fan_out)
        for fan_in, fan_out in zip(given.sizes, given.sizes[1:])
    ]
    inputs = [[random.gauss(0, 1) for _ in range(given.sizes[0])] for _ in range(given.batch)]

    def forward():
        outputs = []
        for values in inputs:
            for place, (weight, bias) in enumerate(layers):
                if place:
                    values = [max(value, 0.0) for value in values]
                values = [sum(map(float.__mul__, row, values)) + shift for row, shift in zip(weight, bias)]
            outputs.append(values)
        return outputs

    serve(forward)


main()
