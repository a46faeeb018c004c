"""The modules that costs are measured on: each does the smallest thing there is, so many times.

In: how many times. Out: modules. Must not know modes or timing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Rows and columns of every tensor: what an operator computes on so few is nothing beside calling it.
SIDE = 8


class Empty(nn.Module):
    """Answers what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Negated(nn.Module):
    """One operator."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.neg(x)


class Chain(nn.Module):
    """One operator after the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Negated() for _ in range(count)])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


class Products(nn.Module):
    """Products of a library, with an operator after each where `negated`. A compiler fuses none of these operators with
    another, since there is a product between them: each is a kernel of its own."""

    def __init__(self, count: int, *, negated: bool) -> None:
        super().__init__()
        self.count, self.negated = count, negated
        self.weight = nn.Parameter(torch.eye(SIDE))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.count):
            x = torch.mm(x, self.weight)
            if self.negated:
                x = torch.neg(x)
        return x


class Layers(nn.Module):
    """nn.Linear after nn.Linear."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(SIDE, SIDE) for _ in range(count)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x
