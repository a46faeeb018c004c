"""What a reader must know of the sampling beside a run: what is missing and why, and what the sampler itself took.

In: samplings, the ranks, and how points were sampled. Out: sentences. Must not know the points' table or torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.sampled.samples import Sampling, Samplings
from harness.analysis.sampled.window import Rank, Steady
from harness.core.controllers import issuing_threads
from harness.core.numbers import is_number
from harness.records.lines import told

# Calls that take longer than that are counted by the sampler.
SLOW_CALL_MS = 250

_MOST_LOST = 4


@dataclass(frozen=True)
class Sampled:
    """One measured point. steady: None where it was not held in a steady state. threads: intra-op, per device."""

    steady: Steady | None
    axes: Mapping[str, Any]
    threads: int | None


def notes_on_sampling(
    samplings: Samplings, ranks: Mapping[str, Sequence[Rank]], points: Sequence[Sampled]
) -> list[str]:
    """Nothing where no sampler ran and no device could have been sampled."""
    found = [f"Samples could not be read: {text}." for text in samplings.unreadable]
    if samplings.skipped:
        found.append(
            f"{samplings.skipped.total()} lines of samples were skipped ({told(samplings.skipped)})."
        )
    for host in dict.fromkeys(sampling.host for sampling in samplings.of_samplers):
        found += _of_host(host, [sampling for sampling in samplings.of_samplers if sampling.host == host])
    found += _not_sampled(samplings.of_samplers, ranks, points)
    found += _of_points([point.steady for point in points if point.steady])
    found += _shared_cores(samplings.of_samplers, points)
    return found


def _of_host(host: str, samplings: Sequence[Sampling]) -> Iterator[str]:
    for why in dict.fromkeys(sampling.why for sampling in samplings if sampling.why):
        yield f"Utilisation was not sampled on host {host}: {why.rstrip('.')}."
    lacking: dict[tuple[str, str], set[str]] = {}
    for sampling in samplings:
        for device in sampling.devices:
            for name, why in device.unsupported.items():
                lacking.setdefault((name, why), set()).add(device.uuid or device.pci)
    for (name, why), devices in lacking.items():
        yield f"On host {host} {name} is not sampled on {_devices(devices)}: {why.rstrip('.')}."
    lost = [
        f"Device {event.get('device')} on host {host} was lost {_after(event, sampling)} after its sampler "
        "started, and has no samples from then on."
        for sampling in samplings
        for event in sampling.events
        if event["what"] == "lost"
    ]
    yield from lost[:_MOST_LOST]
    if len(lost) > _MOST_LOST:
        yield f"On host {host} devices were lost {len(lost) - _MOST_LOST} more times."
    slow = sum(_slow_calls(sampling) for sampling in samplings)
    if slow:
        yield f"{slow} NVML call{'' if slow == 1 else 's'} took over {SLOW_CALL_MS} ms on host {host}."
    others = Counter(
        (event["what"], str(event.get("detail", "")))
        for sampling in samplings
        for event in sampling.events
        if event["what"] not in ("lost", "slow")
    )
    for what in dict.fromkeys(what for what, _ in others):
        details = {detail: number for (kind, detail), number in others.items() if kind == what}
        times, first = sum(details.values()), next(iter(details))
        more = f", and {len(details) - 1} other reasons" if len(details) > 1 else ""
        word = {"denied": "Sampling was denied", "error": "Sampling failed"}.get(
            what, f"Sampling met `{what}`"
        )
        yield f"{word} on host {host} ({times} time{'' if times == 1 else 's'}): {first.rstrip('.')}{more}."


def _after(event: Mapping[str, Any], sampling: Sampling) -> str:
    if not len(sampling.t_ns):
        return "some time"
    return f"{max(event['t_ns'] - int(sampling.t_ns[0]), 0) / 1e9:.1f} s"


def _slow_calls(sampling: Sampling) -> int:
    """By the sampler's last word; of one that had none, as many as it told of."""
    said = (sampling.end or {}).get("slow_calls")
    if type(said) is int and 0 <= said < 2**63:
        return said
    return sum(event["what"] == "slow" for event in sampling.events)


def _devices(names: set[str]) -> str:
    return f"device {next(iter(names))}" if len(names) == 1 else f"{len(names)} devices"


def _not_sampled(
    samplings: Sequence[Sampling], ranks: Mapping[str, Sequence[Rank]], points: Sequence[Sampled]
) -> Iterator[str]:
    driving = {rank.host for own in ranks.values() for rank in own if rank.devices}
    sampled = {sampling.host for sampling in samplings}
    for host in sorted(driving - sampled):
        yield f"Utilisation was not sampled on host {host}: no sampler ran there."
    with_devices = any(sampling.devices and sampling.host in driving for sampling in samplings)
    if with_devices and points and not any(point.steady for point in points):
        yield "No point has a utilisation, since none was held in a steady state for it (monitor.window_s)."
    known = {sampling.why for sampling in samplings}
    reasons = Counter(point.steady.why for point in points if point.steady and point.steady.why)
    for why, number in reasons.items():
        if why not in known and not why.startswith("no sampler ran"):  # said once for the whole host
            yield f"{_points(number)} no utilisation: {why}."


def _of_points(points: Sequence[Steady]) -> Iterator[str]:
    empty = sum(
        not point.why and math.isnan(point.util_pct) and math.isnan(point.power_w) for point in points
    )
    if empty:
        yield f"{_points(empty)} neither utilisation nor power: a device has no sample in the point's window."
    reasons = Counter(reason for point in points for reason in point.throttled)
    if reasons:
        named = ", ".join(
            f"{name} ({number} point{'' if number == 1 else 's'})" for name, number in sorted(reasons.items())
        )
        yield f"Throttled by {named}."
    integrated = sum(point.integrated for point in points)
    if integrated:
        yield f"{_points(integrated)} an energy that is power integrated over time: a device has no energy counter."


def _points(number: int) -> str:
    return f"{number} point has" if number == 1 else f"{number} points have"


def _shared_cores(samplings: Sequence[Sampling], points: Sequence[Sampled]) -> Iterator[str]:
    """Where ranks take all cores of a node, its sampler can only run on theirs."""
    threads = max((_threads(point) for point in points), default=(0, 0), key=math.prod)
    for host in dict.fromkeys(sampling.host for sampling in samplings):
        own = [sampling for sampling in samplings if sampling.host == host]
        cores = own[-1].cores
        if not 0 < cores <= threads[0] * threads[1]:
            continue
        shares = [share for share in map(_sampler_core_share, own) if not math.isnan(share)]
        used = f"it used {100 * max(shares):.1f} % of one" if shares else "how much it used is not known"
        yield (
            f"The sampler shares the {cores} cores of host {host} with what is measured (up to {threads[0]} issuing "
            f"threads x {threads[1]} intra-op): {used}."
        )


def _sampler_core_share(sampling: Sampling) -> float:
    """CPU time of the sampler over its life; NaN where it did not say so."""
    cpu, wall = (sampling.end or {}).get("cpu_s"), (sampling.end or {}).get("wall_s")
    if not (is_number(cpu) and is_number(wall)) or float(wall) <= 0:  # type: ignore[arg-type]
        return math.nan
    return float(cpu) / float(wall)  # type: ignore[arg-type]


def _threads(point: Sampled) -> tuple[int, int]:
    """Threads on one node that issue, and threads of each of them."""
    issuing = issuing_threads(point.axes["controller"], point.axes["devices"])
    return math.ceil(issuing / point.axes["nodes"]), point.threads or 1
