"""What traces say, in sentences: is the host what keeps a device waiting, what of the host, and what would remove it.

In: ranks that were looked at. Out: text. Must not know files, nor where it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from harness.trace.answers.answer import Answer
from harness.trace.answers.rows import US, blocking_calls
from harness.trace.bounds import COMPILE, DEVICE, GRAPHS, PROCESS
from harness.trace.host import COMPILER, DISPATCH, INTERPRETER, OUTSIDE, RUNTIME
from harness.trace.idle import CAUSES, HOST_LATE, IN_FLIGHT, SYNCHRONISED, UNKNOWN, WAITING, Device
from harness.trace.looked import Rank
from harness.trace.together import none_matches

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
CHANGE_WORDS = {
    GRAPHS: "as CUDA graphs, where work repeats in every step",
    COMPILE: "compiled, without interpreter and framework dispatch",
    PROCESS: "with a process for each device",
    DEVICE: "by nothing but the device's own work",
}
# Shares below this are not told.
LEAST = 0.005
# A share of the whole from which on a cause is the answer, and one below which it is none.
MUCH, LITTLE = 0.2, 0.05
MOST_NAMED = 3
# Launches begin within some 10 us.
LONGEST_LATENCY_NS = 1_000_000


def sentences(answers: Sequence[Answer]) -> Iterator[str]:
    """On each rank and device; then on what they are together."""
    for answer in answers:
        yield from _of_rank(answer)
    yield from _together([answer.rank for answer in answers])


def _of_rank(answer: Answer) -> Iterator[str]:
    rank, trace = answer.rank, answer.rank.trace
    if trace.cut:
        yield f"{trace.path.name} is not whole ({trace.cut}): what stands before that was read."
    if not rank.whole:
        yield (
            f"{rank.label}: no work of a device is in {trace.path.name}, so that nothing is known of idle time; record "
            "it with ProfilerActivity.CUDA."
        )
        yield from _of_host(rank)
        return
    for device in rank.whole:
        yield from _of_device(answer, device)
    for names, what in ((rank.operators, "operators"), (rank.python, "Python functions")):
        found = rank.costly(names, MOST_NAMED)
        if found:
            named = ", ".join(f"{name} ({_ms(ns, 3)} in {gaps} gaps)" for name, ns, gaps in found)
            yield f"{rank.label}: {what} whose launches the devices waited for longest: {named}."
    yield from _what_would_help(answer)


def _of_host(rank: Rank) -> Iterator[str]:
    """What is known where the trace has the host's side alone."""
    kinds = rank.idle.host.kinds
    whole = sum(spans.total for spans in kinds.values())
    if whole:
        spent = [
            f"{kinds[part].total / whole:.0%} {words}"
            for part, words in {**HOST_WORDS, OUTSIDE: "outside"}.items()
            if kinds[part].total / whole >= LEAST
        ]
        yield f"{rank.label}: of {_ms(whole)} the host was {', '.join(spent)}."


def _of_device(answer: Answer, device: Device) -> Iterator[str]:
    rank = answer.rank
    span, idle = device.span, device.span - device.busy.total
    place = f"{rank.label}, device {device.number}"
    shares = {cause: device.idle(cause) / span for cause in CAUSES}
    yield (
        f"{place}: {_verdict(idle / span, shares)} Idle {idle / span:.1%} of {_ms(span)}, in "
        f"{len(device.gaps):,} gaps."
    )
    told = [
        f"{shares[c]:.1%} it {WORDS[c]}"
        for c in sorted(CAUSES, key=lambda c: -shares[c])
        if shares[c] >= LEAST
    ]
    if told:
        yield f"{place}: of the whole time, {'; '.join(told)}."
    in_flight = device.of_gaps(IN_FLIGHT)
    unlikely = int(in_flight[in_flight >= LONGEST_LATENCY_NS].sum()) / span
    if unlikely >= LEAST:
        yield (
            f"{place}: {unlikely:.1%} of the time is in launches that took over a millisecond to begin, which no "
            "launch does: events are missing from the trace, or something held the device back that is not recorded."
        )
    late = device.idle(HOST_LATE)
    if shares[HOST_LATE] >= LEAST:
        parts = {part: device.host(part) / late for part in HOST_WORDS}
        spent = [f"{share:.0%} {HOST_WORDS[part]}" for part, share in parts.items() if share >= LEAST]
        yield f"{place}: while the device waited for it, the host was {', '.join(spent)}."
    if shares[SYNCHRONISED] >= LEAST:
        named = ", ".join(
            f"{call}{f' within {operator}' if operator else ''} ({_ms(ns, 3)})"
            for (call, operator), ns in blocking_calls(rank, device).most_common(MOST_NAMED)
        )
        yield f"{place}: the host was blocked in {named}."
    yield from _of_steps(place, answer.whole(device))


