"""Where predicted steps are to run: a node by its profile, or the run's own device.

In: an analysed run, a profile. Out: a Target. Must not know fits, files or the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.analysis.run import Run
from harness.core.emulated import Profile, sound_profile
from harness.core.schema import OK
from harness.costs.usable import SYNCHRONOUS, shapes_of
from harness.kernels.links import Links, links_of
from harness.kernels.step import ONE_LAUNCH, launches

# Devices of a node where neither a profile nor the run says it.
PER_NODE = 8


@dataclass(frozen=True)
class Target:
    """Where the steps are to run.

    profile: the device's kernel times; None for the device of the run, by its fitted curve. links: None where the run
    does not tell them. launch_host_us: what each launch call costs more there than where issue was measured.
    launch_ratio: (mode, workload) -> counted launches / those of harness.kernels.step.launches.
    """

    name: str
    per_node: int
    profile: Profile | None = None
    links: Links | None = None
    launch_host_us: float = 0.0
    launch_ratio: dict[tuple[str, str], float] = field(default_factory=dict)


def target_of(
    run: Run, profile: Profile | None, network_gb_s: float | None = None, per_node: int | None = None
) -> Target:
    """The target of a run: the node of a profile, or with None the run's own device.

    network_gb_s: GB/s between two nodes; per_node: devices of one; None for what profile and device usually have.
    """
    kinds = set(run.points.loc[run.points["status"] == OK, "device_kind"])
    own = _own_profile(run.config) if kinds == {"emulated"} else None
    there = profile or own
    return Target(
        name=profile.name.removeprefix("Emulated ") if profile else _own_name(run.points),
        per_node=per_node or (there.devices if there else PER_NODE),
        profile=profile,
        links=links_of(there, network_gb_s, per_node) if there else None,
        launch_host_us=_dearer_launches(profile, own, kinds) if profile else 0.0,
        launch_ratio=_launch_ratios(run.points),
    )


def _own_profile(config: dict[str, Any]) -> Profile | None:
    """That of the emulated node on which the run was made; None where the configuration does not hold a sound one."""
    return sound_profile(config.get("emulator"))


def _own_name(points: pd.DataFrame) -> str:
    names = [str(name) for name in points["device_name"].unique() if name]
    return ", ".join(names) or "the run's device"


def _dearer_launches(profile: Profile, own: Profile | None, kinds: set[str]) -> float:
    """Microseconds that a launch call costs more under the profile than where issue was measured."""
    if kinds == {SYNCHRONOUS}:
        return profile.launch_host_us  # nothing was launched there
    return profile.launch_host_us - own.launch_host_us if own else 0.0


def _launch_ratios(points: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Launches that were counted over those that the list of a step's kernels has, per mode and workload."""
    counted = points[points["launches"].fillna(0) > 0] if "launches" in points else points.head(0)
    counted = counted[~counted["mode"].isin(ONE_LAUNCH)].assign(per_device=counted["batch"])
    ratios = {}
    for (mode, workload), rows in counted.groupby(["mode", "workload"], sort=False):
        listed = [launches(shape, str(mode)) for shape in shapes_of(rows)]
        ratios[str(mode), str(workload)] = float((rows["launches"].astype(float) / listed).median())
    return ratios
