"""The comparison that decides whether a mode computes what eager does."""

from __future__ import annotations

import pytest
import torch

from harness.workloads.comparison import TOLERANCE, Mismatch, accepted, difference


def test_equal_tensors_do_not_differ() -> None:
    assert difference([torch.ones(3), torch.zeros(2)], [torch.ones(3), torch.zeros(2)]) == 0.0


def test_it_is_relative_to_the_largest_value_of_the_reference() -> None:
    ours, theirs = torch.tensor([1.0, 99.0]), torch.tensor([1.0, 100.0])
    assert difference([ours], [theirs]) == pytest.approx(0.01)
    assert difference([ours * 1e6], [theirs * 1e6]) == pytest.approx(0.01)


def test_the_worst_tensor_counts() -> None:
    assert difference([torch.ones(3), torch.tensor([1.5])], [torch.ones(3), torch.ones(1)]) == 0.5


def test_a_reference_of_zeros_is_compared_as_it_is() -> None:
    assert difference([torch.full((3,), 0.25)], [torch.zeros(3)]) == 0.25


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (4,), ()])
def test_another_shape_is_another_result(shape: tuple[int, ...]) -> None:
    """Also where broadcasting would hide it."""
    assert difference([torch.ones(shape)], [torch.ones(3)]) == float("inf")


def test_another_number_of_tensors_is_another_result() -> None:
    assert difference([torch.ones(3)], [torch.ones(3)] * 2) == float("inf")
    assert difference([], [torch.ones(3)]) == float("inf")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_differs_from_every_number(value: float) -> None:
    strange = torch.tensor([1.0, value])
    assert difference([strange], [torch.ones(2)]) == float("inf")
    # max(0.0, nan) is 0.0 in Python: order must not matter.
    assert difference([strange, torch.ones(2)], [torch.ones(2)] * 2) == float("inf")
    assert difference([torch.ones(2), strange], [torch.ones(2)] * 2) == float("inf")


def test_a_result_in_lower_precision_is_not_rounded_away() -> None:
    theirs = torch.tensor([1.0, 1.0 + 2**-9])
    assert 0 < difference([theirs.to(torch.bfloat16)], [theirs]) < TOLERANCE["bfloat16"]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_rounding_is_accepted_and_more_is_a_mismatch(dtype: str) -> None:
    most = TOLERANCE[dtype]
    assert accepted(most, dtype) == most
    for gap in (1.01 * most, float("inf"), float("nan")):
        with pytest.raises(Mismatch, match=f"differs from eager's by .* for {dtype}"):
            accepted(gap, dtype)
