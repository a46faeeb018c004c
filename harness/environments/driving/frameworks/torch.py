"""PyTorch, from versions that know neither inference mode nor a compiler to those that do.

In: tasks, numbers. Out: Steps. Must not know the protocol, nor import anything but Python's own modules and torch.
Loaded by driver.py, by path.
"""

import functools
import importlib
import inspect
import itertools
import os
import re
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

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
    evenly,
    first_line,
    nothing,
)

# What a mode made of a model; and what says, once it was called, why it is not what it should be.
Built = Tuple[Any, Callable[[], Optional[str]]]

# By what calls the programs of a mode are saved and loaded; and why those of the others are not.
SAVED_AS = {
    "script": "torch.jit.save",
    "trace": "torch.jit.save",
    "frozen": "torch.jit.save",
    "symbolic": "torch.export.save",
}
UNSAVED = {
    "eager": "a module that runs as it is written is saved as weights alone: its program is its source",
    "compile": "torch.compile keeps what it compiled for its own process: torch.export saves another program",
}


class Framework:
    """torch, as it is imported."""

    def __init__(self, threads: int) -> None:
        self.torch = torch = importlib.import_module("torch")  # type: Any
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_flush_denormal(True)  # a denormal number slows a CPU kernel many times
        self.codes = itertools.count()

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
                return Step(call, wait, context, outcome)
            call, outcome, saved = self.forward(model.eval(), inputs, task["mode"], autograd)
            return Step(call, wait, context, outcome, saved, SAVED_AS.get(task["mode"], ""))

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
            # Of its dtype before it is given its numbers: those of 8 bytes would be rounded to 4.
            layer = torch.nn.Linear(fan_in, fan_out).to(device=device, dtype=dtype)
            with torch.no_grad():
                for own, shape in ((layer.weight, (fan_out, fan_in)), (layer.bias, (fan_out,))):
                    given, at = self.taken(flat, at, shape)
                    own.copy_(given)
            layers.append(layer)
        return torch.nn.Sequential(*layers), at

    def forward(self, model: Any, inputs: Any, mode: str, autograd: str) -> Tuple[Call, Call, Saved]:
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

        return call, outcome, functools.partial(self.saved, mode, built, inputs)

    def saved(self, mode: str, built: Any, inputs: Any, folder: str) -> Callable[[], Outcome]:
        torch, path = self.torch, os.path.join(folder, "program.pt")
        if mode not in SAVED_AS:
            raise Unsupported(UNSAVED.get(mode, "nothing saves a program of this mode"))
        if mode == "symbolic":
            if not hasattr(torch, "export"):
                raise Unsupported("torch %s has no torch.export" % torch.__version__)
            torch.export.save(torch.export.export(built, (inputs,)), path + "2")
            return lambda: [self.numbers(torch.export.load(path + "2").module()(inputs))]
        torch.jit.save(built, path)
        return lambda: [self.numbers(torch.jit.load(path)(inputs))]

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
            compiled = torch.compile(model, fullgraph=True, dynamic=False)
            if compiled is not model:  # switched off, it answers with the model itself
                compiled.forward = torch.compile(self.called_alone(model), fullgraph=True, dynamic=False)
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

    def called_alone(self, model: Any) -> Any:
        """The call of a model, which torch.compile wraps into a frame where the model is a bare nn.Sequential, but all
        of them into frames of one code; by which it keeps what it compiled. With code of its own, no model meets
        another's."""

        def called(*arguments: Any, **named: Any) -> Any:
            return model(*arguments, **named)

        called.__code__ = called.__code__.replace(co_name="called_%d" % next(self.codes))
        return called

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
