"""What a step asks of kernels: how many operators, which of them compilers leave as they are, and how much work.

In: something to call. Out: Work. Must not know how a step is timed, nor what is concluded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from harness.core.stats.intervals import median_interval
from harness.devices.trees import tensors_in
from harness.diagnosis.asked import Work
from harness.timing.interleaved import Blocks, rounds

# Parts of names of operators that a compiler calls as they are. Below inference mode some arrive that autograd would
# have made others of: linear, conv2d, matmul.
HEAVY = re.compile(
    r"linear|conv|matmul|addmm|baddbmm|\bmm|\bbmm|mkldnn|cudnn|lstm|gru|embedding_bag|sort|topk|dot_product"
)
# Held in memory for as long as they are timed.
MOST_HELD = 2_000


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Of all operators that are executed below autograd."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators = self.groups = self.fused = self.cells = self.one_row = 0
        self.flop = self.bytes_moved = 0.0
        self.heavy: list[tuple[Any, Any, Any]] = []
        self._in_group = False
        self._before_pointwise = False
        self._parameters: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        for tensor in tensors_in((args, given)):
            if isinstance(tensor, torch.nn.Parameter):
                self._parameters.add(_place(tensor))
        result = func(*args, **given)
        if _is_view(func):
            return result
        self.operators += 1
        if HEAVY.search(name := _name(func)):
            self.heavy.append((func, args, given))
            self._in_group = False
            self.flop += _flop(name, args, result)
            self.cells += "_cell" in name
            self.one_row += "conv" not in name and _rows(result) == 1
        else:
            self.groups += not self._in_group
            self._in_group = True
        pointwise = torch.Tag.pointwise in getattr(func, "tags", ())
        self.fused += pointwise and self._before_pointwise
        self._before_pointwise = pointwise
        # A parameter, and what is a view of it, is read once whatever the batch is.
        moved = [*tensors_in((args, given)), *tensors_in(result)]
        self.bytes_moved += sum(each.nbytes for each in moved if _place(each) not in self._parameters)
        return result


def work_of(
    call: Callable[[], Any],
    context: Callable[[], AbstractContextManager[Any]],
    *,
    seconds: float,
    computes: bool,
) -> Work:
    """computes: whether what is called takes the host's time to compute; heavy_us is 0 else."""
    with context(), _Counting() as counting:
        call()
    heavy_us = _timed(counting.heavy, seconds) if computes and counting.heavy else 0.0
    return Work(
        operators=counting.operators,
        heavy=len(counting.heavy),
        heavy_us=heavy_us,
        groups=counting.groups,
        fused=counting.fused,
        cells=counting.cells,
        one_row=counting.one_row,
        flop=counting.flop,
        bytes_moved=counting.bytes_moved,
    )


def _timed(calls: list[tuple[Any, Any, Any]], seconds: float) -> float:
    """Microseconds of all of their kernels: called one after the other, less what as many calls of nothing take."""
    held = [
        (func, *pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, (args, given)))
        for func, args, given in calls[:: max(1, len(calls) // MOST_HELD)]
    ]
    nothing, tiny = torch.ops.aten.alias.default, (torch.zeros(()),)

    def all_of_them() -> None:
        for func, args, given in held:
            func(*args, **given)

    def as_many_of_nothing() -> None:
        for _, _, _ in held:
            nothing(*tiny, **{})

    measures = {
        "called": Blocks(all_of_them, context=torch.inference_mode),
        "nothing": Blocks(as_many_of_nothing, context=torch.inference_mode),
    }
    values = rounds(measures, seconds=seconds)
    paired = [max(a - b, 0.0) for a, b in zip(values["called"], values["nothing"], strict=True)]
    return median_interval(paired).estimate / 1e3 * len(calls) / len(held)


def _name(func: Any) -> str:
    return str(func).partition(".")[2]


def _flop(name: str, args: Any, result: Any) -> float:
    """Of a product or convolution: a multiplication and an addition for each number that goes into each that comes out.
    0 for all else."""
    factors = [tensor for tensor in tensors_in(args) if tensor.dim() >= 2]
    outputs = [tensor for tensor in tensors_in(result) if tensor.dim()]
    if len(factors) < 2 or not outputs:
        return 0.0
    if "conv" in name:
        weight = factors[1]
        shared = weight.numel() / max(weight.shape[0], 1)
    else:
        # Of linear the input comes first, of addmm what is added: the input is the one before the last matrix.
        shared = factors[-2].shape[-1]
    return 2.0 * outputs[0].numel() * shared


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _rows(result: Any) -> int:
    """Of what a product answers: all of its dimensions but the last."""
    output = next(tensors_in(result), None)
    return 0 if output is None or not output.dim() else output.numel() // max(output.shape[-1], 1)


def _is_view(func: Any) -> bool:
    """Whether what it answers lies where an argument does, unchanged."""
    schema = getattr(func, "_schema", None)
    if schema is None:
        return False
    return any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
