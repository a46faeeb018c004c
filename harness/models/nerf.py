"""A radiance field: a perceptron from a point and a direction to colour and density, with a skip in the middle.

In: numbers of layers and octaves, a width; a batch. Out: a module, points with directions, colours. Must not know other
models.

Mildenhall et al., NeRF (ECCV 2020): coordinates as sines and cosines of rising frequency, eight layers of 256, the
point again at the fifth. A sample is a point on a ray.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class _Field(nn.Module):
    def __init__(self, layers: int, width: int, point_octaves: int, direction_octaves: int) -> None:
        super().__init__()
        self.register_buffer("point_scales", math.pi * 2.0 ** torch.arange(point_octaves))
        self.register_buffer("direction_scales", math.pi * 2.0 ** torch.arange(direction_octaves))
        point, direction = 3 + 6 * point_octaves, 3 + 6 * direction_octaves
        half = layers // 2
        self.first = _perceptron(point, width, half)
        self.second = _perceptron(point + width, width, layers - half)
        self.density = nn.Linear(width, 1)
        self.feature = nn.Linear(width, width)
        self.colour = nn.Sequential(
            nn.Linear(width + direction, width // 2), nn.ReLU(), nn.Linear(width // 2, 3), nn.Sigmoid()
        )

    def forward(self, point: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        where = _encoded(point, self.point_scales)  # type: ignore[arg-type]
        inner = self.second(torch.cat([where, self.first(where)], dim=-1))
        whence = _encoded(direction, self.direction_scales)  # type: ignore[arg-type]
        seen = torch.cat([self.feature(inner), whence], dim=-1)
        return torch.cat([self.colour(seen), torch.relu(self.density(inner))], dim=-1)


def _encoded(x: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    angles = (x.unsqueeze(-1) * scales).flatten(-2)
    return torch.cat([x, torch.sin(angles), torch.cos(angles)], dim=-1)


def _perceptron(features: int, width: int, layers: int) -> nn.Sequential:
    modules: list[nn.Module] = []
    for index in range(layers):
        modules += [nn.Linear(width if index else features, width), nn.ReLU()]
    return nn.Sequential(*modules)


def build(layers: int, width: int, point_octaves: int, direction_octaves: int) -> nn.Module:
    """forward: points (batch, 3), directions (batch, 3) -> red, green, blue, density (batch, 4). layers: 2 or more."""
    return _Field(layers, width, point_octaves, direction_octaves)


def inputs(batch: int) -> dict[str, torch.Tensor]:
    """Points in the unit cube, and unit vectors."""
    return {"point": torch.rand(batch, 3), "direction": nn.functional.normalize(torch.randn(batch, 3))}


def targets(batch: int) -> torch.Tensor:
    """Colours and densities."""
    return torch.rand(batch, 4)
