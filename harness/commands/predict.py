"""The command `harness predict`: what a node that is not here would do, from a run that is.

In: arguments. Out: predicted.csv, figures, a table on the terminal that leads with the model's error, and an exit
status. Must not know how costs are fitted nor how figures are drawn. Drawing is imported when it draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.errors import ConfigError, HarnessError

DESCRIPTION = """Predict step time, utilisation, the devices that one thread can feed, and the batch at which each mode
stops being dispatch-bound, for a node that was not measured. Predicted, not measured: docs/cost-model.md."""

PER_NODE = 8  # where neither a profile nor the run says how many devices a node has


def main(arguments: list[str]) -> int:
    """Answers the exit status. Raises ConfigError for what is refused."""
    given = _parser().parse_args(arguments)
    from harness.analysis.run import load_run
    from harness.core.controllers import CONTROLLERS

    wanted = {
        name: _numbers(f"--{name}", getattr(given, name)) for name in ("devices", "batch", "depth", "width")
    }
    controllers = given.controller.split(",") if given.controller else list(CONTROLLERS)
    for name in controllers:
        if name not in CONTROLLERS:
            raise ConfigError("--controller", name, ", ".join(CONTROLLERS))
    for key in ("network_gb_s", "per_node"):
        value = getattr(given, key)
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"--{key.replace('_', '-')}", value, "a number above 0")
    profile = _profile(given.profile)
    try:
        run = load_run(given.run)
    except OSError as error:
        raise HarnessError(f"RUN={given.run}: cannot be read: {error.strerror or error}") from error
    return _predict(run, profile, controllers, wanted, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness predict", description=DESCRIPTION)
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


def _numbers(key: str, text: str | None) -> list[int] | None:
    """Whole numbers of a comma-separated list, each once and in order."""
    if text is None:
        return None
    words = [word.strip() for word in text.strip("[]").split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word[:19]) <= 2**30 for word in words):
        raise ConfigError(key, text, "whole numbers from 1 to 2^30, with commas between, e.g. 1,8,64,1024")
    return sorted({int(word) for word in words})


def _profile(name: str | None) -> Any:
    if name is None:
        return None
    from harness.core.emulated import EmulatorError, load_profile

    try:
        return load_profile(name)
    except (EmulatorError, OSError) as error:
        allowed = str(error).rpartition("allowed: ")[2]
        raise ConfigError("--profile", name, allowed) from None


def _predict(run: Any, profile: Any, controllers: Sequence[str], wanted: Any, given: Any) -> int:
    from rich.console import Console

    from harness.report.plotting import load_matplotlib

    load_matplotlib()
    from harness.costs.forecast import forecast
    from harness.costs.step import fit

    if not (run.points["status"] == "ok").any():
        raise ConfigError("RUN", given.run, "a run with at least one point that is ok; this one has none")
    fitted = fit(run.points)
    if not fitted.costs:
        raise ConfigError(
            "RUN", given.run, "a run that a model can be fitted on: " + " ".join(fitted.refused)
        )
    target = target_of(run, profile, given.network_gb_s, given.per_node)
    models = _models(run.points, wanted["depth"], wanted["width"])
    table = forecast(fitted.costs, models, wanted["batch"], wanted["devices"], controllers, target)
    if table.empty:
        raise ConfigError(
            "--devices", given.devices, "1 under train where no links are known; or name a --profile"
        )
    notes = list(fitted.refused)
    if target.links is None and (table["workload"] == "train").any() and max(wanted["devices"]) > 1:
        notes.append(
            "Training on more than one device is left out: no links are known; --profile names a node."
        )
    out = given.out or given.run
    try:
        paths = _write(table, fitted, run, target.name, out)
    except OSError as error:
        raise HarnessError(f"--out={out}: cannot be written: {error.strerror or error}") from error
    from harness.report.prediction import show

    show(Console(), table, fitted, target.name, [*notes], paths)
    return 0


def target_of(run: Any, profile: Any, network_gb_s: float | None = None, per_node: int | None = None) -> Any:
    """The Target of a run: a profile, or with None the run's own device."""
    from harness.core.emulated import Profile, problems
    from harness.costs.forecast import Target
    from harness.costs.roofline import links_of

    kinds = set(run.points.loc[run.points["status"] == "ok", "device_kind"])
    own = None
    if isinstance(held := run.config.get("emulator"), dict) and kinds == {"emulated"}:
        try:
            own = Profile(**held)
        except TypeError:
            own = None
        if own is not None and problems(own):
            own = None
    there = profile or own
    links = links_of(there, network_gb_s, per_node) if there else None
    names = [str(name) for name in run.points["device_name"].unique() if name]
    extra = 0.0
    if profile is not None and kinds == {"cpu"}:
        extra = profile.launch_host_us  # nothing was launched where issue was measured
    elif profile is not None and own is not None:
        extra = profile.launch_host_us - own.launch_host_us
    return Target(
        name=profile.name.removeprefix("Emulated ") if profile else ", ".join(names) or "the run's device",
        per_node=per_node or (there.devices if there else PER_NODE),
        profile=profile,
        links=links,
        launch_host_us=extra,
        launch_ratio=_launch_ratios(run.points),
    )


def _launch_ratios(points: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Launches that were counted over those that a roofline's list of kernels has, per mode and workload."""
    from harness.costs.roofline import ONE_LAUNCH, launches
    from harness.costs.usable import shapes_of

    counted = points[points["launches"].fillna(0) > 0] if "launches" in points else points.head(0)
    counted = counted[~counted["mode"].isin(ONE_LAUNCH)].assign(per_device=counted["batch"])
    ratios = {}
    for (mode, workload), rows in counted.groupby(["mode", "workload"], sort=False):
        listed = [launches(shape, str(mode)) for shape in shapes_of(rows)]
        ratios[str(mode), str(workload)] = float((rows["launches"].astype(float) / listed).median())
    return ratios


def _models(
    points: pd.DataFrame, depths: list[int] | None, widths: list[int] | None
) -> list[tuple[int, ...]]:
    from harness.costs.roofline import sizes_of

    known = points[["model", "depth", "width"]].drop_duplicates()
    if depths is None and widths is None:
        named = zip(known["model"], known["depth"], known["width"], strict=True)
        return list(dict.fromkeys(sizes_of(str(m), int(d), int(w)) for m, d, w in named))
    depths = depths or sorted({int(depth) for depth in known["depth"]})
    widths = widths or sorted({int(width) for width in known["width"]})
    return [(width,) * (depth + 1) for depth in depths for width in widths]


def _write(table: pd.DataFrame, fitted: Any, run: Any, target: str, out: Path) -> list[Path]:
    from harness.report.destination import destination
    from harness.report.prediction import draw_all
    from harness.report.result import FIGURES

    made = destination([run], out, "predicted.csv", FIGURES)
    csv = made.write_text(
        "predicted.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    )
    return [csv, *draw_all(table, fitted, run, target, made)]
