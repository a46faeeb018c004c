"""The models of a sweep: of the MLP a model for each depth and width, of another one for each combination of arguments.

In: a checked Config. Out: what tells the points of one model from another's. Must not know torch, points, nor how a
model is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from harness.plan.config import Config, ModelConfig
from harness.plan.recipe import Recipe, as_json


@dataclass(frozen=True)
class Model:
    """sizes: of an MLP its layer widths from input to output; of any other model empty."""

    name: str
    sizes: tuple[int, ...]
    recipe: Recipe

    @property
    def depth(self) -> int | None:
        """Linear layers of an MLP: the last of them leads to the output."""
        return len(self.sizes) - 1 if self.sizes else None

    @property
    def width(self) -> int | None:
        """Of an MLP's widest hidden layer."""
        return max(self.sizes[1:-1], default=self.sizes[0]) if self.sizes else None


def models_of(config: Config) -> list[Model]:
    """Each once, in the order of the axes."""
    return once(list(_mlps(config) if config.model.is_mlp else _made(config.model)))


def once(values: list[Any]) -> list[Any]:
    """Each value once, in order: a value given twice is one point, not two."""
    return list(dict.fromkeys(values))


def _mlps(config: Config) -> Iterator[Model]:
    recipe = Recipe(loss=config.model.loss or "", optimizer=config.model.optimizer or "")
    if config.hidden is not None:
        hidden = config.hidden
        sizes = (config.in_features or hidden[0], *hidden, config.out_features or hidden[-1])
        yield Model(_mlp_name(sizes), sizes, recipe)
        return
    # Two widths make the same model where there is no hidden layer.
    for depth, width in product(config.depth or [], config.width or []):
        sizes = (config.in_features or width, *[width] * (depth - 1), config.out_features or width)
        yield Model(_mlp_name(sizes), sizes, recipe)


def _made(model: ModelConfig) -> Iterator[Model]:
    for values in product(*model.sweep.values()):
        swept = dict(zip(model.sweep, values, strict=True))
        recipe = Recipe(
            target=model.target or "",
            inputs=model.inputs or "",
            targets=model.targets or "",
            args=as_json({**model.args, **swept}),
            loss=model.loss or "",
            optimizer=model.optimizer or "",
        )
        said = [f"{name}={json.dumps(value)}" for name, value in swept.items()]
        yield Model(" ".join([_name_of(model), *said]), (), recipe)


def _name_of(model: ModelConfig) -> str:
    """A model that is somebody's own is called by what makes it."""
    return model.target or model.name if model.name == "custom" else model.name


def _mlp_name(sizes: tuple[int, ...]) -> str:
    if len(set(sizes)) == 1:
        return f"mlp-{sizes[0]}x{len(sizes) - 1}"
    if len(sizes) <= 8:
        return "mlp-" + "-".join(map(str, sizes))
    if len(set(sizes[1:-1])) == 1:
        return f"mlp-{sizes[0]}-{sizes[1]}x{len(sizes) - 2}-{sizes[-1]}"
    digest = hashlib.sha256(repr(sizes).encode()).hexdigest()[:6]
    return f"mlp-{sizes[0]}-...-{sizes[-1]}-{len(sizes) - 1}-layers-{digest}"
