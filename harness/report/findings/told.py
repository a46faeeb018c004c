"""A sentence as a page needs it: with what it is about, so that figure and rows can be found from it.

In: a claim and its finding. Out: a value. Must not know any single kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.report.findings.claim import Claim
from harness.report.findings.finding import Finding


@dataclass(frozen=True)
class Told:
    """kind: the finding's name; empty for sentences on the table as a whole. shown_by, at, brief, number: as those of
    Finding and Claim."""

    text: str
    kind: str = ""
    shown_by: tuple[str, ...] = ()
    at: tuple[tuple[str, Any], ...] = ()
    brief: str = ""
    number: str = ""


def told_of(claim: Claim, finding: Finding) -> Told:
    return Told(claim.text, finding.name, finding.shown_by, claim.at, claim.brief, claim.number)
