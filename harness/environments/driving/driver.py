"""What runs under another Python, all by itself: prepares models, times blocks of their steps, and sleeps in between.

In: requests, a line of JSON each, on a pipe of its own. Out: an answer to each on another one. Must not know anything
of this project, nor import anything but Python's own modules and the framework: it is a file that Python 3.6 to 3.14
run.
"""

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # this file's own folder, whose names are not the framework's business

import array
import functools
import gc
import importlib
import inspect
import itertools
import json
import os
import platform
import random
import re
import resource
import time
import types
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

# Evenly spaced numbers of a tensor, as many at most, stand for it where outcomes are compared.
MOST_NUMBERS = 1024
LEARNING_RATE = 1e-4
FAILED, UNSUPPORTED, OOM = "failed", "unsupported", "oom"
_OOM_MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)
LONGEST_REASON = 300
# Python 3.6 has no monotonic_ns; a day in seconds, as a double, is exact to 0.02 ns.
_SECONDS = time.monotonic
clock = getattr(time, "monotonic_ns", lambda: int(_SECONDS() * 1e9))


Call = Callable[[], Any]
Outcome = List[List[float]]
Task = Dict[str, Any]
Numbers = Any  # an array.array, which Python 3.6 knows as no generic
# What a mode made of a model; and what says, once it was called, why it is not what it should be.
Built = Tuple[Any, Callable[[], Optional[str]]]


class Unsupported(Exception):
    """What this environment cannot do at all; the message is the reason."""


def thread_time_ns() -> int:
    return int(time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) * 1e9)


def nothing() -> None:
    pass


class Step:
    """A mode that is ready. call: makes one step; wait: returns when the device is done; context: what it is called in,
    made anew each time; outcome: makes one step, and answers lists of numbers."""

    def __init__(self, call: Call, wait: Call, context: Call, outcome: Callable[[], Outcome]) -> None:
        self.call = call
        self.wait = wait
        self.context = context
        self.outcome = outcome


class Nowhere:
    """A context that changes nothing (contextlib.nullcontext came with 3.7)."""

    def __enter__(self) -> "Nowhere":
        return self

    def __exit__(self, *_: Any) -> None:
        return None


