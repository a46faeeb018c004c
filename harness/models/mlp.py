"""The model that is swept by default: a multi-layer perceptron, and its input.

In: layer widths, dtype, device, seed. Out: a module and tensors. Must not know modes or timing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


class MLP(nn.Sequential):
    """Linear layers with ReLU between them, built as users and textbooks build it: a module around the layers would
    be one call more in every step of eager, 3 to 5 % of three layers.

    sizes: widths from input to output, so len(sizes) - 1 Linear layers.
    forward: (batch, sizes[0]) -> (batch, sizes[-1]).
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            if index:
                layers.append(nn.ReLU())
            layers.append(nn.Linear(fan_in, fan_out))
        super().__init__(*layers)


def build_empty_model(sizes: Sequence[int], *, dtype: str, device: torch.device) -> MLP:
    """An MLP whose parameters hold whatever its memory does: enough for a device that computes nothing.

    Built where it is to be: eight ranks with a copy each would not fit the host that a large node has
    memory for.
    """
    with torch.device("meta"):
        model = MLP(sizes)
    return model.to(getattr(torch, dtype)).to_empty(device=device)


def copied(original: MLP, sizes: Sequence[int]) -> MLP:
    """Another MLP of those sizes with the parameters of the original, on its device."""
    first = next(original.parameters())
    model = build_empty_model(sizes, dtype=str(first.dtype).removeprefix("torch."), device=first.device)
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), original.parameters(), strict=True):
            ours.copy_(theirs)
    return model


def build_model(sizes: Sequence[int], *, dtype: str, device: torch.device, seed: int) -> MLP:
    """An MLP with the same parameters on every rank.

    He initialisation (He et al., 2015) keeps activations and gradients of order 1 through 64 layers.
    torch's default lets them shrink: the output of a deep model would hardly depend on its input, so
    that comparing outputs between modes would prove little, and gradients would become denormal
    numbers, which CPUs compute many times slower.
    """
    generator = torch.Generator().manual_seed(seed)
    model = MLP(sizes)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                nn.init.uniform_(layer.bias, -0.1, 0.1, generator=generator)
    return model.to(device=device, dtype=getattr(torch, dtype))


def build_batch(
    samples: int, features: int, classes: int, *, dtype: str, device: torch.device, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (samples x features) and class labels (samples,), different for each seed."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, features, generator=generator).to(
        device=device, dtype=getattr(torch, dtype)
    )
    labels = torch.randint(classes, (samples,), generator=generator).to(device=device)
    return inputs, labels


def build(depth: int, width: int) -> MLP:
    """Of so many layers, all of one width; drawn by torch's own generator."""
    seed = int(torch.randint(2**31, ()).item())
    return build_model([width] * (depth + 1), dtype="float32", device=torch.device("cpu"), seed=seed)


def inputs(batch: int, width: int) -> torch.Tensor:
    """Samples (batch x width)."""
    return torch.randn(batch, width)
