"""A look at a step: called as it is, then with every call and return noted, then with its lines watched.

In: a step that can be called and is warmed up. Out: a Look. Must not know what the step is, records or sweeps.

What passes is taken from the steps in which calls are noted, less what noting adds; that is found from how much longer
these steps take. Waits, which noting would shorten, are from the steps as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from harness.core.collector import no_collections
from harness.diagnosis.host.events import Cost, Events, least_cost, record
from harness.diagnosis.host.found import Look, Spot, Wait
from harness.diagnosis.host.lines import Line, by_line
from harness.diagnosis.host.patched import patched, seen_calls
from harness.diagnosis.host.plain import Plain, time_plain
from harness.diagnosis.host.samples import Lines, sample
from harness.diagnosis.host.stretches import Times, Where, bytecode_of, times_of
from harness.diagnosis.host.waits import Waits

# Of the time that a look may take; what is left goes by in reading events.
PLAIN, NOTED, WATCHED = 0.4, 0.2, 0.2
LEAST_NOTED = 2
# An event adds as much as one of an empty function that is called again and again, or, with cold caches, so many times
# that: more is noise of the steps that are compared.
COLD = 4
# Of a step: what is less is not named.
LEAST_SHARE = 1e-3


def look(
    call: Callable[[], Any],
    *,
    seconds: float,
    device_kind: str = "cpu",
    torch_device: torch.device | None = None,
) -> Look:
    """What the host does in a step beside torch's work, from steps that are called for about so long.

    Of this thread: work that a step leaves to other threads is not seen, nor is backward's on an accelerator. call: it
    gets its batch itself, where data shall be seen. device_kind: "cpu", or anything else. Nothing of torch, the
    interpreter or this thread's profiler is changed afterwards, also where the call raises; what it raises is raised.
    """
    waits = Waits(device_kind)
    with no_collections():
        plain = time_plain(call, seconds=seconds * PLAIN, waits=waits, device=torch_device)
        with waits.watched(), patched(seen_calls()):
            events = record(call, seconds=seconds * NOTED, least=LEAST_NOTED)
        cost = _cost(plain, events)
        times = times_of(events, cost)
        open_ended = any(where.first != where.last for where in (*times.own, *times.within))
        samples = sample(call, seconds=seconds * WATCHED) if open_ended else Lines()
    return _found(plain, times, samples, _noted_steps(plain, events, cost))


def _cost(plain: Plain, events: Events) -> Cost:
    """What is added to these steps. In CPU time: what they wait for, and others' work, is not part of it."""
    least, bytecode = least_cost(), bytecode_of(events)
    ran = bytecode.ns - bytecode.off_ns
    others = bytecode.ns / ran if ran else 1.0
    if not events.steps:
        return Cost(least.event_ns, least.bytecode, others)
    # What passed in bytecode, in so many parts, shrinks by the factor, and all else does not.
    shrunk = ran / least.bytecode + events.cpu_ns - ran
    parts = bytecode.parts / least.bytecode + len(events.events) - bytecode.parts
    event_ns = (shrunk - plain.cpu_ns * events.steps) / parts
    return Cost(min(max(event_ns, least.event_ns), COLD * least.event_ns), least.bytecode, others)


def _noted_steps(plain: Plain, events: Events, cost: Cost) -> float:
    """How many steps the events are of: a part of one where it has too many events."""
    return events.steps or max(events.total_ns - cost.event_ns * len(events.events), 1.0) / plain.host_ns


def _found(plain: Plain, times: Times, samples: Lines, noted_steps: float) -> Look:
    def spots(lines: Mapping[Line, float]) -> tuple[Spot, ...]:
        """lines: nanoseconds a step."""
        found = (
            Spot(code.co_filename, line, code.co_name, min(ns / plain.step_ns, 1.0), ns / 1e3)
            for (code, line), ns in lines.items()
        )
        return tuple(sorted((s for s in found if s.share >= LEAST_SHARE), key=lambda spot: -spot.us))

    def lines(found: Mapping[Where, float], factor: float = 1.0) -> dict[Line, float]:
        return {
            line: ns * factor / noted_steps for line, ns in by_line(found, samples, times.torch_lines).items()
        }

    # By the line, what torch's loaders took in the steps as they are; where only the noted ones say, what these do.
    as_is = {line: ns / plain.steps for line, ns in plain.loader.items()}
    noted = lines(times.loader)
    data = {**noted, **as_is}
    # Noted steps may wait less, and what passes in the data set is as much less.
    factor = sum(data.values()) / sum(noted.values()) if noted and sum(noted.values()) else 1.0
    for line, ns in lines(times.data).items():
        data[line] = data.get(line, 0.0) + ns
    waits = tuple(
        Wait(file, line, what, times_ / plain.steps, ns / plain.steps / 1e3)
        for (file, line, what), (times_, ns) in plain.waits.items()
    )
    # Noted steps came later: what they slept, or had less of a core, shall not make more than a step.
    own = lines(times.own)
    left = max(plain.step_ns - sum(data.values()) - sum(wait.us for wait in waits) * 1e3, 0.0)
    if (total := sum(own.values())) > left:
        own = {line: ns * left / total for line, ns in own.items()}
    return Look(
        step_us=plain.step_ns / 1e3,
        own=spots(own),
        data=spots(data),
        dataset=spots(lines(times.within, factor)),
        waits=tuple(sorted(waits, key=lambda wait: (-wait.us, -wait.times))),
        steps=plain.steps,
    )
