"""Which exceptions say that memory has run out."""

from __future__ import annotations

import pytest
import torch

from harness.devices.out_of_memory import is_out_of_memory


def test_an_allocation_that_no_machine_can_give() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 52, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_python_itself_out_of_memory() -> None:
    with pytest.raises(MemoryError) as caught:
        bytearray(1 << 62)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you"),
    ],
    ids=lambda e: str(e)[:20],
)
def test_words_that_torch_has_for_it(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x8 and 6x8)"),
        ValueError("out of memory is only a word here"),
        KeyError("x"),
        RuntimeError(""),
    ],
    ids=lambda e: str(e)[:20],
)
def test_other_errors_are_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)
