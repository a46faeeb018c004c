"""PyTensor, the heir of Theano: symbolic. A function is compiled of a graph, by a linker: C, Numba or JAX.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules, numpy and
PyTensor. Loaded by driver.py, by path.
"""

import importlib
import os
import pickle
import sys
import sysconfig
import warnings
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

# As PyTensor calls them, and the class of the linker that such a function must have.
_MODES = {
    "graph_c": ("CVM", "VMLinker"),
    "graph_numba": ("NUMBA", "NumbaLinker"),
    "graph_jax": ("JAX", "JAXLinker"),
}
# On which JAX takes arrays of numpy as they lie (XLA's alignment of buffers on the CPU), in bytes.
_BORDER = 64
# Rewriting a graph goes down some calls for each of its layers.
_DEEPEST = 20000


class Framework:
    """Compiled functions, on arrays of numpy."""

    def __init__(self, threads: int) -> None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ[name] = str(threads)
        # Of JAX's linker: how many threads XLA's pools have, and whether one product of matrices is divided among them.
        os.environ["JAX_PLATFORMS"], os.environ["NPROC"] = "cpu", str(threads)
        if threads == 1:
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = (flags + " --xla_cpu_multi_thread_eigen=false").strip()
        self.threads = threads
        warnings.simplefilter("ignore")  # that it is linked to no BLAS: the facts say so
        sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
        self.numpy = importlib.import_module("numpy")  # type: Any
        self.pytensor = importlib.import_module("pytensor")  # type: Any
        self.tensor = importlib.import_module("pytensor.tensor")  # type: Any

    def facts(self) -> Dict[str, str]:
        config = self.pytensor.config
        found = {
            "framework": "pytensor %s" % self.pytensor.__version__,
            "threads": str(self.threads),
            "compiler": config.cxx or "none",
            "compiledir": str(config.compiledir),
            "blas": config.blas__ldflags or "none: numpy's multiplies",
            "numpy": str(self.numpy.__version__),
        }
        # Not imported, which takes seconds: by what is installed.
        versions = importlib.import_module("importlib.metadata")  # type: Any
        for name in ("numba", "jax"):
            try:
                found[name] = str(versions.version(name))
            except versions.PackageNotFoundError:
                pass
        return found

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        self.check(task)
        flat = self.numpy.frombuffer(numbers, dtype=numbers.typecode)
        layers, inputs, labels = apart(flat.astype(task["dtype"]), task["sizes"], task["batch"])
        symbol = self.tensor.matrix("x", dtype=task["dtype"])
        output, parameters = self.graph(symbol, layers)
        if task["workload"] == "train":
            return self.training(
                symbol, output, parameters, self.aligned(inputs), labels.astype("int64"), task["mode"]
            )
        return self.forward(symbol, output, self.aligned(inputs), task["mode"])

    def check(self, task: Task) -> None:
        mode = task["mode"]
        if mode not in _MODES:
            raise Unsupported("pytensor has no mode %s: it has %s" % (mode, ", ".join(_MODES)))
        if task["device"] != "cpu" or task["dtype"] not in ("float32", "float64"):
            raise Unsupported("pytensor is driven on the CPU in float32 and float64 alone")
        check_no_recording(task, "pytensor")
        if mode == "graph_c":
            if not self.pytensor.config.cxx:
                raise Unsupported("its C linker needs a C++ compiler (g++)")
            header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
            if not os.path.exists(header):
                raise Unsupported("its C linker needs Python's headers, and there is no %s" % header)
            return
        needed = mode.rpartition("_")[2]
        try:
            importlib.import_module(needed)
        except ImportError as error:
            raise Unsupported("its linker needs %s, which this environment lacks" % needed) from error

    def graph(self, symbol: Any, layers: List[Tuple[Any, Any]]) -> Tuple[Any, List[Any]]:
        """Answers its parameters too, in the order of the numbers."""
        made, parameters = symbol, []  # type: Any, List[Any]
        for place, (weight, bias) in enumerate(layers):
            if place:
                made = self.tensor.maximum(made, 0)
            own = [
                self.pytensor.shared(self.aligned(each), shape=each.shape, borrow=True)
                for each in (weight.T, bias)
            ]
            made = made @ own[0] + own[1]
            parameters += own
        return made, parameters

    def aligned(self, array: Any) -> Any:
        """A copy that begins on a border of 64 bytes. numpy's lie there by chance, in one of four cases; elsewhere JAX
        copies weights at each call, which then takes 2 to 5 times as long, and a product of matrices takes 7 %
        longer."""
        room = self.numpy.empty(array.nbytes + _BORDER, dtype="uint8")
        skipped = -room.ctypes.data % _BORDER
        copy = room[skipped : skipped + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy

    def compiled(self, mode: str, *given: Any, **options: Any) -> Any:
        """A function. Raises Unsupported where another linker, or Python, has come of it."""
        name, linker = _MODES[mode]
        function = self.pytensor.function(*given, mode=name, **options)
        made = type(function.maker.linker).__name__
        if made != linker:
            raise Unsupported("mode %s gave a function of %s" % (name, made))
        if mode == "graph_c" and type(function.vm).__name__ != "CVM":
            raise Unsupported("its nodes are called by Python: %s" % type(function.vm).__name__)
        return function

    def stepping(self, function: Any, given: Tuple[Any, ...], mode: str) -> Tuple[Call, Call]:
        """What makes a step, and what waits for it."""

        def call() -> Any:
            return function(*given)

        if mode != "graph_jax":
            return call, nothing
        # JAX answers before it has computed: the last answer is kept until it is there.
        last = [None]  # type: List[Any]
        ready = importlib.import_module("jax").block_until_ready

        def call_jax() -> Any:
            last[0] = answer = function(*given)
            return answer

        return call_jax, lambda: ready(last[0])

    def forward(self, symbol: Any, output: Any, inputs: Any, mode: str) -> Step:
        function = self.compiled(mode, [symbol], output)
        call, wait = self.stepping(function, (inputs,), mode)

        def outcome() -> Outcome:
            return [sampled(self.numpy.asarray(call()))]

        return Step(
            call,
            wait,
            Nowhere,
            outcome,
            self.saved(function, inputs),
            "pickle of the function, which is compiled again when it is loaded",
        )

    def training(
        self, symbol: Any, output: Any, parameters: List[Any], inputs: Any, labels: Any, mode: str
    ) -> Step:
        tensor, numpy = self.tensor, self.numpy
        target = tensor.lvector("t")
        logs = tensor.special.log_softmax(output, axis=-1)
        loss = -logs[tensor.arange(target.shape[0]), target].mean()
        gradients = self.pytensor.grad(loss, parameters)
        rate = numpy.asarray(LEARNING_RATE, dtype=inputs.dtype)
        updates = [(own, own - rate * each) for own, each in zip(parameters, gradients)]
        function = self.compiled(mode, [symbol, target], loss, updates=updates)
        call, wait = self.stepping(function, (inputs, labels), mode)

        def outcome() -> Outcome:
            # A step of its own answers the loss alone: the gradients are those of a function beside it.
            found = self.compiled(mode, [symbol, target], gradients)(inputs, labels)
            before = [each.get_value() for each in parameters]
            said = call()
            for own, was, each in zip(parameters, before, found):
                if not numpy.allclose(
                    own.get_value(), was - rate * numpy.asarray(each), rtol=1e-4, atol=1e-6
                ):
                    raise ValueError("a step changed the parameters otherwise than SGD does")
            turned = [numpy.asarray(each).T for each in found]
            return [sampled(numpy.asarray(said)), *map(sampled, turned)]

        return Step(call, wait, Nowhere, outcome)

    def saved(self, function: Any, inputs: Any) -> Saved:
        def kept(folder: str) -> Callable[[], Outcome]:
            path = os.path.join(folder, "function.pickle")
            with open(path, "wb") as file:
                pickle.dump(function, file, protocol=pickle.HIGHEST_PROTOCOL)

            def loaded() -> Outcome:
                with open(path, "rb") as file:
                    again = pickle.load(file)
                return [sampled(self.numpy.asarray(again(inputs)))]

            return loaded

        return kept
