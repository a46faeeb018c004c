"""Ranks of one job held against each other: who waited for whom in a collective, and whether a host was the reason.

In: Ranks. Out: their waits, written into them. Must not know files, nor how any of it is shown.

Clocks of different machines differ, so no time of one rank is ever compared with one of another. A collective ends on
all of its ranks as good as at once; the rank in which it was shortest came last, and each other rank waited for as long
as its own is longer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.idle import HOST_LATE, Device
from harness.trace.looked import Rank, Wait
from harness.trace.reading.trace import KERNEL

# What ends on all ranks together. A broadcast's root waits for nobody, nor does who sends.
_MEETING = re.compile(r"all_?reduce|all_?gather|reduce_?scatter|all_?to_?all|barrier", re.IGNORECASE)


@dataclass(frozen=True)
class _Collective:
    """One rank's part in a collective: of which device, from when to when."""

    device: Device
    start: int
    end: int


def hold_together(ranks: Sequence[Rank]) -> int:
    """Fill in Rank.waits; answers how many collectives were matched. Nothing is known from fewer than two ranks.

    Matched are those of the same kind, size and group by their order, where each rank has as many of them.
    """
    if len(ranks) < 2:
        return 0
    of_ranks = [_collectives(rank) for rank in ranks]
    for rank in ranks:
        rank.waits = {device.number: [] for device in rank.whole}
    matched = 0
    for key in dict.fromkeys(key for of_rank in of_ranks for key in of_rank):
        parts = {place: of_rank[key] for place, of_rank in enumerate(of_ranks) if key in of_rank}
        if len(parts) < 2 or len({len(part) for part in parts.values()}) > 1:
            continue
        for number in range(len(next(iter(parts.values())))):
            _wait(ranks, {place: part[number] for place, part in parts.items()})
            matched += 1
    if not matched:
        for rank in ranks:
            rank.waits = {}
    return matched


def none_matches(ranks: Sequence[Rank]) -> bool:
    """Whether several ranks have collectives, and none of one is one of another's: they may be of different jobs."""
    return not any(rank.waits for rank in ranks) and sum(bool(_collectives(rank)) for rank in ranks) > 1


def _collectives(rank: Rank) -> dict[tuple[str, str], list[_Collective]]:
    """By kind, and by size and group where they are known, in the order of their beginning."""
    trace, found = rank.trace, defaultdict(list)
    work, texts = trace.work, trace.names.texts
    named = {name for name, text in enumerate(texts) if trace.is_collective(name) and _MEETING.search(text)}
    if not named:
        return {}
    wanted = np.isin(work["name"], sorted(named)) & (work["kind"] == KERNEL)
    devices = {device.number: device for device in rank.whole}
    rows = np.flatnonzero(wanted)
    for row in rows[np.argsort(work["start"][rows], kind="stable")].tolist():
        device = devices.get(int(work["device"][row]))
        start, end = int(work["start"][row]), int(work["end"][row])
        if device and device.start <= start < device.end:
            found[_kind(texts[work["name"][row]]), texts[work["meeting"][row]]].append(
                _Collective(device, start, end)
            )
    return found


def _kind(name: str) -> str:
    found = _MEETING.search(name)
    return found[0].lower().replace("_", "") if found else name


def _wait(ranks: Sequence[Rank], parts: dict[int, _Collective]) -> None:
    last = min(parts, key=lambda place: parts[place].end - parts[place].start)
    least = parts[last].end - parts[last].start
    late = parts[last].device.causes[HOST_LATE]
    for place, part in parts.items():
        waited = part.end - part.start - least
        if waited:
            # When, before it came, its device waited for its host to issue.
            by_host = late.within(parts[last].start - waited, parts[last].start).total
            wait = Wait(part.start, part.start + waited, last, by_host)
            ranks[place].waits[part.device.number].append(wait)
