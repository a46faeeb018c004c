"""How long the repeats after the first one may be, so that the fewest that make an interval end in time.

In: how long the first one took, seconds. Out: the rules of the others. Must not know ratios: what is fixed by them
would please chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.duel.looks import FEWEST, RESERVE, fitting
from harness.duel.repeat import Repeat, Rules

# A build of fewer has no median to speak of: one block in 20 is disturbed by a lot.
LEAST_ROUNDS = 10


@dataclass(frozen=True)
class Lengths:
    """Of the repeats after the first. rules: theirs. each_s: how long one is to take. most: how many there is time for,
    with the first one. said: what of it must be told; empty where there is time for enough."""

    rules: Rules
    each_s: float
    most: int
    said: str = ""


def lengths(first: Repeat, rules: Rules, limit_s: float) -> Lengths:
    """As they are wherever as many as FEWEST have the time; else of fewer builds and rounds, and where those are too
    long as well, fewer repeats."""
    full = fitting(first.seconds, first.seconds, limit_s)
    if full >= FEWEST:
        return Lengths(rules, first.seconds, full)
    others, each_s = shorter(first, rules, FEWEST - 1, limit_s - first.seconds)
    most = fitting(first.seconds, each_s, limit_s)
    needed = math.ceil(first.seconds * (1 + (FEWEST - 1) * RESERVE))
    said = (
        f"A whole repeat takes {first.seconds:.1f} s here, too long for {FEWEST} in {limit_s:g} s: "
        f"{_done(others, most)}. --seconds {needed} has time for {FEWEST} whole ones."
    )
    return Lengths(others, each_s, min(most, FEWEST), said)


def shorter(latest: Repeat, rules: Rules, rest: int, left_s: float) -> tuple[Rules, float]:
    """The rules of the next repeat, and how long it is to take, where so many are to end in that time. rules: of the
    latest, which may have taken longer than was expected."""
    found = _shorter(latest, rules, left_s / (rest * RESERVE))
    return found, _seconds(latest, rules, found)


def _shorter(first: Repeat, rules: Rules, each_s: float) -> Rules:
    """As many builds as there is time for with at least the fewest rounds: each lies in places of its own."""
    for builds in range(rules.builds, 0, -1):
        unhurried = _seconds(first, rules, replace(rules, builds=builds, rounds=0))
        of_a_round = first.rounds_s * builds / rules.builds / rules.rounds
        rounds = math.floor((each_s - unhurried) / of_a_round) if of_a_round > 0 else 0
        if rounds >= min(LEAST_ROUNDS, rules.rounds):
            return replace(rules, builds=builds, rounds=min(rounds, rules.rounds))
    return replace(rules, builds=1, rounds=min(LEAST_ROUNDS, rules.rounds))


def _seconds(first: Repeat, rules: Rules, other: Rules) -> float:
    """Of a repeat by other rules."""
    builds = other.builds / rules.builds
    unhurried = first.seconds - first.start_s - first.rounds_s
    return first.start_s + builds * (unhurried + first.rounds_s * other.rounds / rules.rounds)


def _done(rules: Rules, most: int) -> str:
    if most == 1:
        return "there is no other, and so no interval"
    others = f"the others have {_counted(rules.builds, 'build')} of about {_counted(rules.rounds, 'round')}"
    return others if most >= FEWEST else f"{others}, and of {most} in all an interval is wide"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
