"""Perceptrons over patches and over channels in turn, on images.

In: numbers of layers, sizes of image and patch; a batch. Out: a module, images, labels. Must not know other models.

Tolstikhin et al., MLP-Mixer (NeurIPS 2021).
"""

from __future__ import annotations

import torch
from torch import nn


class _Mixing(nn.Module):
    """(batch, patches, width) -> the same."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.before_patches = nn.LayerNorm(width)
        self.over_patches = _perceptron(patches, patches // 2)
        self.before_channels = nn.LayerNorm(width)
        self.over_channels = _perceptron(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.over_patches(self.before_patches(x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.before_channels(x))


def _perceptron(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class _Mixer(nn.Module):
    def __init__(self, layers: int, width: int, image: int, patch: int, classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.mixing = nn.Sequential(*(_Mixing((image // patch) ** 2, width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.mixing(patches)).mean(1))


def build(layers: int, width: int, image: int, patch: int, classes: int) -> nn.Module:
    """forward: (batch, 3, image, image) -> (batch, classes). image: a multiple of patch."""
    return _Mixer(layers, width, image, patch, classes)


def inputs(batch: int, image: int) -> torch.Tensor:
    """Images of `image` by `image` pixels."""
    return torch.randn(batch, 3, image, image)


def targets(batch: int, classes: int) -> torch.Tensor:
    """Labels (batch,)."""
    return torch.randint(classes, (batch,))
