"""A sentence as a page needs it: with what it is about, so that figure and rows can be found from it.

In: a claim and its finding. Out: a value. Must not know any single kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.findings.claim import Claim, Crux
from harness.report.findings.finding import Finding

# The kind of sentences on what may be wrong with all figures.
SPOILT = "spoilt"


@dataclass(frozen=True)
class Told:
    """kind: the finding's name, or SPOILT; empty for other sentences on the table as a whole. shown_by, at, crux, part:
    as those of Finding and Claim."""

    text: str
    kind: str = ""
    shown_by: tuple[str, ...] = ()
    at: tuple[tuple[str, Any], ...] = ()
    crux: Crux | None = None
    part: tuple[tuple[str, Any], ...] = ()

    @property
    def rows(self) -> Mapping[str, Any]:
        """What all of its rows have, by axis."""
        return {**dict(self.part), **dict(self.at)}

    @property
    def row(self) -> Mapping[str, Any]:
        """The row of its number, by axis, as narrowly as it is known."""
        return {**self.rows, **dict(self.crux.row if self.crux else ())}


def told_of(claim: Claim, finding: Finding) -> Told:
    return Told(claim.text, finding.name, finding.shown_by, claim.at, claim.crux, claim.part)
