"""The command `harness predict`: what a node that is not here would do, from a run that is.

In: arguments. Out: predicted.csv, figures, a table on the terminal that leads with the model's error, and an exit
status. Must not know how costs are fitted nor how figures are drawn. What predicts is imported when it predicts.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.shared.given import given_profile, given_run
from harness.commands.shared.parser import Parser
from harness.core.controllers import CONTROLLERS
from harness.core.errors import ConfigError, HarnessError
from harness.core.schema import OK
from harness.plan.allowed.bounds import BOUNDS, Bound
from harness.plan.allowed.nearest import with_nearest

if TYPE_CHECKING:
    from harness.analysis.run import Run
    from harness.costs.prediction import Wanted
    from harness.costs.step import Fit

DESCRIPTION = """Predict step time, utilisation, the devices that one thread can feed, and the batch at which each mode
stops being dispatch-bound, for a node that was not measured. Predicted, not measured: docs/cost-model.md."""

_BOUNDS = {
    "network_gb_s": Bound(0, 1e7, "no link comes near", above=True, whole=False),
    "per_node": BOUNDS["launcher.devices_per_node"],
}
# A prediction starts nothing: a cluster of any size may be asked about.
_MOST = {"devices": 2**30}
MOST_CELLS = 10_000


def main(arguments: list[str]) -> int:
    """Answers the exit status. Raises ConfigError for what is refused."""
    given = _parser().parse_args(arguments)
    wanted = _wanted(given)
    for key, bound in _BOUNDS.items():
        value = getattr(given, key)
        if value is not None and not bound.holds(value):
            raise ConfigError(f"--{key.replace('_', '-')}", value, bound.words)
    _check_size(given, wanted)
    profile = None if given.profile is None else given_profile(given.profile)
    run = _run(given.run)
    fit = _fit(given.run, run)
    from rich.console import Console

    from harness.costs.prediction import predict
    from harness.costs.target import target_of
    from harness.report.prediction import write_prediction
    from harness.report.prediction_terminal import print_prediction

    prediction = predict(run, fit, target_of(run, profile, given.network_gb_s, given.per_node), wanted)
    if prediction.table.empty:
        raise ConfigError(
            "--devices", given.devices, "1 under train where no links are known; or name a --profile"
        )
    out = given.out or given.run
    try:
        paths = write_prediction(prediction, out)
    except OSError as error:
        raise HarnessError(f"--out={out}: cannot be written: {error.strerror or error}") from error
    print_prediction(Console(), prediction, paths)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="harness predict", description=DESCRIPTION)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, on any device")
    parser.add_argument(
        "--profile", help="device to predict: v100x8, a100x8, h100x8, h200x8 (default: the run's own)"
    )
    parser.add_argument("--devices", default="1,2,4,8", help="device counts, e.g. 1,8,64,1024")
    parser.add_argument(
        "--batch", help="samples per device (default: powers of two until no mode is dispatch-bound)"
    )
    parser.add_argument("--depth", help="layers (default: the run's models)")
    parser.add_argument("--width", help="layer width (default: the run's models)")
    parser.add_argument("--controller", help="processes,threads,loop (default: all three)")
    parser.add_argument(
        "--network-gb-s", type=float, help="GB/s between two nodes (default: by the profile's device)"
    )
    per_node = "devices of a node (default: the profile's, else that of the run's emulated node, else 8)"
    parser.add_argument("--per-node", type=int, help=per_node)
    parser.add_argument("--out", type=Path, help="folder to write to (default: RUN)")
    return parser


def _wanted(given: argparse.Namespace) -> Wanted:
    devices, batches, depths, widths = (
        _numbers(name, getattr(given, name)) for name in ("devices", "batch", "depth", "width")
    )
    controllers = given.controller.split(",") if given.controller else list(CONTROLLERS)
    for name in controllers:
        if name not in CONTROLLERS:
            raise ConfigError("--controller", name, with_nearest(name, list(CONTROLLERS)))
    from harness.costs.prediction import Wanted

    return Wanted(devices or [], controllers, batches, depths, widths)


def _numbers(key: str, text: str | None) -> list[int] | None:
    """Whole numbers of a comma-separated list, each once and in order."""
    if text is None:
        return None
    words, most = [word.strip() for word in text.strip("[]").split(",")], _MOST.get(key, BOUNDS[key].most)
    if not all(word.isascii() and word.isdigit() and 0 < int(word[:19]) <= most for word in words):
        raise ConfigError(
            f"--{key}", text, f"whole numbers from 1 to {most:_}, with commas between, e.g. 1,8,64,1024"
        )
    return sorted({int(word) for word in words})


def _check_size(given: argparse.Namespace, wanted: Wanted) -> None:
    lists = {
        "devices": wanted.devices,
        "batch": wanted.batches,
        "depth": wanted.depths,
        "width": wanted.widths,
    }
    counts = {key: len(values) for key, values in lists.items() if values}
    longest = max(counts, key=lambda key: counts[key])
    if (cells := math.prod(counts.values())) > MOST_CELLS:
        allowed = f"fewer values: {MOST_CELLS:_} cells at most, a row each, these are {cells:_}"
        raise ConfigError(f"--{longest}", getattr(given, longest), allowed)


def _run(directory: Path) -> Run:
    run = given_run(directory)
    if not (run.points["status"] == OK).any():
        raise ConfigError("RUN", directory, "a run with at least one point that is ok; this one has none")
    return run


def _fit(directory: Path, run: Run) -> Fit:
    from harness.costs.step import fit

    found = fit(run.points)
    if not found.costs:
        why = " ".join(found.refused) or "no point of it is an MLP with a step time"
        raise ConfigError("RUN", directory, f"a run that a model can be fitted on: {why}")
    return found
