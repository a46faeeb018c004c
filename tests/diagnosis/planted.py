"""Steps whose cause is planted: `harness diagnose planted:NAME` is to name it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NARROW, DEEP, WIDE = 64, 64, 1024
# Of a device that is hundreds of times as fast.
ROWS = 8192 if DEVICE == "cuda" else 256


def _mlp(depth: int, width: int) -> nn.Sequential:
    layers = [module for _ in range(depth) for module in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers).to(DEVICE).eval()


def narrow() -> tuple[nn.Module, torch.Tensor]:
    return _mlp(DEEP, NARROW), torch.randn(1, NARROW, device=DEVICE)


def wide() -> tuple[nn.Module, torch.Tensor]:
    return _mlp(2, WIDE), torch.randn(ROWS, WIDE, device=DEVICE)


class Sleeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = _mlp(8, NARROW)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            time.sleep(0.0005)  # planted
        result: torch.Tensor = self.layers(x)
        return result


def sleeping() -> tuple[nn.Module, torch.Tensor]:
    return Sleeps(), torch.randn(1, NARROW, device=DEVICE)


class Asks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = _mlp(16, 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
            x.sum().item()  # planted
        return x


def asking() -> tuple[nn.Module, torch.Tensor]:
    return Asks(), torch.randn(ROWS // 4, 256, device=DEVICE)


class Slow(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.003)
        return torch.ones(NARROW)


def loading() -> Callable[[], Any]:
    model = _mlp(8, NARROW)
    batches: Iterator[torch.Tensor] = iter(DataLoader(Slow(), batch_size=1))

    def step() -> torch.Tensor:
        with torch.inference_mode():
            batch = next(batches)  # planted
            result: torch.Tensor = model(batch.to(DEVICE))
            return result

    return step


def captured() -> Callable[[], Any]:
    """Under a CUDA graph already."""
    model, x = _mlp(16, 512), torch.randn(2048, 512, device=DEVICE)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode():
        model(x)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            model(x)

    def step() -> None:
        graph.replay()

    return step


def line_of(function: Callable[..., Any] | type) -> int:
    """The line within a function's source that is marked as planted."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return first + next(place for place, text in enumerate(lines) if "# planted" in text)
