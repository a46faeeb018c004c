"""What the data say, in sentences.

In: a table of points. Out: at most about a dozen sentences, the most important first. Must not know where they
will stand. Nothing is claimed of a comparison that is undecided (core.stats.verdicts), nor from oversubscribed points
beside others.
"""

from __future__ import annotations

import pandas as pd

from harness.report.findings import outcomes
from harness.report.findings.choice import chosen, explained
from harness.report.findings.claim import Claim
from harness.report.findings.finding import Finding
from harness.report.findings.kinds import (
    bottleneck,
    controllers,
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
from harness.report.table.slices import Slice, split, varying
from harness.report.table.tidy import tidy

# In the order of the page: the answer first, then what it rests on.
FINDINGS: tuple[Finding, ...] = (
    *(*frameworks.FINDINGS, bottleneck.FINDING, noise.FINDING, feedable.FINDING, utilisation.FINDING),
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
    # Of equals the first is named: in a fixed order, so that a table says the same however it was sorted.
    table = table.sort_values([*ORDER], kind="stable", ignore_index=True)
    if table.empty:
        return ["No point was planned or measured: the table is empty."]
    failures = outcomes.failures(table)
    if not table["ok"].any():
        return ["Nothing could be measured: no point of this report has a time.", *failures]
    loaded = [text] if (text := outcomes.load(table)) else []
    crowded = [text] if (text := outcomes.oversubscription(table)) else []
    # Where all are, that comes first, since it is to be read into every sentence.
    all_crowded = table.loc[table["ok"], "oversubscribed"].all()
    opening = [*loaded, *(crowded if all_crowded else [])]
    closing = [*([] if all_crowded else crowded), *failures]
    claims = _claims(table, table if all_crowded else table[~table["oversubscribed"]])
    kept = chosen(claims, max(MOST - len(opening) - len(closing), FEWEST))
    left = sum(map(len, claims)) - len(kept)
    more = [f"{left} more sentences of these kinds are left out: see the table."] if left else []
    return [*opening, *(claim.text for claim in kept), *closing, *more]


def _claims(table: pd.DataFrame, uncrowded: pd.DataFrame) -> list[list[Claim]]:
    """The claims of each finding. uncrowded: the rows that most are made of."""
    differing = varying(table)
    slices: dict[tuple[frozenset[str], bool], list[Slice]] = {}
    claims = []
    for finding in FINDINGS:
        cut = (finding.without, finding.crowded)
        if cut not in slices:
            slices[cut] = split(table if finding.crowded else uncrowded, finding.without)
        claims.append(explained([claim for part in slices[cut] for claim in finding.claims(part, differing)]))
    return claims
