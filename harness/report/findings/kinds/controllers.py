"""What one process, its threads or one loop can feed, and what limits them.

In: slices over device counts and controllers. Out: claims. Must not know other kinds.
Oversubscribed points are wanted here: that the cores are the limit is one of the answers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import pandas as pd

from harness.report.findings.claim import Claim, aside, cell, group_of, lead
from harness.report.findings.finding import Finding
from harness.report.findings.saturation import saturated
from harness.report.table.formats import count, listed, significant
from harness.report.table.slices import Slice, hardest_cell
from harness.report.table.tidy import CONTROLLER_ORDER, controller_rank, mode_rank

# From here on a device more brings a device's worth but for what noise and start-up of a block take.
SCALES = 0.9
MOST_MODES = 4


def claims(part: Slice, differing: Collection[str], *, of: str) -> list[Claim]:
    """A sentence on the controller `of`; those that are not known are told of with the first one.

    Nothing where every device has a process of its own: of that the scaling efficiency says all.
    """
    rows = part.rows[part.rows["ok"] & (part.rows["throughput_samples_s"] > 0)]
    if not (rows["controller"] != CONTROLLER_ORDER[0]).any():
        return []
    made = []
    known = set(CONTROLLER_ORDER)
    told_by = {name: name if name in known else CONTROLLER_ORDER[0] for name in set(rows["controller"])}
    for controller in sorted((name for name, by in told_by.items() if by == of), key=controller_rank):
        own = rows[rows["controller"] == controller]
        several = own[own["devices"] > 1]
        if several.empty:
            continue
        depth, batch = hardest_cell(several)
        here = rows[(rows["depth"] == depth) & (rows["batch"] == batch)]
        made += _claim(here, controller, {**part.values, "controller": controller}, differing)
    return made


def _gains(rows: pd.DataFrame, controller: str) -> list[dict[Any, Any]]:
    """The controller's rows on most devices, with `limit` and `gain`: throughput over that on one device,
    under this controller or, where that was not measured, under any: there each of them is one issuer."""
    own = rows[rows["controller"] == controller]
    last = own[own["devices"] == own["devices"].max()].drop_duplicates("mode")
    alone = rows[rows["devices"] == 1]
    apart = rows[(rows["controller"] == CONTROLLER_ORDER[0]) & (rows["devices"] == own["devices"].max())]
    each = apart.drop_duplicates("mode").set_index("mode")["throughput_samples_s"].to_dict()
    made = []
    for row in last.to_dict("records"):
        starts = alone[alone["mode"] == row["mode"]]
        starts = starts.sort_values(
            "controller", key=lambda n: n.map(lambda name: (name != controller, name))
        )
        if len(starts):
            gain = row["throughput_samples_s"] / starts["throughput_samples_s"].iloc[0]
            why = saturated(row, each.get(row["mode"], math.nan) / row["throughput_samples_s"])
            made.append({**row, "gain": gain, "efficiency": gain / row["devices"], "limit": why})
    return sorted(made, key=lambda row: mode_rank(row["mode"]))


def _claim(
    rows: pd.DataFrame, controller: str, values: Mapping[str, Any], differing: Collection[str]
) -> list[Claim]:
    gains = _gains(rows, controller)
    if not gains:
        return []
    groups: dict[str, list[dict[Any, Any]]] = {}
    for row in gains:
        groups.setdefault("" if row["efficiency"] >= SCALES else _reason(row), []).append(row)
    texts = [_group(own, own[0]["limit"] if reason else "no saturation") for reason, own in groups.items()]
    devices = int(gains[0]["devices"])
    named = [name for name in differing if name != "controller"]
    head = f"{lead(values)}On {count(devices, 'device')} under {controller} at {cell(gains[0])}{aside(values, named)}"
    text = f"{head}, of {devices} times the throughput of one: {'; '.join(texts)}."
    weight = 1.0 - min(row["efficiency"] for row in gains)
    return [Claim(weight, group_of(values), text)]


def _reason(row: Mapping[str, Any]) -> str:
    """A limit without its numbers: modes with the same one share a clause."""
    return str(row["limit"]).partition(" (")[0]


def _group(own: list[dict[Any, Any]], reason: str) -> str:
    """`eager reaches 1.10 and symbolic 1.30: one interpreter ...`."""
    shown = own if len(own) <= MOST_MODES else [*own[: MOST_MODES - 1], own[-1]]
    texts = [f"{row['mode']} {significant(row['gain'])}" for row in shown]
    texts[0] = texts[0].replace(" ", " reaches ", 1)
    more = len(own) - len(shown)
    return f"{listed([*texts, *([count(more, 'more mode')] if more else [])])}: {reason}"


# A kind for each controller, so that one of them does not push the others off the page.
FINDINGS = tuple(
    Finding(
        *(name, frozenset({"devices", "controller"}), partial(claims, of=name)),
        crowded=True,
        shown_by=("controllers", "scaling"),
    )
    for name in reversed(CONTROLLER_ORDER)
)
