"""CNTK: a graph of its operators, evaluated as a whole."""

import warnings

warnings.simplefilter("ignore")

import cntk
import numpy as np

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["graph"])
    cntk.device.try_set_default_device(cntk.device.cpu())
    cntk.cntk_py.set_max_num_cputhreads(1)
    x = y = cntk.input_variable(given.sizes[0])
    for place, (fan_in, fan_out) in enumerate(zip(given.sizes, given.sizes[1:])):
        if place:
            y = cntk.relu(y)
        y = cntk.times(y, cntk.parameter((fan_in, fan_out), init=cntk.normal(0.1))) + cntk.parameter(
            (fan_out,)
        )
    values = cntk.Value(batch=np.random.standard_normal((given.batch, given.sizes[0])).astype("float32"))
    serve(lambda: y.eval({x: values}, as_numpy=False))


main()
