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
from harness.plan.allowed.bounds import BOUNDS
from harness.plan.allowed.checks import one_of
from harness.plan.allowed.nearest import with_nearest
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
    device, dtype = given.get("device", DEVICES[0]), given.get("dtype", DTYPES[0])
    for key, word, known in (("--mode", mode, MODES), ("device", device, DEVICES), ("dtype", dtype, DTYPES)):
        one_of(key, word, known)
    config = Config(mode=[mode], dtype=[dtype], seed=_number("seed", given) or 0)
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
            allowed = f"KEY=VALUE with one of {with_nearest(key, KEYS)}"
            raise ConfigError(key, value if equals else "(missing)", allowed)
        if key in given:
            raise ConfigError(key, value, f"one value ({key}={given[key]} was given before)")
        # A list of one is what a sweep would be given.
        single = re.fullmatch(r"\[\s*([^\[\],]*?)\s*\]", value) if key != "hidden" else None
        given[key] = single[1] if single else value
    return given


def _number(key: str, given: dict[str, str]) -> int | None:
    if key not in given:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", given[key]) or not BOUNDS[key].holds(int(given[key])):
        raise ConfigError(key, given[key], f"one: {BOUNDS[key].words}")
    return int(given[key])


def _set_sizes(config: Config, given: dict[str, str]) -> None:
    sizes = {key: _number(key, given) for key in SIZES}
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
    try:
        fits = bool(out.name) and not out.is_dir() and out.parent.is_dir()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ConfigError("--out", out, f"a file in a folder that is there ({error.strerror})") from None
    if not fits:
        raise ConfigError("--out", out, "a file in a folder that is there")
    try:
        str(out.absolute()).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            "--out", out, "a file whose path is UTF-8: torch writes files of no other"
        ) from None


def _check_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("device", "cuda", "cpu, since torch sees no CUDA device here (harness doctor)")
