"""Columns that compare points: scaling efficiency with one device, dispatch share with the fastest mode, verdicts.

In: the points' table with `scaling` beside its columns, and what each session found of its points. Out: the table,
completed. Must not know records.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.analysis import by_session as quantities
from harness.analysis.by_session import BySession
from harness.analysis.noise import noise_floor
from harness.core import axes, schema, warnings
from harness.core.stats.intervals import Error, Interval
from harness.core.stats.verdicts import verdict

# How far NVML's utilisation may be from the share of a step in which the device works, in percentage points.
UTILISATION_AGREES = 10.0


def add_relations(frame: pd.DataFrame, found: Mapping[str, BySession]) -> None:
    """In place. found: by point key."""
    if frame.empty:
        return
    _add(frame, "scaling_efficiency", _scaling_efficiency(frame, found))
    _add(frame, "dispatch_share", _dispatch_share(frame, found))
    frame["feedable_devices"] = frame["device_us"] / frame["issue_us"]
    frame["verdict"] = verdicts(frame)
    busy = 100 * (1 - frame["dispatch_share"])
    apart = (frame["util_mean_pct"] - busy).abs() > UTILISATION_AGREES
    frame.loc[apart, "warnings"] = [
        warnings.added(text, warnings.UTILISATION_DIFFERS) for text in frame.loc[apart, "warnings"]
    ]


def _add(frame: pd.DataFrame, figure: str, intervals: Mapping[str, Interval]) -> None:
    """intervals: by point key; the columns of others stay empty."""
    for name in (figure, *schema.ends(figure)):
        frame[name] = [
            schema.with_ends(figure, intervals[key])[name] if key in intervals else np.nan
            for key in frame["key"]
        ]


def _scaling_efficiency(frame: pd.DataFrame, found: Mapping[str, BySession]) -> dict[str, Interval]:
    others = [*(axis for axis in axes.AXES if axis != "devices"), axes.SCALING]
    places = list(frame[others].itertuples(index=False, name=None))
    table = list(zip(places, frame["key"], frame["devices"], strict=True))
    alone = {place: found[key] for place, key, devices in table if devices == 1 and key in found}
    intervals: dict[str, Interval] = {}
    for place, key, devices in table:
        if key not in found or place not in alone:
            continue
        if devices == 1:
            intervals[key] = Interval(1.0, 1.0, 1.0)
            continue
        ours = found[key].error(quantities.THROUGHPUT)
        theirs = alone[place].error(quantities.THROUGHPUT)
        if ours and theirs:
            intervals[key] = ours.over(theirs).interval().times(1 / int(devices))
    return intervals


def _dispatch_share(frame: pd.DataFrame, found: Mapping[str, BySession]) -> dict[str, Interval]:
    """On CPU the core is host and device in one; what is left without Python is the fastest mode that leaves Python
    out: paired within rounds where the reference mode is there, so that its share is 1 - 1 / speed-up of that mode. On
    other devices the share comes from device_us."""
    fastest = _fastest_without_python(frame)
    cells = list(frame[list(axes.LADDER)].itertuples(index=False, name=None))
    intervals: dict[str, Interval] = {}
    for cell, key, kind in zip(cells, frame["key"], frame["device_kind"], strict=True):
        if key not in found:
            continue
        if kind != "cpu":
            left = found[key].share(quantities.DEVICE, found[key], quantities.STEP)
            # A device that is never kept waiting takes as long as the step but for noise, which is no share.
            least = 0.0
        elif cell in fastest:
            left = _left(found[fastest[cell]], found[key])
            least = -np.inf
        else:
            continue
        if left is not None:
            intervals[key] = left.interval().taken_from_one(least)
    return intervals


def _left(fastest: BySession, own: BySession) -> Error | None:
    """The fastest mode's step over another's of its cell: by the speed-ups of both over the reference mode in the same
    sessions, since step times of a noisy round differ by more than its ratios; without that mode by their times."""
    slower = fastest.share(quantities.SPEEDUP, own, quantities.SPEEDUP)
    if slower is not None:
        return slower.inverse()
    return fastest.share(quantities.STEP, own, quantities.STEP)


def _fastest_without_python(frame: pd.DataFrame) -> dict[tuple[object, ...], str]:
    """Cell and environment -> key of the mode, for those on a CPU that have one."""
    rows = frame[
        (frame["device_kind"] == "cpu") & (frame["needs_python"] == schema.NO) & frame["step_us"].notna()
    ]
    # By the paired speed-up where there is one, as a comparison of two modes is.
    rows = rows.sort_values(["speedup_vs_eager", "step_us"], ascending=[False, True], kind="stable")
    rows = rows.drop_duplicates(list(axes.LADDER))
    return dict(zip(rows[list(axes.LADDER)].itertuples(index=False, name=None), rows["key"], strict=True))


def verdicts(frame: pd.DataFrame) -> list[str]:
    """Each by the noise floor of its like: where ranks wait for cores, two builds of eager differ by more."""
    disturbed = [warnings.carries(text, warnings.OVERSUBSCRIBED) for text in frame["warnings"]]
    floors = {
        name: noise_floor(rows).relative
        for name, rows in frame.groupby([frame["device_kind"], pd.Series(disturbed, index=frame.index)])
    }
    compared = frame["speedup_vs_eager"].notna() & (frame["mode"] != schema.REFERENCE_MODE)
    rows = zip(
        compared, frame["speedup_low"], frame["speedup_high"], frame["device_kind"], disturbed, strict=True
    )
    return [
        verdict(low, high, floors[kind, crowded]) if is_compared else ""
        for is_compared, low, high, kind, crowded in rows
    ]
