"""A residual network for images: a convolution, residual blocks, mean over the image, a linear layer.

In: numbers of blocks, channels, classes; a batch. Out: a module, images, labels. Must not know other models.

He et al., Deep Residual Learning for Image Recognition (CVPR 2016), without bottlenecks.
"""

from __future__ import annotations

import torch
from torch import nn


class _Residual(nn.Module):
    """(batch, channels, size, size) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.relu(self.first_norm(self.first(x)))
        return self.relu(x + self.second_norm(self.second(inner)))


def build(layers: int, channels: int, classes: int) -> nn.Module:
    """forward: (batch, 3, image, image) -> (batch, classes)."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        *(_Residual(channels) for _ in range(layers)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def inputs(batch: int, image: int) -> torch.Tensor:
    """Images of `image` by `image` pixels."""
    return torch.randn(batch, 3, image, image)


def targets(batch: int, classes: int) -> torch.Tensor:
    """Labels (batch,)."""
    return torch.randint(classes, (batch,))
