"""How far are the predictions of `harness diagnose` off, on models that none of its constants was fitted on?

Each model is diagnosed and verified in a process of its own, on the CPU and on an emulated node: predictions are made
from eager's measurement before anything else is measured. With --calibrate the models are others, and what is printed
is what the constants of harness/diagnosis/what_if.py are chosen by.
Run: python -m benchmarks.certificates [--minutes 0.25] [--device cpu,emulated]
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmarks.common import parser, save, verdict
from harness.commands.shared.apart import device_apart
from harness.core.emulated import load_profile
from harness.core.errors import HarnessError

EMULATED = "v100x8"
# What is promised: shares of intervals that hold, half widths and errors, combinations.
HOLD_AT_LEAST, HOLD_AT_MOST, HALF_WIDTH, ERROR, LEAST_COMBINATIONS = 0.80, 0.98, 0.15, 0.10, 30
UNEXPLAINED = 0.05

CONVNET = {"layers": 3, "channels": 16, "image": 32, "classes": 10}
TRANSFORMER = {"layers": 2, "width": 64, "heads": 4, "tokens": 32, "vocabulary": 1000, "classes": 10}
LSTM = {"layers": 1, "features": 32, "hidden": 64, "steps": 16, "classes": 10, "cells": False}
DLRM = {"numbers": 13, "bottom": [64, 32, 16], "top": [64, 32], "tables": 8, "rows": 1000, "lookups": 1}
NERF = {"layers": 4, "width": 64, "point_octaves": 6, "direction_octaves": 2}
MIXER = {"layers": 2, "width": 64, "image": 32, "patch": 8, "classes": 10}

FITTED: list[tuple[str, dict[str, Any], int]] = [
    ("mlp", {"depth": 8, "width": 64}, 1),
    ("mlp", {"depth": 64, "width": 64}, 1),
    ("mlp", {"depth": 16, "width": 256}, 16),
    ("mlp", {"depth": 4, "width": 1024}, 16),
    ("convnet", CONVNET, 1),
    ("convnet", CONVNET, 16),
    ("transformer", TRANSFORMER, 1),
    ("transformer", TRANSFORMER, 16),
    ("lstm", {**LSTM, "cells": True}, 1),
    ("lstm", LSTM, 16),
    ("dlrm", DLRM, 1),
    ("dlrm", DLRM, 16),
    ("nerf", NERF, 16),
    ("mixer", MIXER, 1),
    ("mixer", MIXER, 16),
    ("named", {"width": 1024}, 1),
]
HELD_OUT: list[tuple[str, dict[str, Any], int]] = [
    ("mlp", {"depth": 24, "width": 96}, 2),
    ("mlp", {"depth": 12, "width": 384}, 8),
    ("convnet", {**CONVNET, "layers": 5, "channels": 24}, 2),
    ("convnet", {**CONVNET, "layers": 2, "channels": 32}, 8),
    ("transformer", {**TRANSFORMER, "layers": 3, "width": 96}, 2),
    ("transformer", {**TRANSFORMER, "layers": 1, "width": 128}, 8),
    ("lstm", {**LSTM, "hidden": 96, "steps": 24}, 2),
    ("lstm", {**LSTM, "hidden": 48, "steps": 10, "cells": True}, 8),
    ("dlrm", {**DLRM, "tables": 12, "bottom": [96, 48, 16]}, 2),
    ("dlrm", {**DLRM, "tables": 5, "top": [128, 64]}, 8),
    ("nerf", {**NERF, "layers": 6, "width": 96}, 8),
    ("mixer", {**MIXER, "layers": 3, "width": 96}, 2),
    ("mixer", {**MIXER, "layers": 4, "width": 48}, 8),
    ("named", {"width": 3000}, 8),
]
# Columns that constants are chosen by.
FITTED_BY = ("fact_", "cost_")
# On an emulated node, which refuses cuDNN's recurrent networks by name.
NOT_EMULATED = ("lstm",)


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=0.25, help="for each model (default 0.25)")
    options.add_argument("--device", default="cpu,emulated", help="cpu, emulated, or both (default)")
    options.add_argument("--calibrate", action="store_true", help="the models that constants are fitted on")
    options.add_argument("--models", default="", help="some of them alone, e.g. mlp,convnet")
    options.add_argument("--one", help="what the children are called with")
    arguments = options.parse_args()
    if arguments.one:
        print(json.dumps(_one(json.loads(arguments.one))))
        return 0
    models = FITTED if arguments.calibrate else HELD_OUT
    rows: list[dict[str, Any]] = []
    for device in arguments.device.split(","):
        for kind, arguments_of, batch in models:
            if (device == "emulated" and kind in NOT_EMULATED) or kind not in (arguments.models or kind):
                continue
            rows += _of_child(device, kind, arguments_of, batch, arguments.minutes)
    if not arguments.calibrate:
        rows = [
            {name: value for name, value in row.items() if not name.startswith(FITTED_BY)} for row in rows
        ]
    table = save(rows, arguments.out, "certificates_fitted" if arguments.calibrate else "certificates")
    return 0 if _met(table) else 1


def _of_child(
    device: str, kind: str, given: dict[str, Any], batch: int, minutes: float
) -> list[dict[str, Any]]:
    job = {"device": device, "kind": kind, "arguments": given, "batch": batch, "minutes": minutes}
    with device_apart(device, load_profile(EMULATED) if device == "emulated" else None) as apart:
        try:
            said = apart.run("benchmarks.certificates", ["--one", json.dumps(job)])
        except HarnessError as error:
            print(f"{device} {kind} {given} batch {batch}: {error}", file=sys.stderr, flush=True)
            return []
    rows: list[dict[str, Any]] = json.loads(said.splitlines()[-1])
    for row in rows:
        off = f"measured {row['measured_us']:.4g} ({row['error']:+.1%})"
        print(f"{device} {kind} {batch}: {row['change']} {row['predicted_us']:.4g} us, {off}", flush=True)
    return rows


def _one(job: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a verified prediction, in a process of its own."""
    import torch

    from harness.devices.opening import open_device
    from harness.diagnosis.diagnose import diagnosed, facts_of
    from harness.diagnosis.subject import Named, subject_of_names
    from harness.passport.stored import own_passport

    device = open_device(job["device"], 0)
    device.prepare_thread()
    torch.set_num_threads(
        1
    )  # as a sweep's ranks by default: two threads on two shared cores differ by halves
    named = Named(f"harness.models.{job['kind']}:build", samples=job["batch"], arguments=job["arguments"])
    subject = subject_of_names(named, device)
    passport = own_passport(device)
    found = diagnosed(subject, passport, minutes=job["minutes"], verifying=True)
    facts = asdict(facts_of(subject, passport, found.measured))
    facts |= {**facts.pop("asked"), "whole": found.measured.whole.estimate}
    ladder = found.measured.ladder
    unexplained = ladder.unexplained.estimate / ladder.whole.estimate if ladder else float("nan")
    verified = {each.change: each for each in found.verified}
    rows = []
    for each in found.predicted:
        measured = verified.get(each.change)
        if measured is None or measured.us is None:
            if measured is not None:
                print(f"{each.change}: {measured.why}", file=sys.stderr)
            continue
        rows.append(
            {
                "device": job["device"],
                "model": job["kind"],
                "arguments": json.dumps(job["arguments"]),
                "batch": job["batch"],
                "change": each.change,
                "predicted_us": each.us.estimate,
                "low_us": each.us.low,
                "high_us": each.us.high,
                "measured_us": measured.us.estimate,
                "error": measured.error(each),
                "held": measured.held(each),
                "half_width": each.us.relative_half_width,
                "unexplained": unexplained,
                "pace": found.measured.pace,
                **{f"fact_{name}": value for name, value in facts.items()},
                **{f"cost_{name}": cost.value for name, cost in passport.costs.items()},
            }
        )
    return rows


def _met(table: pd.DataFrame) -> bool:
    """Prints a table a change, and what is promised of all."""
    if table.empty:
        return False
    table = table.assign(off=table["error"].abs())
    by = table.groupby(["device", "change"]).agg(
        combinations=("held", "size"),
        held=("held", "mean"),
        half_width=("half_width", "median"),
        error=("off", "median"),
        worst=("off", "max"),
    )
    print(by.to_string(float_format=lambda value: f"{value:.3f}"))
    held = float(table["held"].mean())
    steps = table.drop_duplicates(["device", "model", "arguments", "batch"])
    unexplained = float(steps["unexplained"].abs().median())
    return all(
        [
            verdict("combinations", len(table), LEAST_COMBINATIONS, least=True),
            verdict("intervals that hold", held * 100, HOLD_AT_LEAST * 100, " %", least=True),
            verdict("intervals that hold", held * 100, HOLD_AT_MOST * 100, " %"),
            verdict("median half width", float(table["half_width"].median()) * 100, HALF_WIDTH * 100, " %"),
            verdict("median error", float(table["off"].median()) * 100, ERROR * 100, " %"),
            verdict(
                "unexplained of a step, median",
                unexplained * 100,
                UNEXPLAINED * 100,
                " %",
            ),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
