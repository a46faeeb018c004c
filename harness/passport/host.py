"""Costs of the host's CPU: Python, torch's dispatch, TorchScript and the loop in C++.

In: a Bench. Out: measures in it, and how each cost follows from them; Unavailable where one cannot be had. Must not
know compilers.
"""

from __future__ import annotations

import torch

from harness.modes.fresh import with_class_of_its_own
from harness.modes.native_loop import NativeLoop, problem
from harness.modes.proof import Unproven
from harness.modes.torchscript import no_torchscript, scripted
from harness.passport.loops import Bench, Formula, Unavailable, empty_loop, over, slope
from harness.passport.modules import SIDE, Chain, Empty, Negated

# Operators of the longer scripted graph.
LONG = 64
# The measure of a loop around nothing, taken off what is called in one.
LOOP = "loop"


def _numbers() -> torch.Tensor:
    return torch.ones(SIDE, SIDE)


def _empty() -> None:
    pass


def python_call(bench: Bench) -> Formula:
    bench.repeated(LOOP, empty_loop)
    bench.host("python_call", _empty)
    return over("python_call", LOOP)


def module_call(bench: Bench) -> Formula:
    module = Empty()
    bench.host("module_call", module, _numbers())
    bench.host("forward", module.forward, _numbers())
    return over("module_call", "forward")


def operator(bench: Bench) -> Formula:
    bench.host("operator", torch.neg, _numbers())
    # The null: how far the same thing is from itself.
    bench.host("operator_again", torch.neg, _numbers())
    return over("operator", LOOP)


def autograd(bench: Bench) -> Formula:
    bench.host("autograd", torch.neg, _numbers().requires_grad_(), context=torch.enable_grad)
    return over("autograd", "operator")


def allocation(bench: Bench) -> Formula:
    """An operator that makes a tensor, and the same that writes into the one it reads."""
    device = bench.device.torch_device
    bench.issued("allocating", torch.neg, _numbers().to(device))
    bench.issued("in_place", torch.neg_, _numbers().to(device))
    return over("allocating", "in_place")


def script_call(bench: Bench) -> Formula:
    if why := no_torchscript():
        raise Unavailable(why)
    # Not by `scripted`, which takes a graph without nodes for none.
    module = torch.jit.script(with_class_of_its_own(Empty()))
    if not isinstance(module, torch.jit.ScriptModule):
        raise Unavailable("TorchScript is switched off (PYTORCH_JIT=0)")
    bench.host("script_call", module, _numbers())
    return over("script_call", LOOP)


def script_operator(bench: Bench) -> Formula:
    for name, count in (("script_one", 1), ("script_long", LONG)):
        module = _scripted(Chain(count))
        with torch.inference_mode():
            for _ in range(3):  # it looks at what it is given, and only then makes the graph that it runs
                module(_numbers())
        _check_unfused(count)
        bench.host(name, module, _numbers())
    return slope("script_long", "script_one", LONG)


def native_call(bench: Bench) -> Formula:
    if why := no_torchscript() or problem():
        raise Unavailable(why)
    bench.need("script_long", "the scripted graph that it runs could not be measured")
    loop = NativeLoop([(_scripted(Negated()), _numbers())])
    bench.repeated("native", loop.run)
    per_operator = slope("script_long", "script_one", LONG)
    return lambda taken: taken["native"] - per_operator(taken)


def _scripted(module: torch.nn.Module) -> torch.jit.ScriptModule:
    if why := no_torchscript():
        raise Unavailable(why)
    try:
        return scripted(module)
    except Unproven as error:
        raise Unavailable(str(error)) from None


def _check_unfused(count: int) -> None:
    """Raises Unavailable where TorchScript made one operator of several, as with a fuser for CPUs switched on."""
    last = getattr(torch.jit, "last_executed_optimized_graph", None) or getattr(
        torch._C, "_last_executed_optimized_graph", None
    )
    if last is None:
        return
    found = str(last()).count("aten::neg(")
    if found != count:
        raise Unavailable(f"TorchScript fuses operators here: of {count} it left {found}")
