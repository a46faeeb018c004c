"""Between which numbers each key's lie, and why no further: a number that cannot be meant is refused at once, and not
after it was planned, allocated or waited for.

In: a Config. Out: nothing, or ConfigError. Must not know what a number is used for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from harness.core.emulated import Profile
from harness.core.errors import ConfigError
from harness.core.numbers import is_number
from harness.plan.config import Config


@dataclass(frozen=True)
class Bound:
    """From least to most, both allowed but for least where `above`. why: no further. whole: no fractions."""

    least: float
    most: float
    why: str
    above: bool = False
    whole: bool = True

    def holds(self, value: float) -> bool:
        """Not for what is no number either."""
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    @property
    def words(self) -> str:
        number = "a whole number" if self.whole else "a number"
        least = f"above {self.least:g}" if self.above else f"of at least {self.least:g}"
        most = f"{self.most:_.10g}"  # as a number may be written on the command line
        return f"{number} {least} and at most {most} ({self.why})"


def _seconds(most: float, why: str) -> Bound:
    return Bound(0, most, why, above=True, whole=False)


_LAYER = "a layer of them holds the square of it in parameters"
_LONG_ENOUGH = "no figure gets better by more"

# Key -> its bound; of a list, of each of its values. Those of emulator.* are the profile's own (emulator/profile.py).
BOUNDS = {
    "depth": Bound(1, 100_000, "each layer is a module"),
    "width": Bound(1, 2**20, _LAYER),
    "hidden": Bound(1, 2**20, _LAYER),
    "in_features": Bound(1, 2**24, "the first layer has as many columns"),
    "out_features": Bound(1, 2**24, "the last layer has as many rows"),
    "batch": Bound(1, 2**31 - 1, "samples are counted in 32 bits by many kernels"),
    "devices": Bound(1, 65_536, "each is driven by a process or thread of its own"),
    "seed": Bound(0, 2**32 - 1, "combined with ranks it must fit torch's 64 bits"),
    "timeout_s": _seconds(7 * 86_400, "a week without progress"),
    "device.threads": Bound(1, 4096, "no node has more cores"),
    "launcher.startup_timeout_s": _seconds(86_400, "a day to start in"),
    "launcher.devices_per_node": Bound(1, 1024, "no node has more"),
    "timing.block_ms": _seconds(60_000, "many short blocks beat few long ones"),
    "timing.sessions": Bound(1, 1000, _LONG_ENOUGH),
    "timing.max_sessions": Bound(1, 1000, _LONG_ENOUGH),
    "timing.builds": Bound(1, 1000, _LONG_ENOUGH),
    "timing.rounds": Bound(1, 1_000_000, _LONG_ENOUGH),
    "timing.visit_rounds": Bound(1, 1_000_000, _LONG_ENOUGH),
    "timing.rel_width": Bound(0, 0.999, "between 0 and 1, a share such as 0.02", above=True, whole=False),
    "timing.rel_width_step": Bound(
        0, 0.999, "between 0 and 1, a share such as 0.05", above=True, whole=False
    ),
    "timing.null_every": Bound(0, 1_000_000, "1 for every cell, 0 for none"),
    "timing.warmup_max_s": _seconds(3600, "what has not settled after an hour never will"),
    "timing.max_cell_s": _seconds(86_400, "a day for one cell"),
    "monitor.hz": Bound(
        0.01, 50, "NVML's values change no faster; less is no sample in a sweep", whole=False
    ),
    "monitor.window_s": Bound(0, 3600, "power and utilisation are known after seconds", whole=False),
}


def check_bounds(config: Config) -> None:
    """Raises ConfigError for the first number out of its bounds. None is left to its default."""
    for key, value in numbers_of(config):
        bound = BOUNDS[key]
        if not (is_number(value) and bound.holds(value)):
            raise ConfigError(key, value, bound.words)


def numbers_of(config: Config) -> Iterator[tuple[str, object]]:
    """Key and value of each number, of lists one after the other. A list may hold anything."""
    for key, kind, value in _leaves("", config):
        if key in BOUNDS and value is not None:
            yield from ((key, number) for number in (value if "list" in kind else [value]))


def numeric_keys() -> list[str]:
    """Of all numbers of a configuration, by their types."""
    config = Config()
    return [key for key, kind, _ in _leaves("", config) if "int" in kind or "float" in kind]


def _leaves(prefix: str, part: Any) -> Iterator[tuple[str, str, Any]]:
    """Key, type in words, value."""
    hints = get_type_hints(type(part))
    for field in fields(part):
        value = getattr(part, field.name)
        key = f"{prefix}{field.name}"
        if is_dataclass(value) and not isinstance(value, Profile):
            yield from _leaves(f"{key}.", value)
        else:
            yield key, str(hints[field.name]), value
