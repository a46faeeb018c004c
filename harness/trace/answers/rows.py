"""The figures of a rank's devices, for the whole trace and for each of its steps: the rows of trace.csv and gaps.csv.

In: a Rank. Out: rows. Must not know files, nor how any of it is drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from math import inf, nan, sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np

from harness.core.stats.intervals import t_quantile
from harness.trace.host import HOST_PARTS
from harness.trace.idle import CAUSES, HOST_LATE, SYNCHRONISED, Device
from harness.trace.launches import launch_cost
from harness.trace.looked import Rank
from harness.trace.reading.trace import KERNEL

US = 1000
# Of the whole: the mean over its steps, and the ends of that mean's 95 % interval.
OVER_STEPS = ("step_us", "idle_share_step", "host_late_share_step")
COLUMNS = (
    *("rank", "device", "step", "span_us", "busy_share", "idle_share"),
    *(f"{cause}_share" for cause in CAUSES),
    *("issue_us", "device_us", "dispatch_share", "launches", "feedable_devices"),
    *("collective_wait_share", "others_host_share"),
    *(f"host_{part}_share" for part in HOST_PARTS),
    *("launch_us", "kernel_us", "short_kernels_share"),
    *("steps", *(f"{name}{end}" for name in OVER_STEPS for end in ("", "_low", "_high"))),
    "file",
)
_CAUSE_COLUMNS = [f"{cause}_us" for cause in CAUSES]
GAP_COLUMNS = (
    *("rank", "device", "start_us", "length_us"),
    *_CAUSE_COLUMNS,
    *("ended_by", "call", "operator", "python", "file"),
)


def rows(rank: Rank) -> Iterator[dict[str, Any]]:
    """Of trace.csv: each device as a whole, then its steps."""
    for device in rank.whole:
        of_steps = [_row(rank, each, number) for number, each in rank.steps_of(device)]
        yield {**_row(rank, device, None), **_over_steps(of_steps)}
        yield from of_steps


def gap_rows(rank: Rank, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Of gaps.csv: the longest first. most: so many of each device."""
    trace, texts = rank.trace, rank.trace.names.texts
    begin = min((device.start for device in rank.whole), default=0)
    for device in rank.whole:
        gaps = device.gaps
        longest = np.argsort(-gaps.lengths, kind="stable")[:most]
        causes = [device.of_gaps(cause) for cause in CAUSES]
        # Some at a time: as numbers of Python's they take ten times the room.
        for some in np.array_split(longest, len(longest) // 10_000 + 1):
            parts = np.stack([of_gaps[some] for of_gaps in causes], axis=1) / US
            columns = (each[some].tolist() for each in (gaps.ended_by, gaps.call, gaps.starts, gaps.lengths))
            for row, call, start, length, of_causes in zip(*columns, parts.tolist(), strict=True):
                yield {
                    "rank": trace.rank,
                    "device": device.number,
                    "start_us": (start - begin) / US,
                    "length_us": length / US,
                    **dict(zip(_CAUSE_COLUMNS, of_causes, strict=True)),
                    "ended_by": texts[trace.work["name"][row]] if row >= 0 else "",
                    "call": texts[trace.calls["name"][call]] if call >= 0 else "",
                    "operator": rank.operators[call],
                    "python": rank.python[call],
                    "file": trace.path.name,
                }


def blocking_calls(rank: Rank, device: Device) -> Counter[tuple[str, str]]:
    """(call, operator around it) -> ns that a device was idle while its host was blocked there."""
    found: Counter[tuple[str, str]] = Counter()
    calls, texts = rank.trace.calls, rank.trace.names.texts
    blocks = rank.idle.host.blocking_rows
    starts = calls["start"][blocks].tolist()
    for start, end in device.causes[SYNCHRONISED]:
        # Calls of several threads overlap: the one that began last before it.
        row = int(blocks[bisect_right(starts, start) - 1])
        found[texts[calls["name"][row]], rank.operators[row]] += end - start
    return found


def _row(rank: Rank, device: Device, step: int | None) -> dict[str, Any]:
    span, busy = device.span, device.busy.total
    issue = _issue(rank, device, step)
    # Of all devices that the process issues to: the time is its own, not this device's.
    fed = sum(each.busy.within(device.start, device.end).total for each in rank.whole)
    return {
        "rank": rank.trace.rank,
        "device": device.number,
        "step": step,
        "span_us": span / US,
        "busy_share": busy / span,
        "idle_share": device.idle_share,
        **{f"{cause}_share": device.idle(cause) / span for cause in CAUSES},
        **{f"host_{part}_share": device.host(part) / span for part in HOST_PARTS},
        "issue_us": issue / US if issue else nan,
        "device_us": busy / US,
        "dispatch_share": 1 - busy / span,
        "feedable_devices": fed / issue if issue else nan,
        **_of_work(rank, device),
        **_of_waits(rank, device),
        "file": rank.trace.path.name,
    }


def _issue(rank: Rank, device: Device, step: int | None) -> int:
    """Host time that issuing took: in a step, or from the first launch to the end of the last. Less what was blocked,
    and what was outside."""
    start, end = _launching(rank, device) if step is None else rank.trace.steps[step]
    return rank.idle.host.issuing.within(start, end).total


def _launching(rank: Rank, device: Device) -> tuple[int, int]:
    """From the first launch for a device in its window to the end of the last."""
    work, found = rank.trace.work, rank.idle.launches
    own = (work["device"] == device.number) & (work["start"] >= device.start) & (work["start"] < device.end)
    own &= found.call >= 0
    if not own.any():
        return device.start, device.start
    return int(found.start[own].min()), int(rank.trace.calls["end"][found.call[own]].max())


def _of_work(rank: Rank, device: Device) -> dict[str, Any]:
    """launches: calls that gave the device work; a graph's replay is one."""
    work = rank.trace.work
    own = (work["device"] == device.number) & (work["start"] >= device.start) & (work["start"] < device.end)
    kernels = own & (work["kind"] == KERNEL)
    lengths = (work["end"] - work["start"])[kernels]
    cost = launch_cost(rank.trace, rank.idle.launches.call[kernels])
    return {
        "launches": len(np.unique(work["correlation"][own])),
        "launch_us": cost / US,
        "kernel_us": float(np.median(lengths)) / US if len(lengths) else nan,
        "short_kernels_share": float((lengths < cost).mean()) if len(lengths) and cost == cost else nan,
    }


def _of_waits(rank: Rank, device: Device) -> dict[str, Any]:
    """Nothing where there is one rank's trace alone."""
    waits = rank.waits.get(device.number)
    if waits is None:
        return {}
    waited = sum(wait.within(device.start, device.end) for wait in waits)
    by_host = sum(wait.by_host for wait in waits if device.start <= wait.start < device.end)
    lost = waited + device.span - device.busy.total
    return {
        "collective_wait_share": waited / device.span,
        "others_host_share": min(by_host, lost) / lost if lost else 0.0,
    }


def _over_steps(of_steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over steps, and the 95 % interval of each by Student's t; nothing of fewer than two."""
    if len(of_steps) < 2:
        return {"steps": len(of_steps) or None}
    found: dict[str, Any] = {"steps": len(of_steps)}
    columns = ("span_us", "idle_share", f"{HOST_LATE}_share")
    for name, column in zip(OVER_STEPS, columns, strict=True):
        values = [float(row[column]) for row in of_steps]
        mean, half = fmean(values), t_quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
        # Neither a time nor a share is below 0, nor a share above 1.
        most = inf if name == "step_us" else 1.0
        found |= {name: mean, f"{name}_low": max(mean - half, 0.0), f"{name}_high": min(mean + half, most)}
    return found
