"""A recommendation model: a perceptron on numbers, an embedding bag a category, products of all pairs, a perceptron.

In: widths, numbers of tables and rows; a batch. Out: a module, numbers with categories, clicks. Must not know other
models.

Naumov et al., Deep Learning Recommendation Model (arXiv:1906.00091). The large setting has the perceptrons of MLPerf's
(13-512-256-128 and 1024-1024-512-256-1, 26 tables of width 128), with tables that fit a small memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers)


class _Dlrm(nn.Module):
    def __init__(
        self, numbers: int, bottom: Sequence[int], top: Sequence[int], tables: int, rows: int
    ) -> None:
        super().__init__()
        width = bottom[-1]
        self.bottom = _perceptron([numbers, *bottom])
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum") for _ in range(tables))
        pairs = torch.tril_indices(tables + 1, tables + 1, offset=-1)
        self.register_buffer("first", pairs[0])
        self.register_buffer("second", pairs[1])
        self.top = _perceptron([width + pairs.shape[1], *top])
        self.head = nn.Linear(top[-1], 1)

    def forward(self, numbers: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        dense = self.bottom(numbers)
        found = [dense]
        for index, table in enumerate(self.tables):
            found.append(table(categories[:, index]))
        vectors = torch.stack(found, dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))
        pairs = products[:, self.first, self.second]  # type: ignore[index]
        return self.head(self.top(torch.cat([dense, pairs], dim=1)))


def build(numbers: int, bottom: Sequence[int], top: Sequence[int], tables: int, rows: int) -> nn.Module:
    """forward: numbers (batch, numbers), categories (batch, tables, lookups) -> a logit (batch, 1).

    bottom, top: widths of the perceptrons' layers; the last of bottom is that of the tables.
    """
    return _Dlrm(numbers, bottom, top, tables, rows)


def inputs(
    batch: int, numbers: int, tables: int, rows: int, lookups: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers, and row numbers for each table: so many of a sample are summed."""
    return torch.randn(batch, numbers), torch.randint(rows, (batch, tables, lookups))


def targets(batch: int) -> torch.Tensor:
    """Clicked or not (batch, 1)."""
    return torch.randint(2, (batch, 1)).float()
