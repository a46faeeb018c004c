"""What a trace says, in sentences: is the host what keeps a device waiting, and what of the host.

In: ranks that were looked at. Out: text. Must not know files, nor where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.trace.host import COMPILER, DISPATCH, INTERPRETER, OUTSIDE, RUNTIME
from harness.trace.idle import CAUSES, HOST_LATE, IN_FLIGHT, SYNCHRONISED, UNKNOWN, WAITING, Device
from harness.trace.looked import Rank

WORDS = {
    HOST_LATE: "waited for the host to issue work (host late)",
    IN_FLIGHT: "had been given work that had not begun yet (launch in flight)",
    WAITING: "was held back by another stream",
    SYNCHRONISED: "waited for a host that was blocked in a synchronisation",
    OUTSIDE: "waited for data, or for what the host did outside of steps",
    UNKNOWN: "was idle before work whose launch is not in the trace",
}
HOST_WORDS = {
    INTERPRETER: "in the interpreter, between operators",
    DISPATCH: "inside operators (framework dispatch)",
    RUNTIME: "in calls of the runtime",
    COMPILER: "in a compiler's guards",
}
# Shares below this are not told.
LEAST = 0.005
MOST_NAMED = 3


def sentences(rank: Rank) -> Iterator[str]:
    """On one rank: each device, then what cost them most."""
    trace = rank.trace
    who = "" if trace.rank is None else f"rank {trace.rank}, "
    if trace.cut:
        yield f"{trace.path.name} is not whole ({trace.cut}): what stands before that was read."
    if not rank.whole:
        yield (
            f"{who}{trace.path.name}: no work of a device is in it, so that nothing is known of idle time; record it "
            "with ProfilerActivity.CUDA."
        )
        return
    for device in rank.whole:
        yield from _of_device(who, device)
    for names, what in ((rank.operators, "operators"), (rank.python, "Python functions")):
        found = rank.costly(names, MOST_NAMED)
        if found:
            named = ", ".join(f"{name} ({ns / 1e6:.3g} ms in {gaps} gaps)" for name, ns, gaps in found)
            yield f"{who}{what} whose launches the devices waited for longest: {named}."


def _of_device(who: str, device: Device) -> Iterator[str]:
    span, idle = device.span, device.span - device.busy.total
    place = f"{who}device {device.number}"
    yield f"{place}: idle {idle / span:.1%} of {span / 1e6:,.4g} ms, in {len(device.gaps):,} gaps."
    shares = {cause: device.idle(cause) / span for cause in CAUSES}
    told = [
        f"{shares[c]:.1%} it {WORDS[c]}"
        for c in sorted(CAUSES, key=lambda c: -shares[c])
        if shares[c] >= LEAST
    ]
    if told:
        yield f"{place}: of the whole time, {'; '.join(told)}."
    late = device.idle(HOST_LATE)
    if shares[HOST_LATE] >= LEAST:
        parts = {part: device.host(part) / late for part in HOST_WORDS}
        spent = [f"{share:.0%} {HOST_WORDS[part]}" for part, share in parts.items() if share >= LEAST]
        yield f"{place}: while the device waited for it, the host was {', '.join(spent)}."