def evenly(length: int) -> int:
    """Distance between the numbers that stand for so many."""
    return max(1, -(-length // MOST_NUMBERS))


class Plain:
    """No framework: an MLP in lists of Python's own numbers, by which this file is tested where there is no other."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def facts(self) -> Dict[str, str]:
        return {"framework": "plain"}

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        if task["mode"] != "eager" or task["workload"] != "forward":
            raise Unsupported("plain numbers have no mode %s for %s" % (task["mode"], task["workload"]))
        sizes, batch = task["sizes"], task["batch"]
        layers = []  # type: List[Any]
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


class Torch:
    """PyTorch, from versions that know neither inference mode nor a compiler to those that do."""

    def __init__(self, threads: int) -> None:
        self.torch = torch = importlib.import_module("torch")  # type: Any
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_flush_denormal(True)  # a denormal number slows a CPU kernel many times
        self.held = []  # type: List[Any]

    def facts(self) -> Dict[str, str]:
        torch = self.torch
        found = {"framework": "torch %s" % torch.__version__, "threads": str(torch.get_num_threads())}
        found["cuda"] = str(torch.version.cuda)
        found["git"] = str(getattr(torch.version, "git_version", ""))
        said = torch.__config__.show() if hasattr(torch, "__config__") else ""
        for name, pattern in (
            ("compiler", r"- (GCC [\d.]+|clang[^\n,]*)"),
            ("mkl", r"Math Kernel Library Version ([\w.-]+)"),
            ("onednn", r"MKL-DNN (v[\d.]+)"),
            ("openmp", r"OpenMP (\d+)"),
            ("instructions", r"CPU capability usage: (\w+)"),
            ("blas", r"BLAS_INFO=(\w+)"),
            ("flags", r"CXX_FLAGS=([^,\n]*)"),
        ):
            match = re.search(pattern, said)
            if match:
                found[name] = match.group(1)
        return found

    def prepared(self, task: Task, numbers: Numbers) -> Step:
        torch = self.torch
        device = torch.device(task["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            raise Unsupported("this build of torch sees no CUDA device")
        autograd = task["autograd"] if task["workload"] == "forward" else "grad"
        context = self.context(autograd)
        # In places of its own: what comes next lies elsewhere than it would have.
        self.held.append(bytearray(64 * random.randrange(1, 64)))
        self.held.append([[place] for place in range(random.randrange(500))])
        dtype = getattr(torch, task["dtype"])
        flat = self.tensor(numbers)
        with context() if autograd == "inference_model" else Nowhere():
            model, at = self.model(task["sizes"], flat, device, dtype)
            inputs, at = self.taken(flat, at, (task["batch"], task["sizes"][0]))
            inputs = inputs.to(device=device, dtype=dtype)
        labels = self.taken(flat, at, (task["batch"],))[0].long().to(device)
        del flat
        wait = torch.cuda.synchronize if device.type == "cuda" else nothing
        with context():
            if task["workload"] == "train":
                call, outcome = self.training(model, inputs, labels, task["mode"])
            else:
                call, outcome = self.forward(model.eval(), inputs, task["mode"], autograd)
        return Step(call, wait, context, outcome)

    def context(self, autograd: str) -> Call:
        torch = self.torch
        if autograd.startswith("inference"):
            if not hasattr(torch, "inference_mode"):
                raise Unsupported("torch %s has no inference_mode" % torch.__version__)
            return torch.inference_mode  # type: ignore[no-any-return]
        return {"grad": torch.enable_grad, "no_grad": torch.no_grad}[autograd]  # type: ignore[no-any-return]

    def tensor(self, numbers: Numbers) -> Any:
        torch, wide = self.torch, numbers.typecode == "d"
        if hasattr(torch, "frombuffer"):
            return torch.frombuffer(numbers, dtype=torch.float64 if wide else torch.float32)
        storage, kind = (
            (torch.DoubleStorage, torch.DoubleTensor) if wide else (torch.FloatStorage, torch.FloatTensor)
        )
        return kind(storage.from_buffer(numbers.tobytes(), byte_order="native"))

    def taken(self, flat: Any, at: int, shape: Tuple[int, ...]) -> Tuple[Any, int]:
        """The next numbers in that shape, of memory of their own, and where the rest begins."""
        count = 1
        for size in shape:
            count *= size
        return flat[at : at + count].reshape(shape).clone(), at + count

    def model(self, sizes: Sequence[int], flat: Any, device: Any, dtype: Any) -> Tuple[Any, int]:
        torch, at = self.torch, 0
        layers = []  # type: List[Any]
        for place, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
            if place:
                layers.append(torch.nn.ReLU())
            layer = torch.nn.Linear(fan_in, fan_out)
            with torch.no_grad():
                for own, shape in ((layer.weight, (fan_out, fan_in)), (layer.bias, (fan_out,))):
                    given, at = self.taken(flat, at, shape)
                    own.copy_(given)
            layers.append(layer.to(device=device, dtype=dtype))
        return torch.nn.Sequential(*layers), at

    def forward(self, model: Any, inputs: Any, mode: str, autograd: str) -> Tuple[Call, Call]:
        if mode == "frozen" and autograd == "grad":
            raise Unsupported("frozen parameters are constants: autograd has nothing to record")
        built, proof = self.built(model, inputs, mode)
        call = functools.partial(built, inputs)

        def outcome() -> Outcome:
            output = call()
            why = proof()
            if why:
                raise Unsupported(why)
            if output.requires_grad != (autograd == "grad"):
                did = "recorded" if output.requires_grad else "recorded nothing"
                raise ValueError("autograd=%s: the mode %s for a backward pass" % (autograd, did))
            return [self.numbers(output)]

        return call, outcome

    def training(self, model: Any, inputs: Any, labels: Any, mode: str) -> Tuple[Call, Call]:
        torch = self.torch
        if mode == "frozen":
            raise Unsupported("frozen parameters are constants and cannot be trained")
        built, proof = self.built(model, inputs, mode)
        parameters = list(model.parameters())
        optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE)
        loss_of = functools.partial(torch.nn.functional.cross_entropy, target=labels)
        if "set_to_none" in inspect.signature(optimizer.zero_grad).parameters:
            clear = functools.partial(optimizer.zero_grad, set_to_none=True)  # type: Any
        else:
            clear = optimizer.zero_grad

        def call() -> Any:
            clear()
            loss = loss_of(built(inputs))
            loss.backward()
            optimizer.step()
            return loss

        def outcome() -> Outcome:
            loss = call()
            why = proof()
            if why:
                raise Unsupported(why)
            return [self.numbers(each) for each in [loss] + [own.grad for own in parameters]]

        return call, outcome

    def numbers(self, tensor: Any) -> List[float]:
        flat = tensor.detach().reshape(-1)
        return flat[:: evenly(flat.numel())].double().cpu().tolist()  # type: ignore[no-any-return]

    def built(self, model: Any, inputs: Any, mode: str) -> Built:
        builders = {  # type: Dict[str, Callable[[], Built]]
            "eager": lambda: (model, nothing),
            "symbolic": lambda: self.symbolic(model),
            "script": lambda: self.scripted(self.torch.jit.script, self.twin(model)),
            "trace": lambda: self.scripted(
                functools.partial(self.torch.jit.trace, check_trace=False), model, inputs
            ),
            "frozen": lambda: self.frozen(model),
            "compile": lambda: self.compiled(model),
        }
        if mode not in builders:
            raise Unsupported("mode %s is not measured under other environments" % mode)
        return builders[mode]()

    def scripted(self, make: Callable[..., Any], *given: Any) -> Built:
        if sys.version_info >= (3, 14):
            raise Unsupported("TorchScript does not support Python 3.14 and later")
        module = make(*given)
        if not isinstance(module, self.torch.jit.ScriptModule):
            raise Unsupported("TorchScript is switched off (PYTORCH_JIT=0?)")
        return module, nothing

    def frozen(self, model: Any) -> Built:
        jit = self.torch.jit
        if not hasattr(jit, "freeze") or not hasattr(jit, "optimize_for_inference"):
            raise Unsupported("torch %s cannot freeze a module for inference" % self.torch.__version__)
        module, proof = self.scripted(jit.script, self.twin(model.eval()))
        return jit.optimize_for_inference(jit.freeze(module)), proof

    def compiled(self, model: Any) -> Built:
        torch = self.torch
        if not hasattr(torch, "compile"):
            raise Unsupported("torch %s has no compiler" % torch.__version__)
        counters = importlib.import_module("torch._dynamo.utils").counters
        if importlib.import_module("torch._dynamo.config").disable:
            raise Unsupported("torch.compile is switched off (TORCHDYNAMO_DISABLE or TORCH_COMPILE_DISABLE)")
        before = counters["stats"]["unique_graphs"]
        try:
            compiled = torch.compile(self.with_code_of_its_own(model), fullgraph=True, dynamic=False)
        except RuntimeError as error:
            if "not supported" in str(error):
                raise Unsupported(first_line(error)) from error
            raise

        def proof() -> Optional[str]:
            graphs = counters["stats"]["unique_graphs"]
            return None if graphs > before else "dynamo compiled no frame of it: it runs in Python"

        return compiled, proof

    def twin(self, model: Any, **attributes: Any) -> Any:
        """The same model of a class of its own, so that no graph of another one is taken for it."""
        kind = type(model)
        twin = model.__class__.__new__(kind)
        twin.__dict__ = dict(model.__dict__)
        attributes["__module__"] = kind.__module__
        twin.__class__ = type(kind.__name__, (kind,), attributes)
        return twin

    def with_code_of_its_own(self, model: Any) -> Any:
        """torch.compile keeps what it compiled by code object: with one of its own, no model meets another's."""
        forward = type(model).forward
        name = "forward_%d" % len(self.held)
        code = forward.__code__.replace(co_name=name, co_filename=__file__)
        own = types.FunctionType(
            code, forward.__globals__, forward.__name__, forward.__defaults__, forward.__closure__
        )
        return self.twin(model, forward=own)

    def symbolic(self, model: Any) -> Built:
        """The model as one Python function of its parameters, written by torch.fx."""
        try:
            fx = importlib.import_module("torch.fx")  # type: Any
        except ImportError as error:
            raise Unsupported("torch %s has no torch.fx" % self.torch.__version__) from error
        # Follows every call into modules: what is recorded are functions alone.
        through = type("Through", (fx.Tracer,), {"is_leaf_module": lambda *_: False})  # type: Any
        graph = through().trace(model)
        last = [node for node in graph.nodes if node.op == "placeholder"][-1]
        arguments = {}  # type: Dict[str, Any]
        values = []  # type: List[Any]
        for node in list(graph.nodes):
            if node.op != "get_attr":
                continue
            name = str(node.target)
            if name not in arguments:
                with graph.inserting_after(last):
                    arguments[name] = last = graph.placeholder("p_" + name.replace(".", "_"))
                values.append(functools.reduce(getattr, name.split("."), model))
            node.replace_all_uses_with(arguments[name])
            graph.erase_node(node)
        graph.lint()
        written = fx.GraphModule(self.torch.nn.Module(), graph)
        program, parameters = type(written).forward.__get__(written), tuple(values)

        def forward(_: Any, given: Any) -> Any:
            return program(given, *parameters)

        straight = type("Straight", (self.torch.nn.Module,), {"forward": forward})  # type: Any
        return straight(), nothing


FRAMEWORKS = {"torch": Torch, "plain": Plain}  # type: Dict[str, Any]


def first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:LONGEST_REASON] if lines else type(error).__name__


def numbers_in(path: str, dtype: str) -> Numbers:
    """All numbers of a file: little-endian, of 8 bytes where that is the point's own dtype, else of 4."""
    numbers = array.array("d" if dtype == "float64" else "f")
    with open(path, "rb") as file:
        numbers.frombytes(file.read())
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def libc() -> str:
    """Of this system; platform.libc_ver looks into the interpreter's file, and finds what that was built for."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


class Session:
    """What one process holds. steps: slot -> what was prepared in it."""

    def __init__(self) -> None:
        self.framework = None  # type: Any
        self.steps = {}  # type: Dict[int, Step]

    def start(self, framework: str, threads: int) -> Dict[str, Any]:
        if framework not in FRAMEWORKS:
            raise Unsupported("no framework that is measured: %s" % framework)
        self.framework = FRAMEWORKS[framework](threads)
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()  # what importing left behind is there to stay: no collection needs to look at it again
        found = {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "built_by": platform.python_compiler(),
            "build": " ".join(platform.python_build()),
            "executable": sys.executable,
            "machine": platform.machine(),
            "libc": libc(),
            "gil": "yes" if getattr(sys, "_is_gil_enabled", lambda: True)() else "no",
        }
        if hasattr(os, "sched_getaffinity"):
            found["cores"] = " ".join(map(str, sorted(os.sched_getaffinity(0))))
        found.update(self.framework.facts())
        return {"facts": found}

    def prepare(self, slot: int, task: Task, numbers: str) -> Dict[str, Any]:
        self.steps.pop(slot, None)
        gc.collect()
        given = numbers_in(numbers, task["dtype"])
        random.seed()
        begun = clock()
        step = self.framework.prepared(task, given)
        step.wait()
        built = clock()
        del given
        with step.context():
            outcome = step.outcome()
            step.wait()
        called = clock()
        self.steps[slot] = step
        return {
            "outcome": outcome,
            "prepare_s": (built - begun) / 1e9,
            "first_call_s": (called - built) / 1e9,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }

    def forget(self, slot: int) -> Dict[str, Any]:
        self.steps.pop(slot, None)
        gc.collect()
        return {}

    def block(self, slot: int, steps: int, lead: int) -> Dict[str, Any]:
        """So many untimed steps, and so many that are timed as one. The result of each is dropped at once."""
        step = self.steps[slot]
        call, wait = step.call, step.wait
        with step.context():
            for _ in itertools.repeat(None, lead):
                call()
            wait()
            collecting = gc.isenabled()
            gc.disable()
            try:
                before = usage()
                calls = itertools.repeat(None, steps)
                start = clock()
                for _ in calls:
                    call()
                wait()
                end = clock()
                after = usage()
            finally:
                if collecting:
                    gc.enable()
        return {"start_ns": start, "end_ns": end, "usage": [b - a for a, b in zip(before, after)]}


def usage() -> Tuple[int, int, int, int]:
    """CPU time of the process and of this thread, and how often it gave its core up and lost it."""
    process = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = round((process.ru_utime + process.ru_stime) * 1e9)
    return cpu_ns, thread_time_ns(), process.ru_nvcsw, process.ru_nivcsw


def answered(session: Session, line: bytes) -> Any:
    """What is said to a request, whatever becomes of it."""
    try:
        request = json.loads(line.decode("utf-8"))
        return getattr(session, request.pop("do"))(**request)
    except Unsupported as error:
        return {"status": UNSUPPORTED, "error": str(error)}
    except Exception as error:  # a framework may raise anything
        said = "%s: %s" % (type(error).__name__, first_line(error))
        out_of_memory = isinstance(error, MemoryError) or _OOM_MESSAGES.search(str(error))
        return {"status": OOM if out_of_memory else FAILED, "error": said}


def main(requests_fd: int, answers_fd: int) -> None:
    for each in (requests_fd, answers_fd):
        os.set_inheritable(each, False)  # what a framework starts must not hold the pipes open
    session = Session()
    with os.fdopen(requests_fd, "rb") as requests, os.fdopen(answers_fd, "wb") as answers:
        for line in iter(requests.readline, b""):  # asleep in here for as long as nobody asks
            answers.write(json.dumps(answered(session, line)).encode("ascii") + b"\n")
            answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
