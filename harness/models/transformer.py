"""Encoder blocks on tokens: attention and a perceptron, each after a normalisation, with a residual around it.

In: numbers of blocks, widths, tokens; a batch. Out: a module, token numbers, labels. Must not know other models.

Vaswani et al., Attention Is All You Need (NeurIPS 2017); normalisation first, as in Xiong et al. (ICML 2020). Written
out as such models are: nn.TransformerEncoderLayer calls one fused operation for all of it under inference.
"""

from __future__ import annotations

import torch
from torch import nn


class _Block(nn.Module):
    """(batch, tokens, width) -> the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_perceptron = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        all_three = self.queries_keys_values(self.before_attention(x))
        queries, keys, values = all_three.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attention = nn.functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.attended(attention.transpose(1, 2).flatten(2))
        return x + self.perceptron(self.before_perceptron(x))


class _Encoder(nn.Module):
    def __init__(
        self, layers: int, width: int, heads: int, tokens: int, vocabulary: int, classes: int
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.words(tokens) + self.places)
        return self.head(self.norm(x).mean(1))


def build(layers: int, width: int, heads: int, tokens: int, vocabulary: int, classes: int) -> nn.Module:
    """forward: token numbers (batch, tokens) -> (batch, classes). width: a multiple of heads."""
    return _Encoder(layers, width, heads, tokens, vocabulary, classes)


def inputs(batch: int, tokens: int, vocabulary: int) -> torch.Tensor:
    """Token numbers."""
    return torch.randint(vocabulary, (batch, tokens))


def targets(batch: int, classes: int) -> torch.Tensor:
    """Labels (batch,)."""
    return torch.randint(classes, (batch,))
