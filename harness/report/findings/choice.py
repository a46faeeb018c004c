"""Which claims are told, where there are more than a reader takes in.

In: the claims of each kind, kinds in the order of the page. Out: some of them, in that order. Must not know any single
kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from harness.report.findings.claim import Claim


def chosen(kinds: Sequence[Sequence[Claim]], limit: int) -> list[Claim]:
    """The first of every kind, then the second of every kind, and so on, at most `limit`; in the order of kinds."""
    queues = [_by_turns(claims) for claims in kinds]
    turns = [claim for turn in zip_longest(*queues) for claim in turn if claim is not None]
    kept = {id(claim) for claim in turns[:limit]}
    return [claim for queue in queues for claim in queue if id(claim) in kept]


def explained(claims: Sequence[Claim]) -> list[Claim]:
    """The claims, with an explanation that several of them share in the first of those alone."""
    said: set[str] = set()
    made = []
    for claim in claims:
        made.append(claim if claim.once in said else replace(claim, text=claim.text + claim.once))
        said.add(claim.once)
    return made


def _by_turns(claims: Sequence[Claim]) -> list[Claim]:
    """Of one kind, the heaviest of each run and device first, then the second of each."""
    groups: dict[tuple[object, ...], list[Claim]] = {}
    for claim in sorted(claims, key=lambda claim: -claim.weight):
        groups.setdefault(claim.group, []).append(claim)
    return [claim for turn in zip_longest(*groups.values()) for claim in turn if claim is not None]
