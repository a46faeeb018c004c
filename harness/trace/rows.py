"""The figures of a rank's devices, for the whole trace and for each of its steps: the rows of trace.csv and gaps.csv.

In: a Trace. Out: rows. Must not know files, nor how any of it is drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from harness.trace.host import Host
from harness.trace.idle import CAUSES, HOST_LATE, HOST_PARTS, Device, Gap, by_correlation, devices
from harness.trace.trace import Trace

US = 1000
COLUMNS = (
    *("rank", "device", "step", "span_us", "busy_share", "idle_share"),
    *(f"{cause}_share" for cause in CAUSES),
    *(f"host_{part}_share" for part in HOST_PARTS),
    *("issue_us", "device_us", "dispatch_share", "launches", "feedable_devices"),
)
GAP_COLUMNS = (
    *("rank", "device", "start_us", "length_us"),
    *(f"{cause}_us" for cause in CAUSES),
    *("ended_by", "call", "operator", "python"),
)


@dataclass(frozen=True)
class Rank:
    """One rank's trace, looked at. whole: each of its devices from its first work to its last. steps: (number, device
    in that step), of traces that mark steps."""

    trace: Trace
    whole: list[Device]
    steps: list[tuple[int, Device]]


def looked_at(trace: Trace, only: range | None = None) -> Rank:
    """only: numbers of the steps that are wanted; the whole is then from the first of them to the last."""
    calls = by_correlation(trace)
    windows = {
        number: window for number, window in _windows(trace, calls).items() if only is None or number in only
    }
    of_steps = [(number, each) for number, window in windows.items() for each in devices(trace, window)]
    window = (
        None
        if only is None or not windows
        else (min(start for start, _ in windows.values()), max(end for _, end in windows.values()))
    )
    return Rank(trace, devices(trace, window), of_steps)


def rows(rank: Rank) -> Iterator[dict[str, Any]]:
    """Of trace.csv: each device as a whole, then its steps."""
    host = Host(rank.trace)
    for device in rank.whole:
        yield _row(rank.trace, host, device, None)
    for number, device in rank.steps:
        yield _row(rank.trace, host, device, number)


def gap_rows(rank: Rank, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Of gaps.csv: the longest first. most: so many of each device."""
    trace = rank.trace
    begin = min((device.start for device in rank.whole), default=0)
    operators, python = Innermost(trace, "operators"), Innermost(trace, "python")
    for device in rank.whole:
        for gap in sorted(device.gaps, key=lambda gap: -gap.length)[:most]:
            place = _place(trace, gap)
            yield {
                "rank": trace.rank,
                "device": device.number,
                "start_us": (gap.start - begin) / US,
                "length_us": gap.length / US,
                **{f"{cause}_us": gap.parts[cause].total / US for cause in CAUSES},
                "ended_by": trace.names.texts[trace.work["name"][gap.ended_by]] if gap.ended_by >= 0 else "",
                "call": "" if gap.call is None else trace.names.texts[trace.calls["name"][gap.call]],
                "operator": operators.at(*place) if place else "",
                "python": python.at(*place) if place else "",
            }


def costly(rank: Rank, table: str, most: int = 10) -> list[tuple[str, int, int]]:
    """What cost a device most idle time by keeping the host late: (name, ns, gaps). table: operators or python, whose
    innermost event at the launch that ended a gap is named."""
    innermost = Innermost(rank.trace, table)
    time: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for device in rank.whole:
        for gap in device.gaps:
            place = _place(rank.trace, gap)
            if place and (late := gap.parts[HOST_LATE].total) and (name := innermost.at(*place)):
                time[name] += late
                count[name] += 1
    return [(name, ns, count[name]) for name, ns in time.most_common(most)]


class Innermost:
    """The innermost event of a thread at a time. Events of a thread lie within each other."""

    def __init__(self, trace: Trace, table: str) -> None:
        self._names = trace.names.texts
        rows = getattr(trace, table)
        self._threads: dict[int, tuple[list[int], list[int]]] = {}
        for thread in np.unique(rows["thread"]).tolist():
            own = rows["thread"] == thread
            self._threads[thread] = _flattened(rows["start"][own], rows["end"][own], rows["name"][own])

    def at(self, thread: int, time: int) -> str:
        """Empty where there is none."""
        times, names = self._threads.get(thread, ([], []))
        at = bisect_right(times, time) - 1
        return self._names[names[at]] if at >= 0 and names[at] >= 0 else ""


def _flattened(starts: Any, ends: Any, names: Any) -> tuple[list[int], list[int]]:
    """From when on which name is the innermost; -1 where none is."""
    times: list[int] = []
    inner: list[int] = []
    open_: list[tuple[int, int]] = []

    def close(until: int) -> None:
        while open_ and open_[-1][0] <= until:
            end, _ = open_.pop()
            times.append(end)
            inner.append(open_[-1][1] if open_ else -1)

    order = np.lexsort((-ends, starts))
    for start, end, name in zip(
        starts[order].tolist(), ends[order].tolist(), names[order].tolist(), strict=True
    ):
        close(start)
        times.append(start)
        inner.append(name)
        open_.append((end, name))
    close(2**62)
    return times, inner


def _place(trace: Trace, gap: Gap) -> tuple[int, int] | None:
    if gap.call is None:
        return None
    return int(trace.calls["thread"][gap.call]), int(trace.calls["start"][gap.call])


def _row(trace: Trace, host: Host, device: Device, step: int | None) -> dict[str, Any]:
    span, busy = device.span, device.busy.total
    issue = _issue(trace, host, device, step)
    launches = _launches(trace, device)
    return {
        "rank": trace.rank,
        "device": device.number,
        "step": step,
        "span_us": span / US,
        "busy_share": busy / span,
        "idle_share": 1 - busy / span,
        **{f"{cause}_share": device.idle(cause) / span for cause in CAUSES},
        **{f"host_{part}_share": device.host(part) / span for part in HOST_PARTS},
        "issue_us": issue / US if issue else nan,
        "device_us": busy / US,
        "dispatch_share": 1 - busy / span,
        "launches": launches,
        "feedable_devices": busy / issue if issue else nan,
    }


def _issue(trace: Trace, host: Host, device: Device, step: int | None) -> int:
    """Host time that issuing took: within operators and calls of the runtime, less what was blocked."""
    start, end = trace.steps[step] if step is not None else (device.start, device.end)
    return host.issuing.within(start, end).total


def _launches(trace: Trace, device: Device) -> int:
    """Calls that gave the device work; a graph's replay is one."""
    work = trace.work
    own = (work["device"] == device.number) & (work["start"] >= device.start) & (work["start"] < device.end)
    return len(np.unique(work["correlation"][own]))


def _windows(trace: Trace, calls: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Step -> from its first work on a device to the next step's. Work runs after the host's own step has ended; whose
    it is, is known by when it was launched."""
    if not trace.steps or not len(trace.work):
        return {}
    work, begun = trace.work, trace.calls["start"]
    launched = np.array(
        [begun[calls[number]] if number in calls else -1 for number in work["correlation"].tolist()], np.int64
    )
    firsts: list[tuple[int, int]] = []
    last = 0
    for number, (start, end) in sorted(trace.steps.items(), key=lambda step: step[1]):
        own = (launched >= start) & (launched < end)
        if own.any():
            firsts.append((number, int(work["start"][own].min())))
            last = int(work["end"][own].max())
    ends = [*(start for _, start in firsts[1:]), last]
    return {number: (start, end) for (number, start), end in zip(firsts, ends, strict=True) if end > start}
