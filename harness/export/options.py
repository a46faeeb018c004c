"""What `harness export` is asked for: a model's options, a mode and a file name, checked.

In: words of the command line. Out: an Order. Must not know how a model is saved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import ConfigError, HarnessError
from harness.modes import get_mode
from harness.plan.allowed.words import DTYPES
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Point
from harness.plan.validate import validate

MODES = ("script", "trace", "aoti")
DEVICES = ("cpu", "cuda")
# Who issues the work where the runner does: no controller of a sweep, so that its rows have keys of their own.
CONTROLLER = "native"

SIZES = ("depth", "width", "in_features", "out_features", "batch")
KEYS = ("depth", "width", "hidden", "in_features", "out_features", "batch", "dtype", "seed", "device")


@dataclass(frozen=True)
class Order:
    """What to export. point: its place on every axis, with the runner as controller."""

    point: Point
    device: str
    seed: int
    out: Path


def read_order(options: Sequence[str], mode: str, out: Path) -> Order:
    """Check the arguments. Raises ConfigError for the first that is refused."""
    given = _split(options)
    if mode not in MODES:
        raise ConfigError("--mode", mode, ", ".join(MODES))
    device = given.get("device", "cpu")
    if device not in DEVICES:
        raise ConfigError("device", device, ", ".join(DEVICES))
    if given.get("dtype", DTYPES[0]) not in DTYPES:
        raise ConfigError("dtype", given["dtype"], ", ".join(DTYPES))
    config = Config(mode=[mode], dtype=[given.get("dtype", DTYPES[0])], seed=_number("seed", given, 0) or 0)
    config.device.kind = device
    _set_sizes(config, given)
    _check_out(mode, out)
    inventory = Inventory(device, count=1, name=device, cores=os.cpu_count() or 1)
    (planned,) = make_plan(validate(config), inventory).points
    point = replace(planned, controller=CONTROLLER)
    # Last, since looking may import torch.
    if reason := get_mode(mode).unsupported(workload=point.workload, dtype=point.dtype, device_kind=device):
        raise HarnessError(f"--mode={mode}: not possible here: {reason}")
    if device == "cuda":
        _check_cuda()
    return Order(point, device, config.seed, out)


def _split(options: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in options:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            raise ConfigError(
                key, value if equals else "(missing)", f"KEY=VALUE with one of {', '.join(KEYS)}"
            )
        if key in given:
            raise ConfigError(key, value, f"one value ({key}={given[key]} was given before)")
        # A list of one is what a sweep would be given.
        single = re.fullmatch(r"\[\s*([^\[\],]*?)\s*\]", value) if key != "hidden" else None
        given[key] = single[1] if single else value
    return given


def _number(key: str, given: dict[str, str], least: int) -> int | None:
    if key not in given:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", given[key]) or int(given[key]) < least:
        raise ConfigError(key, given[key], f"one whole number of at least {least}")
    return int(given[key])


def _set_sizes(config: Config, given: dict[str, str]) -> None:
    sizes = {key: _number(key, given, 1) for key in SIZES}
    depth, width = sizes["depth"], sizes["width"]
    if "hidden" in given:
        widths = re.fullmatch(r"\[\s*([1-9]\d{0,17}(\s*,\s*[1-9]\d{0,17})*)\s*\]", given["hidden"])
        if not widths or depth is not None or width is not None:
            raise ConfigError("hidden", given["hidden"], "widths such as [256,128], without depth and width")
        config.hidden = [int(number) for number in widths[1].split(",")]
    else:
        for key in ("depth", "width"):
            if sizes[key] is None:
                raise ConfigError(key, "(missing)", f"a whole number, e.g. {key}=64, or hidden=[256,128]")
        config.depth, config.width = [depth or 0], [width or 0]
    config.in_features, config.out_features = sizes["in_features"], sizes["out_features"]
    config.batch = [sizes["batch"] or 1]


def _check_out(mode: str, out: Path) -> None:
    if mode == "aoti" and out.suffix != ".pt2":
        raise ConfigError("--out", out, "a name ending in .pt2 with --mode=aoti, which torch asks for")
    if not out.name or out.is_dir() or not out.parent.is_dir():
        raise ConfigError("--out", out, "a file in a folder that is there")


def _check_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("device", "cuda", "cpu, since torch sees no CUDA device here (harness doctor)")