def _verdict(idle: float, shares: dict[str, float]) -> str:
    """Whether the host is what it waits for."""
    late = shares[HOST_LATE]
    if idle < LITTLE:
        return "the device is busy, and the host is no bottleneck."
    if late >= MUCH and late > idle / 2:
        return "the host is what keeps it waiting."
    if late < LITTLE:
        return "it is idle, and not because the host issues too slowly."
    return "in part it waits for the host to issue."


def _of_steps(place: str, row: dict[str, Any]) -> Iterator[str]:
    if "step_us" in row:
        yield (
            f"{place}: {row['steps']} steps of "
            f"{_ms(row['step_us'] * US)} [{_ms(row['step_us_low'] * US)}, {_ms(row['step_us_high'] * US)}], "
            f"idle {row['idle_share_step']:.1%} [{row['idle_share_step_low']:.1%}, "
            f"{row['idle_share_step_high']:.1%}] of each."
        )
    if row["short_kernels_share"] == row["short_kernels_share"]:
        yield (
            f"{place}: a launch takes its host {row['launch_us']:.3g} us in the median, and "
            f"{row['short_kernels_share']:.0%} of the kernels are shorter; issuing took {_ms(row['issue_us'] * US)} "
            f"for {_ms(row['device_us'] * US)} of device time: one such host can feed "
            f"{row['feedable_devices']:.2g} devices."
        )


def _what_would_help(answer: Answer) -> Iterator[str]:
    for device in answer.devices:
        told = [
            f"{bound.times_as_fast:.3g}x {CHANGE_WORDS[bound.change]}"
            for bound in answer.bounds
            if bound.device is device and bound.change in CHANGE_WORDS
        ]
        place = f"{answer.rank.label}, device {device.number}"
        yield f"{place}: predicted, not measured, for the same kernels: {'; '.join(told)}."


def _together(ranks: Sequence[Rank]) -> Iterator[str]:
    if none_matches(ranks):
        yield (
            "No collective of one of these ranks is one of another's (by kind, size, group and number), so that "
            "nothing is known of who waits for whom: are they of one job, and of the same steps?"
        )
    for rank in ranks:
        for device in rank.whole:
            waits = rank.waits.get(device.number, [])
            waited = sum(wait.within(device.start, device.end) for wait in waits)
            place = f"{rank.label}, device {device.number}"
            if waited / device.span < LEAST:
                continue
            whom = Counter[int]()
            for wait in waits:
                whom[wait.straggler] += wait.end - wait.start
            last, longest = whom.most_common(1)[0]
            by_host = sum(wait.by_host for wait in waits) / waited
            yield (
                f"{place}: {waited / device.span:.1%} of the time it waited in collectives for other ranks, "
                f"{longest / waited:.0%} of that for {ranks[last].label}; in {by_host:.0%} of it the "
                "device of the rank waited for was itself waiting for its host."
            )


def _ms(ns: float, digits: int = 4) -> str:
    """As many digits, and never a power of ten."""
    ms = ns / 1e6
    return f"{ms:,.0f} ms" if ms >= 10 ** (digits - 1) else f"{ms:.{digits}g} ms"
