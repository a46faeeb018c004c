"""How much one sweep may ask for in all: values that each lie within their bounds can make a plan that never ends.

In: a Config whose values are checked. Out: nothing, or ConfigError. Must not know points, nor how they are laid out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core import axes
from harness.core.errors import ConfigError
from harness.plan.allowed.bounds import BOUNDS
from harness.plan.allowed.environments import environments_of
from harness.plan.allowed.modes import modes_in
from harness.plan.config import Config

MOST_POINTS = 50_000
_WHY_POINTS = "a second each is half a day"
MOST_LAYERS = 20_000_000
SWEPT = "model.sweep."
_WHY_LAYERS = "each is made as a module of its own"


def check_size(config: Config) -> None:
    """Before any point is made, and so before rules leave some out. Raises ConfigError that names the longest list."""
    most = int(BOUNDS["depth"].most)
    if config.hidden is not None and len(config.hidden) > most:
        allowed = f"at most {most:_} widths ({BOUNDS['depth'].why}), not {len(config.hidden):_}"
        raise ConfigError("hidden", config.hidden, allowed)
    counts = _counts(config)
    points = math.prod(counts.values())
    layers = points // counts.get("depth", 1) * _layers_of_a_width(config) if config.model.is_mlp else 0
    for number, limit, what, why in (
        (points, MOST_POINTS, "points", _WHY_POINTS),
        (layers, MOST_LAYERS, "layers", _WHY_LAYERS),
    ):
        if number > limit:
            longest = max(counts, key=lambda key: counts[key])
            swept = longest.removeprefix(SWEPT)
            product = " x ".join(f"{count} {key}" for key, count in counts.items() if count > 1)
            raise ConfigError(
                longest,
                config.model.sweep[swept] if swept != longest else getattr(config, longest),
                f"fewer values: {limit:_} {what} in one sweep at most ({why}), these are {number:_}"
                + (f" ({product})" if product else ""),
            )


def _counts(config: Config) -> dict[str, int]:
    """Key -> how many values it multiplies the points by."""
    models = ("depth", "width") if config.hidden is None and config.model.is_mlp else ()
    names = (name for name in axes.NAMES if name not in (axes.AUTOGRAD, axes.ENVIRONMENT))
    counts = {key: len(set(getattr(config, key))) for key in (*models, "batch", "devices", *names)}
    environments = environments_of(config)
    counts[axes.ENVIRONMENT] = len(environments)
    counts[axes.MODE] = max(len(modes_in(config.mode, each)) for each in environments)
    counts |= {f"{SWEPT}{name}": len(values) for name, values in config.model.sweep.items()}
    if set(config.workload) == {"forward"}:  # a training step is one point for all of its values
        counts[axes.AUTOGRAD] = len(set(config.autograd))
    return counts


def _layers_of_a_width(config: Config) -> int:
    depths: Sequence[int] = [len(config.hidden) + 1] if config.hidden is not None else config.depth or []
    return sum(set(depths))
