"""What imperative code keeps in memory: every intermediate value has a name until the function ends.

In: a width; a batch. Out: a module, rows of numbers. Must not know other models.

A name holds its tensor until the function returns, whether it is used again or not. What sees the whole program frees
a value after its last use, or never makes it; and what does not depend on the input it can compute once.
"""

from __future__ import annotations

import torch
from torch import nn


class _Named(nn.Module):
    """forward: (batch, width) -> the same. Nine values of the input's size are alive at its end, and one of the
    parameters' size alone, (width,), which is the same at every call."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(width))
        self.shift = nn.Parameter(torch.rand(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        constant = torch.exp(self.shift)
        scaled = x * self.scale
        shifted = scaled + constant
        bent = torch.tanh(shifted)
        squared = bent * bent
        halved = squared * 0.5
        turned = torch.sin(halved)
        rectified = torch.relu(turned)
        raised = rectified + 1.0
        rooted = torch.sqrt(raised)
        return rooted  # noqa: RET504  (each value has a name: that is what is shown)


def build(width: int) -> nn.Module:
    return _Named(width)


def inputs(batch: int, width: int) -> torch.Tensor:
    return torch.randn(batch, width)


def targets(batch: int, width: int) -> torch.Tensor:
    return torch.rand(batch, width)
