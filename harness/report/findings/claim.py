"""A sentence with its weight, and the words for where it holds.

In: rows of a tidy table. Out: claims. Must not know which claims are made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.schema import REFERENCE_MODE
from harness.report.table.formats import count
from harness.report.table.slices import cell_words, words

EAGER = REFERENCE_MODE


# Of a step waiting: over half of it, and Python decides; under a tenth, and making it free would hardly be noticed.
BOUND, FREE = 0.5, 0.1

# Devices always stand in the sentence itself, the rest only where the table has more than one value.
BESIDE = ("family", "width", "workload", "dtype", "autograd", "environment", "controller", "device_name")


@dataclass(frozen=True)
class Crux:
    """What a sentence comes down to, for who reads no more than that; all of it is of the same rows. brief: the
    sentence without what introduces it. number: what it turns on, number_of: what that is; both empty where nothing is
    known. beside: what to say beside it, such as what removes most of it, or empty. row: the row of the number, by
    axis; what it lacks the number is not of one value of. scope: what it holds for, or empty."""

    brief: str
    number: str = ""
    number_of: str = ""
    beside: str = ""
    row: tuple[tuple[str, Any], ...] = ()
    scope: str = ""


@dataclass(frozen=True)
class Claim:
    """weight: within a kind, the heavier first. group: run and device, so that every run gets its say before one run
    gets a second. once: what explains the sentence, to be said with the first of its kind that has it. at: axes of the
    rows that it speaks of, beside those of its slice. crux: of sentences that may be a page's answer. part: the values
    of its slice, which who puts claims together sets."""

    weight: float
    group: tuple[Any, ...]
    text: str
    once: str = ""
    at: tuple[tuple[str, Any], ...] = ()
    crux: Crux | None = None
    part: tuple[tuple[str, Any], ...] = ()


def lead(values: Mapping[str, Any]) -> str:
    """What must stand before a sentence so that it is not taken for something else."""
    run = f"{values['run']}: " if values.get("run") else ""
    return run + ("Emulated, not measured: " if values.get("emulated") else "")


def aside(values: Mapping[str, Any], differing: Collection[str]) -> str:
    """` (width 64, train)`: what tells this slice from the others of the table; empty if nothing does."""
    names = [name for name in BESIDE if name in differing]
    texts = words(dict(values), names)
    return f" ({', '.join(texts)})" if texts else ""


def cell(row: Mapping[str, Any]) -> str:
    return cell_words(int(row["depth"]), int(row["batch"]))


def place(row: Mapping[str, Any], differing: Collection[str]) -> str:
    """`depth 64, batch 1 on 1 device (train)`."""
    return f"{cell(row)} on {count(int(row['devices']), 'device')}{aside(row, differing)}"


def group_of(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(name) for name in ("run", "device_kind", "device_name", "emulated"))
