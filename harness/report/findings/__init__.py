"""What the data say, in sentences.

In: a table of points. Out: at most about a dozen sentences, the most important first. Must not know where they
will stand. Nothing is claimed from a 95 % interval that includes 1, nor from oversubscribed points beside others.
"""

from __future__ import annotations

from itertools import zip_longest

import pandas as pd

from harness.report.findings import bottleneck, controllers, gains, ladder, outcomes, sampled, scaling
from harness.report.findings.claim import Claim
from harness.report.table.slices import split, varying
from harness.report.table.tidy import tidy

MOST = 12
ORDER = ("devices", "width", "workload", "dtype", "controller", "depth", "batch", "mode")


def _by_turns(claims: list[Claim]) -> list[Claim]:
    """Of one kind, the heaviest of each run and device first, then the second of each."""
    groups: dict[tuple[object, ...], list[Claim]] = {}
    for claim in sorted(claims, key=lambda claim: -claim.weight):
        groups.setdefault(claim.group, []).append(claim)
    return [claim for turn in zip_longest(*groups.values()) for claim in turn if claim is not None]


def _selected(claims: list[Claim], limit: int) -> list[Claim]:
    """The first of every kind, then the second of every kind, and so on; in the order of kinds."""
    kinds = sorted({claim.kind for claim in claims})
    queues = [_by_turns([claim for claim in claims if claim.kind == kind]) for kind in kinds]
    turns = [claim for turn in zip_longest(*queues) for claim in turn if claim is not None]
    kept = {id(claim) for claim in turns[:limit]}
    return [claim for queue in queues for claim in queue if id(claim) in kept]


def findings(points: pd.DataFrame) -> list[str]:
    """Sentences computed from a table of points (of one run, or of several with a column `run`)."""
    # Of equals the first is named: in a fixed order, so that a table says the same however it was sorted.
    table = tidy(points).sort_values([*ORDER], kind="stable", ignore_index=True)
    if table.empty:
        return ["No point was planned or measured: the table is empty."]
    failures = outcomes.failures(table)
    if not table["ok"].any():
        return ["Nothing could be measured: no point of this report has a time.", *failures]
    crowded = outcomes.oversubscription(table)
    all_crowded = bool(table.loc[table["ok"], "oversubscribed"].all())
    base = table if all_crowded else table[~table["oversubscribed"]]
    differing = varying(table)
    claims = bottleneck.claims(base, differing)
    for part in split(base, sampled.SHOWN):
        claims += sampled.claims(part, differing)
    for part in split(base):
        claims += gains.claims(part, differing)
    for part in split(base, {"devices"}):
        claims += scaling.claims(part, differing)
    for part in split(base, {"devices", "controller"}):
        claims += ladder.claims(part, differing)
    for part in split(table, {"devices", "controller"}):
        claims += controllers.claims(part, differing)
    # Imported here, since what fits a model takes longer to import than all the rest.
    from harness.report.findings import predicted

    for part in split(base, predicted.SHOWN):
        claims += predicted.claims(part, differing)
    closing = [*([crowded] if crowded and not all_crowded else []), *failures]
    room = max(MOST - len(closing) - (1 if all_crowded else 0), 4)
    kept = _selected(claims, room)
    sentences = [*([crowded] if all_crowded else []), *(claim.text for claim in kept), *closing]
    if len(kept) < len(claims):
        sentences.append(
            f"{len(claims) - len(kept)} more sentences of these kinds are left out: see the table."
        )
    return sentences
