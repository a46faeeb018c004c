"""A long short-term memory over a sequence, and a linear layer on what it ends with.

In: numbers of layers, widths, steps; a batch. Out: a module, sequences, labels. Must not know other models.

Hochreiter and Schmidhuber (Neural Computation, 1997). `cells`: an nn.LSTMCell called for each step of the sequence by
a loop in Python, as one writes what nn.LSTM does not offer; else nn.LSTM, which is one operation for all of it.
"""

from __future__ import annotations

import torch
from torch import nn


class _Whole(nn.Module):
    def __init__(self, layers: int, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class _StepByStep(nn.Module):
    def __init__(self, layers: int, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        widths = [features, *[hidden] * (layers - 1)]
        self.hidden = hidden
        self.cells = nn.ModuleList(nn.LSTMCell(width, hidden) for width in widths)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sequence = list(x.unbind(1))
        last = sequence[0]
        for cell in self.cells:
            state = torch.zeros(x.size(0), self.hidden, dtype=x.dtype, device=x.device)
            memory = state
            states: list[torch.Tensor] = []
            for step in sequence:
                state, memory = cell(step, (state, memory))
                states.append(state)
            sequence = states
            last = states[-1]
        return self.head(last)


def build(layers: int, features: int, hidden: int, classes: int, cells: bool) -> nn.Module:
    """forward: (batch, steps, features) -> (batch, classes)."""
    return (_StepByStep if cells else _Whole)(layers, features, hidden, classes)


def inputs(batch: int, steps: int, features: int) -> torch.Tensor:
    """Sequences of so many steps."""
    return torch.randn(batch, steps, features)


def targets(batch: int, classes: int) -> torch.Tensor:
    """Labels (batch,)."""
    return torch.randint(classes, (batch,))
