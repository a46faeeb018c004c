"""Where a step hands values from a device to the host, how often, and how long it waits there.

In: a device kind. Out: a context in which torch's functions are watched, and what they were called for. Must not know
how long a step takes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

import torch

from harness.diagnosis.host.owners import Owner, asks_for_data, is_harness, owner_of
from harness.diagnosis.host.patched import Around, patched
from harness.timing.clock import CLOCK

# Methods of tensors that need values, or the number of values, on the host.
_METHODS = {
    **{name: f".{name}()" for name in ("item", "tolist", "cpu")},
    **{f"__{name}__": f"{name}()" for name in ("bool", "int", "float", "index", "format", "repr")},
    "__contains__": "in",
}
# The same as methods and as functions of torch.
_BOTH = (
    *(
        "nonzero",
        "argwhere",
        "masked_select",
        "unique",
        "unique_consecutive",
        "bincount",
        "equal",
        "allclose",
    ),
    "is_nonzero",
)
# Copies, which wait where they go from one device to another and are not told to go on.
_COPIES = ("to", "cuda", "copy_")
# What every synchronisation comes to in the end, however it was imported.
_SYNCHRONISE = {
    "_cuda_synchronize": "torch.cuda.synchronize()",
    "_accelerator_synchronizeDevice": "torch.accelerator.synchronize()",
    "_xpu_synchronize": "torch.xpu.synchronize()",
    "_mps_deviceSynchronize": "torch.mps.synchronize()",
}
_OBJECTS = (("cuda", "Stream"), ("cuda", "Event"), ("xpu", "Stream"), ("xpu", "Event"))

Place = tuple[str, int, str]


class Waits:
    """Counts and times, by file, line and what was called; of the thread that makes it."""

    def __init__(self, device_kind: str) -> None:
        self._on_cpu = device_kind == "cpu"
        self._thread, self._inside = threading.get_ident(), False
        self.places: dict[Place, tuple[int, int]] = {}  # times, nanoseconds

    def watched(self) -> AbstractContextManager[None]:
        return patched(self._around())

    def _around(self) -> Iterable[tuple[Any, str, Around]]:
        for name, what in _METHODS.items():
            yield torch.Tensor, name, self._noting(what, self._of_a_tensor)
        for name in _BOTH:
            yield torch.Tensor, name, self._noting(f"{name}()", self._of_a_tensor)
            yield torch, name, self._noting(f"{name}()", self._of_a_tensor)
        yield torch.Tensor, "__getitem__", self._noting("[mask]", self._by_a_mask)
        for name in _COPIES:
            yield torch.Tensor, name, self._noting(f".{name}()", self._a_copy)
        for name, what in _SYNCHRONISE.items():
            yield torch._C, name, self._noting(what, _always)
        for device, kind in _OBJECTS:
            found = getattr(getattr(torch, device, None), kind, None)
            yield found, "synchronize", self._noting(f"{kind}.synchronize()", _always)

    def _noting(self, what: str, counts: Callable[..., bool]) -> Around:
        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                # What one of them is made of is not counted again.
                if self._inside or threading.get_ident() != self._thread:
                    return original(*args, **named)
                self._inside = True
                start = CLOCK()
                try:
                    answer = original(*args, **named)
                finally:
                    taken, self._inside = CLOCK() - start, False
                if counts(args, named, answer):
                    self._note(sys._getframe(1), what, taken)
                return answer

            return call

        return around

    def _note(self, frame: FrameType | None, what: str, taken: int) -> None:
        # On a CPU what torch itself asks is mostly of numbers that it keeps there on every machine.
        if self._on_cpu and (frame is None or owner_of(frame.f_code.co_filename) is Owner.TORCH):
            return
        place: tuple[str, int] | None = None
        while frame is not None:
            code = frame.f_code
            if asks_for_data(code):
                return  # what a data set holds is on the CPU
            if place is None and is_harness(code.co_filename):
                return  # it is the harness that waits, for a step to be done
            if owner_of(code.co_filename) is Owner.USER and place is None:
                place = code.co_filename, frame.f_lineno or 0
                if not self._on_cpu:
                    break
            frame = frame.f_back
        if place is None:
            return
        times, ns = self.places.get((*place, what), (0, 0))
        self.places[(*place, what)] = times + 1, ns + (0 if self._on_cpu else taken)

    def _of_a_tensor(self, args: tuple[Any, ...], named: dict[str, Any], answer: Any) -> bool:
        return self._on_cpu or any(isinstance(each, torch.Tensor) and _elsewhere(each) for each in args)

    def _by_a_mask(self, args: tuple[Any, ...], named: dict[str, Any], answer: Any) -> bool:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        masks = [each for each in index if isinstance(each, torch.Tensor) and _is_mask(each)]
        return bool(masks) and (self._on_cpu or any(map(_elsewhere, (args[0], *masks))))

    def _a_copy(self, args: tuple[Any, ...], named: dict[str, Any], answer: Any) -> bool:
        source = args[1] if len(args) > 1 and isinstance(args[1], torch.Tensor) else args[0]
        return (
            isinstance(answer, torch.Tensor)
            and answer.device != source.device
            and "cpu" in (answer.device.type, source.device.type)
            and not (named.get("non_blocking") or any(each is True for each in args))
        )


def _elsewhere(tensor: torch.Tensor) -> bool:
    return tensor.device.type not in ("cpu", "meta")


def _is_mask(tensor: torch.Tensor) -> bool:
    return tensor.dtype in (torch.bool, torch.uint8) and tensor.dim() > 0


def _always(args: tuple[Any, ...], named: dict[str, Any], answer: Any) -> bool:
    return True
