"""Do the parts of a step add up to it?

Steps of several models, forward and train, one intra-op thread, taken apart in this process one after the other.
Run: python -m benchmarks.ladders
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from benchmarks.certificates import CONVNET, LSTM, TRANSFORMER
from benchmarks.common import parser, save, verdict
from harness.devices.device import Device
from harness.diagnosis.parts.ladder import climb
from harness.diagnosis.subject import Named, subject_of_names

UNEXPLAINED = 0.05
SECONDS = 4.0
STEPS: list[tuple[str, dict[str, Any], int, bool]] = [
    ("mlp", {"depth": 64, "width": 64}, 1, False),
    ("mlp", {"depth": 4, "width": 1024}, 64, False),
    ("convnet", CONVNET, 1, False),
    ("lstm", {**LSTM, "cells": True}, 1, False),
    ("transformer", TRANSFORMER, 1, False),
    ("transformer", TRANSFORMER, 16, False),
    ("mlp", {"depth": 64, "width": 64}, 1, True),
    ("mlp", {"depth": 4, "width": 1024}, 64, True),
    ("transformer", TRANSFORMER, 1, True),
]


def main() -> int:
    """Answers the exit status: 0 if the parts of every step leave no more than the limit."""
    arguments = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    rows = []
    for kind, given, samples, train in STEPS:
        named = Named(f"harness.models.{kind}:build", samples=samples, arguments=given, train=train)
        subject = subject_of_names(named, Device())
        found = climb(
            subject.call,
            model=subject.model,
            device=subject.device,
            context=subject.context,
            seconds=SECONDS,
        )
        whole = found.whole.estimate
        row = {"model": kind, "batch": samples, "workload": "train" if train else "forward", "step_us": whole}
        row |= {part.name: part.us.estimate for part in found.parts}
        rows.append({**row, "unexplained": found.unexplained.estimate / whole})
    table = save(rows, arguments.out, "ladders")
    worst = float(table["unexplained"].abs().max())
    return 0 if verdict("unexplained of a step, worst", worst * 100, UNEXPLAINED * 100, " %") else 1


if __name__ == "__main__":
    sys.exit(main())
