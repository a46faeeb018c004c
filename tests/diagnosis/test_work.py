"""How much work a step asks of kernels, and which of it compilers leave as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import nn

from harness.diagnosis.asked import Work
from harness.diagnosis.work import work_of

CONTEXTS = [torch.inference_mode, torch.no_grad, torch.enable_grad]


def work(call: Callable[[], Any], context: Callable[[], AbstractContextManager[Any]] = torch.no_grad) -> Work:
    return work_of(call, context, seconds=0.01, computes=True)


@pytest.mark.parametrize("context", CONTEXTS)
def test_operators_are_counted_by_kind_whatever_records(context: Any) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Tanh(), nn.Linear(8, 8), nn.ReLU())
    found = work(lambda: model(torch.ones(4, 8)), context)
    assert (found.heavy, found.groups) == (2, 3)  # of the others what makes the input is one
    assert found.operators == 6
    assert (found.fused, found.cells) == (1, 0)
    assert found.flop == 2 * (2 * 4 * 8 * 8)
    assert found.heavy_us > 0
    assert found.one_row == 0 and work(lambda: model(torch.ones(1, 8)), context).one_row == 2


def test_steps_of_recurrent_networks_are_told() -> None:
    cell = nn.LSTMCell(8, 8)
    assert work(lambda: cell(torch.ones(2, 8)), torch.inference_mode).cells == 1


@pytest.mark.parametrize("context", CONTEXTS)
def test_work_of_products_and_convolutions(context: Any) -> None:
    a, b = torch.ones(3, 4, 5), torch.ones(3, 5, 6)
    assert work(lambda: a @ b, context).flop == 2 * 3 * 4 * 6 * 5
    conv, image = nn.Conv2d(3, 8, 5), torch.ones(2, 3, 10, 10)
    assert work(lambda: conv(image), context).flop == 2 * (2 * 8 * 6 * 6) * (3 * 5 * 5)
    assert work(lambda: a + 1, context).flop == 0


def test_views_are_no_work_and_parameters_are_read_once_whatever_the_batch() -> None:
    x, layer = torch.ones(4, 8), nn.Linear(8, 8)
    assert work(lambda: x.view(8, 4).t()).operators == 0
    one, two = (work(lambda size=size: layer(torch.ones(size, 8))).bytes_moved for size in (4, 8))
    assert two == pytest.approx(2 * one)


def test_on_a_device_that_works_for_itself_nothing_is_timed() -> None:
    layer = nn.Linear(8, 8)
    assert work_of(lambda: layer(torch.ones(1, 8)), torch.no_grad, seconds=1, computes=False).heavy_us == 0
