"""A plugin: torch.utils.benchmark.Timer in every rank, on the callable that the harness times, in turn with its blocks.

A rank imports it by the config key `plugins`; it registers no mode. Before or after each block, as drawn, Timer makes
as many steps, and a line of rank<k>-<process>.jsonl in the folder $HARNESS_BESIDE says what it found: start_ns of the
harness's block, by which the raw records tell what that was a block of, and timer_us.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.benchmark import Timer

from harness.timing.blocks import Block

FOLDER = "HARNESS_BESIDE"


def beside(timed_block: Callable[[Any, bool], Block], file: Path) -> Callable[[Any, bool], Block]:
    """Prepared.timed_block, with Timer on the same callable in turn with it."""
    # The same on all ranks, which come to their blocks in the same order.
    order = random.Random(0)

    def both(self: Any, usage: bool) -> Block:
        timer_first = order.random() < 0.5
        if timer_first:
            timer_us = _by_timer(self)
            _together()
        block = timed_block(self, usage)
        if not timer_first:
            _together()
            timer_us = _by_timer(self)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"start_ns": block.start_ns, "timer_us": timer_us}) + "\n")
        return block

    return both


def _by_timer(prepared: Any) -> float:
    (step,) = prepared.own
    timer = Timer("step()", globals={"step": step.call}, num_threads=torch.get_num_threads())
    return float(timer.timeit(prepared.steps).mean * 1e6)


def _together() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


if FOLDER in os.environ and "RANK" in os.environ:  # in a rank; the launcher imports plugins too
    from harness.worker.cells.prepared import Prepared

    _file = Path(os.environ[FOLDER]) / f"rank{os.environ['RANK']}-{os.getpid()}.jsonl"
    Prepared.timed_block = beside(Prepared.timed_block, _file)  # type: ignore[assignment,method-assign]
