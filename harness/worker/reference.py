"""A fixed piece of work, timed at the start of every session: by it sweeps of a machine tell how fast it was just then.

In: nothing. Out: a time. Must not know cells or modes: it must be the same work in every sweep there is.
"""

from __future__ import annotations

import statistics

import torch

from harness.timing.blocks import time_block

# What most of a sweep does: one thread that issues many small operations. On the host, whatever the devices are, whose
# own speed does not follow the host's.
LAYERS, WIDTH = 32, 48
BLOCKS, STEPS = 40, 8


def time_reference() -> float:
    """ns that a step of the reference work takes, the median over blocks of some milliseconds. Leaves random states as
    they were: what is drawn after it must not depend on it."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        layers = [torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)]
        model, given = torch.nn.Sequential(*layers), torch.ones(1, WIDTH)

        def step() -> None:
            model(given)

        took = [time_block(step, STEPS, _nothing).wall_ns / STEPS for _ in range(2 * BLOCKS)]
    # The first half warms up.
    return statistics.median(took[BLOCKS:])


def _nothing() -> None:
    """There is nothing to wait for on the host."""
