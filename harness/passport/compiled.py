"""Costs of torch.compile: its guards, entering what it compiled, and what one more kernel or library call takes there.

In: a Bench. Out: measures in it, and how each cost follows from them; Unavailable where one cannot be had. Must not
know what the costs are used for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from harness.modes.compiled import no_compiler
from harness.modes.fresh import with_code_of_its_own
from harness.modes.headers import keep_precompiled_headers
from harness.modes.proof import compiled_graphs, compiler_switched_off
from harness.modes.straight import straight_program
from harness.passport.loops import Bench, Formula, Unavailable, over, slope
from harness.passport.modules import SIDE, Empty, Layers, Negated, Products

# Kernels, or layers, of the longer chains.
LONG = 16
# A call of a generated kernel as the wrapper that inductor writes has it, on a CPU and by Triton.
KERNEL_CALL = re.compile(r"^\s+(?:cpp_fused\w*|triton_\w+\.run)\(", re.MULTILINE)


def guard_check(bench: Bench) -> Formula:
    """Dynamo alone: what it hands back as compiled is the plain graph."""
    _check_dynamo()
    plain, given = Negated(), _numbers(bench)
    compiled = torch.compile(
        with_code_of_its_own(Negated()), backend=_as_it_is, fullgraph=True, dynamic=False
    )
    _called(compiled, given)
    bench.issued("guarded", compiled, given)
    bench.issued("plain", plain, given)
    return over("guarded", "plain")


def compiled_kernel(bench: Bench) -> Formula:
    for name, count in (("one", 1), ("long", LONG)):
        for prefix, negated in (("products", False), ("kernels", True)):
            _compile(bench, f"{prefix}_{name}", Products(count, negated=negated), count * negated, 2 * count)
    return _kernel


def compiled_call(bench: Bench) -> Formula:
    bench.need("kernels_long", "what a kernel costs in compiled code could not be measured")
    _compile(bench, "compiled_one", Negated(), 1, 1)
    bench.host("called_plainly", Empty(), torch.ones(SIDE, SIDE))
    return lambda taken: taken["compiled_one"] - _kernel(taken) - taken["called_plainly"]


def compiled_library(bench: Bench) -> Formula:
    given = _numbers(bench)
    for name, count in (("one", 1), ("long", LONG)):
        layers = Layers(count).to(bench.device.torch_device)
        _compile(bench, f"compiled_layers_{name}", layers, None, 2 * count)
        bench.issued(f"layers_{name}", straight_program(layers, given), given, launches=2 * count)
    compiled = slope("compiled_layers_long", "compiled_layers_one", LONG)
    straight = slope("layers_long", "layers_one", LONG)
    return lambda taken: compiled(taken) - straight(taken)


def _kernel(taken: Any) -> float:
    """One more kernel: of products with a kernel after each, over that of products alone."""
    with_kernels = slope("kernels_long", "kernels_one", LONG)
    alone = slope("products_long", "products_one", LONG)
    return with_kernels(taken) - alone(taken)


def _compile(bench: Bench, name: str, module: torch.nn.Module, kernels: int | None, launches: int) -> None:
    """Compile and register a module. kernels: how many its code must call, where that matters."""
    _check_dynamo()
    if why := no_compiler():
        raise Unavailable(why)
    keep_precompiled_headers()
    given = _numbers(bench)
    module = with_code_of_its_own(module.to(bench.device.torch_device))
    compiled = torch.compile(module, fullgraph=True, dynamic=False)
    before = compiled_graphs()
    codes = _code_of(compiled, given)
    if compiled_graphs() <= before:
        raise Unavailable("Dynamo compiled no frame of it: it runs in Python")
    found = sum(len(KERNEL_CALL.findall(code)) for code in codes)
    if kernels is not None and codes and found != kernels:
        raise Unavailable(f"the compiler made {found} kernels where {kernels} were meant to be")
    bench.issued(name, compiled, given, launches=launches)


def _code_of(compiled: Callable[..., Any], given: torch.Tensor) -> list[str]:
    """Compiles it by a first call; the code that inductor wrote, none where this torch does not show it."""
    import torch._inductor.utils as inductor

    run_and_get_code: Any = getattr(inductor, "run_and_get_code", None)
    if run_and_get_code is None:
        _called(compiled, given)
        return []
    with torch.inference_mode():
        _, codes = run_and_get_code(compiled, given)
    return list(codes)


def _called(compiled: Callable[..., Any], given: torch.Tensor) -> None:
    with torch.inference_mode():
        compiled(given)


def _as_it_is(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
    forward: Callable[..., Any] = graph.forward
    return forward


def _check_dynamo() -> None:
    if why := compiler_switched_off():
        raise Unavailable(why)


def _numbers(bench: Bench) -> torch.Tensor:
    return torch.ones(SIDE, SIDE, device=bench.device.torch_device)
