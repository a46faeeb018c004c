"""What a mode cannot do with a model is told from what went wrong otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from harness.worker.cells.refused import refused_by_compiler


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 0 else x


class Unreadable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + len([*map(str, globals())])


def raised(action: object) -> BaseException:
    with pytest.raises(Exception) as caught:
        action()  # type: ignore[operator]
    return caught.value


def test_a_compilers_refusal_is_one() -> None:
    assert refused_by_compiler(raised(lambda: fx.symbolic_trace(Branching())))
    with pytest.warns(FutureWarning):
        assert refused_by_compiler(raised(lambda: torch.jit.script(Unreadable())))
    assert refused_by_compiler(raised(lambda: torch.export.export(Branching(), (torch.ones(2),))))


def test_dynamos_refusal_is_one() -> None:
    compiled = torch.compile(Branching(), fullgraph=True, backend="eager")
    assert refused_by_compiler(raised(lambda: compiled(torch.ones(2))))


@pytest.mark.parametrize(
    "action",
    [
        lambda: torch.zeros(2) @ torch.zeros(3),
        lambda: nn.Linear(2, 2)(torch.zeros(3)),
        lambda: {}["missing"],
        lambda: open("/there/is/no/torch/jit/here", encoding="utf-8"),  # noqa: SIM115, PTH123
    ],
)
def test_what_else_goes_wrong_is_none(action: object) -> None:
    assert not refused_by_compiler(raised(action))
