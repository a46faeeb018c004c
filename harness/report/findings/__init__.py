"""What the data say, in sentences.

In: a table of points. Out: at most about a dozen sentences, the most important first. Must not know where they
will stand. Nothing is claimed of a comparison that is undecided (core.stats.verdicts), nor from oversubscribed points
beside others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.findings import outcomes
from harness.report.findings.choice import chosen, explained
from harness.report.findings.claim import Claim
from harness.report.findings.finding import Finding
from harness.report.findings.kinds import (
    bottleneck,
    controllers,
    crossover,
    energy,
    fading,
    feedable,
    frameworks,
    gains,
    ladder,
    memory,
    noise,
    predicted,
    scaling,
    utilisation,
)
from harness.report.findings.told import SPOILT, Told, told_of
from harness.report.table.slices import Slice, split, varying
from harness.report.table.tidy import tidy

# In the order of the page: the answer first, then what it rests on.
FINDINGS: tuple[Finding, ...] = (
    *(
        *frameworks.FINDINGS,
        *(bottleneck.FINDING, crossover.FINDING, noise.FINDING, feedable.FINDING, utilisation.FINDING),
    ),
    *controllers.FINDINGS,
    *(
        ladder.ATTRIBUTION,
        ladder.RUNGS,
        predicted.FINDING,
        *gains.FINDINGS_FIRST,
        energy.FINDING,
        memory.FINDING,
    ),
    *(*gains.FINDINGS_LAST, fading.FINDING, scaling.FINDING),
)

MOST, FEWEST = 12, 4
ORDER = ("devices", "width", "workload", "dtype", "autograd", "controller", "depth", "batch", "mode")


def findings(points: pd.DataFrame) -> list[str]:
    """Sentences computed from a table of points (of one run, or of several with a column `run`)."""
    return sentences(tidy(points))


def sentences(table: pd.DataFrame) -> list[str]:
    """As findings, from the tidy form of the points."""
    return [each.text for each in told(table)]


def told(table: pd.DataFrame) -> list[Told]:
    """The sentences, with what they are about."""
    # Of equals the first is named: in a fixed order, so that a table says the same however it was sorted.
    table = table.sort_values([*ORDER], kind="stable", ignore_index=True)
    if table.empty:
        return [Told("No point was planned or measured: the table is empty.")]
    failures = outcomes.failures(table)
    if not table["ok"].any():
        texts = ["Nothing could be measured: no point of this report has a time.", *failures]
        return [Told(text) for text in texts]
    loaded = [text] if (text := outcomes.load(table)) else []
    crowded = [text] if (text := outcomes.oversubscription(table)) else []
    # Where all are, that comes first, since it is to be read into every sentence.
    all_crowded = table.loc[table["ok"], "oversubscribed"].all()
    opening = [*loaded, *(crowded if all_crowded else [])]
    closing = [*([] if all_crowded else crowded), *failures]
    claims = _claims(table, table if all_crowded else table[~table["oversubscribed"]])
    kept = chosen([own for _, own in claims], max(MOST - len(opening) - len(closing), FEWEST))
    of = {id(claim): finding for finding, own in claims for claim in own}
    left = sum(len(own) for _, own in claims) - len(kept)
    more = (
        [f"{left} more sentences of these kinds are left out; points.csv has their numbers."] if left else []
    )
    made = [told_of(claim, of[id(claim)]) for claim in kept]
    # What may spoil all figures answers how sure they are.
    return [*(Told(text, SPOILT) for text in opening), *made, *map(Told, [*closing, *more])]


def _claims(table: pd.DataFrame, uncrowded: pd.DataFrame) -> list[tuple[Finding, list[Claim]]]:
    """The claims of each finding. uncrowded: the rows that most are made of."""
    differing = varying(table)
    slices: dict[tuple[frozenset[str], bool], list[Slice]] = {}
    claims = []
    for finding in FINDINGS:
        cut = (finding.without, finding.crowded)
        if cut not in slices:
            slices[cut] = split(table if finding.crowded else uncrowded, finding.without)
        own = [
            replace(claim, at=(*_where(part, differing), *claim.at), part=tuple(part.values.items()))
            for part in slices[cut]
            for claim in finding.claims(part, differing)
        ]
        claims.append((finding, explained(own)))
    return _once(claims, set(table.loc[table["python_free"], "mode"]))


def _once(
    claims: list[tuple[Finding, list[Claim]]], python_free: set[str]
) -> list[tuple[Finding, list[Claim]]]:
    """Without what another sentence says of the same rows: on a CPU a mode without Python stops paying where the
    crossover lies, and that is told with its interval."""
    crossed = {claim.part for finding, own in claims if finding is crossover.FINDING for claim in own}

    def said(claim: Claim) -> bool:
        on_cpu = dict(claim.part).get("device_kind") == "cpu"
        return claim.part in crossed and on_cpu and dict(claim.at).get("mode") in python_free

    return [
        (finding, [claim for claim in own if finding is not fading.FINDING or not said(claim)])
        for finding, own in claims
    ]


def _where(part: Slice, differing: Collection[str]) -> tuple[tuple[str, Any], ...]:
    """What tells the rows of a slice from the others, as far as a column of the table says it."""
    return tuple(
        (name, value) for name, value in part.values.items() if name in differing and name != "emulated"
    )
