"""Answering a step's operators from a record: what runs, what does not, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.diagnosis.parts.empty_kernels import Answers, Strayed

pytestmark = pytest.mark.usefixtures("empty_kernels")


def recorded(call: Callable[[], Any]) -> Answers:
    return Answers(call)


def test_an_answer_is_what_was_recorded_though_the_arguments_changed() -> None:
    x = torch.ones(3)
    answers = recorded(lambda: x + 1)
    x.fill_(40)
    with answers.instead():
        assert (x + 1).data_ptr() != x.data_ptr()
    with answers.instead():
        given = x + 1
    assert given.tolist() == [2, 2, 2]
    assert (x + 1).tolist() == [41, 41, 41]


def test_steps_are_answered_one_after_the_other() -> None:
    x = torch.ones(2)

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        return x + 1, x * 5

    answers = recorded(step)
    x.zero_()
    with answers.instead():
        first, second = step(), step()
        assert answers.place == 0
    for each in (first, second):
        assert [part.tolist() for part in each] == [[2, 2], [5, 5]]
    assert (answers.operators, answers.kernels, answers.views) == (2, 2, 0)


def test_another_operator_has_strayed_and_is_named() -> None:
    x = torch.ones(3)
    answers = recorded(lambda: x + 1)
    with pytest.raises(Strayed, match=r"aten::mul.* came where the record has aten::add"), answers.instead():
        x * 2
    assert (x * 2).tolist() == [2, 2, 2]
    with answers.instead():
        assert (x + 1).tolist() == [2, 2, 2]


def test_views_are_executed() -> None:
    x = torch.arange(6.0)
    answers = recorded(lambda: x.view(2, 3).t())
    with answers.instead():
        turned = x.view(2, 3).t()
    assert turned.data_ptr() == x.data_ptr()
    assert turned.shape == (3, 2)
    assert (answers.kernels, answers.views) == (0, 2)


def test_what_writes_into_its_argument_is_answered_with_it_and_writes_nothing() -> None:
    x = torch.ones(3)
    answers = recorded(lambda: x.mul_(3))
    with answers.instead():
        given = x.mul_(3)
    assert given is x
    assert x.tolist() == [27, 27, 27]
    out = torch.zeros(3)
    answers = recorded(lambda: torch.add(x, 1, out=out))
    out.zero_()
    with answers.instead():
        assert torch.add(x, 1, out=out) is out
    assert out.tolist() == [0, 0, 0]


def test_kernels_run_by_themselves_leave_the_steps_tensors_alone() -> None:
    x = torch.ones(3)
    answers = recorded(lambda: x.mul_(3))
    answers.run_kernels(5)
    answers.run_answers(5)
    answers.run_arguments(5)
    answers.run_allocations(5)
    assert x.tolist() == [27, 27, 27]


def test_kernels_run_by_themselves_read_what_the_ones_before_them_made() -> None:
    x, total = torch.ones(3), torch.zeros(3)

    def step() -> None:
        made = (x + 1).view(3, 1).mul_(2)
        torch.mul(made.view(3), made[:, 0], out=total)

    answers = Answers(step)
    assert total.tolist() == [16, 16, 16]
    answers.run_kernels(3)
    answers.run_arguments(3)
    answers.run_kernels(3)
    assert (x.tolist(), total.tolist()) == ([1, 1, 1], [16, 16, 16])
    x.fill_(float("nan"))
    step()
    answers.run_kernels(1)


def test_what_kernels_make_lives_for_as_long_as_the_step_has_it() -> None:
    x, kept = torch.ones(3), [torch.ones(3)]

    def step() -> None:
        first = x + 1
        second = first * 2
        del first
        third = second.exp()
        kept[0] = third  # what lay there is given back now
        (second + third).sum()

    answers = recorded(step)
    # Each before the call that comes after the line which gives it back; the sum and what it is of at the end.
    add, mul, exp, total, summed = answers.ends
    assert (add, mul) == (2, 5)
    assert exp == 5 + 3
    assert (total, summed) == (5, 5)
    answers.run_kernels(3)


def test_autograd_records_what_is_answered() -> None:
    weight = torch.ones(3, requires_grad=True)

    def step() -> torch.Tensor:
        weight.grad = None
        loss = (weight * 2).sum()
        loss.backward()
        assert weight.grad is not None
        return weight.grad

    answers = recorded(step)
    with answers.instead():
        gradient = step()
    assert gradient.tolist() == [2, 2, 2]
    assert answers.place == 0


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_a_module_of_operators_made_of_others_is_answered(context: Callable[[], Any]) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.0), torch.nn.LSTM(4, 4))
    x = torch.ones(2, 1, 4)

    def step() -> torch.Tensor:
        with context():
            return torch.as_tensor(model(x)[0])

    expected = step()
    answers = recorded(step)
    x.zero_()
    with answers.instead():
        given = step()
    assert torch.equal(given, expected)


def test_numbers_are_answered_too() -> None:
    x = torch.ones(1)
    answers = recorded(lambda: x.item())
    x.fill_(7)
    with answers.instead():
        assert x.item() == 1


def test_after_an_error_torch_is_as_before() -> None:
    x = torch.ones(3)
    with pytest.raises(ZeroDivisionError):
        recorded(lambda: (x + 1, 1 / 0))
    answers = recorded(lambda: x + 1)
    with pytest.raises(ZeroDivisionError), answers.instead():
        raise ZeroDivisionError
    x.fill_(4)
    assert (x + 1).tolist() == [5, 5, 5]


def test_only_one_record_is_in_use_at_a_time() -> None:
    x = torch.ones(3)
    answers, other = recorded(lambda: x + 1), recorded(lambda: x + 2)
    with answers.instead():
        with pytest.raises(RuntimeError, match="in use"), other.instead():
            pass
        assert (x + 1).tolist() == [2, 2, 2]


def test_a_closed_record_cannot_be_used() -> None:
    x = torch.ones(3)
    answers = recorded(lambda: x + 1)
    answers.close()
    answers.close()
    with pytest.raises(RuntimeError, match="closed"):
        answers.run_kernels(1)


def test_recording_leaves_it_to_backward_to_add_in_place() -> None:
    weight = torch.ones(3, requires_grad=True)

    def step() -> torch.Tensor:
        weight.grad = None
        hidden = weight * 2
        (hidden.exp() + hidden.sin()).sum().backward()  # two gradients of one tensor, which are added up
        assert weight.grad is not None
        return weight.grad

    answers = recorded(step)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as plain:
        step()
    assert any(event.name == "aten::add_" for event in plain.events())
    with answers.instead():
        step()
        step()
    assert answers.place == 0
