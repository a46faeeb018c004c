"""A plugin: in every rank, Timer and a plain script take turns with the blocks of the harness.

A rank imports it by the config key `plugins`; it registers no mode. For each block Timer makes as many steps on the
callable that the harness times, and beside a single rank a script in a fresh process makes as many of its own, in an
order that is drawn, each led in by steps that are not timed. (Several ranks' scripts have a time of their own: alone.)
A line of rank<k>-<process>.jsonl in the folder $HARNESS_BESIDE says what they found, in microseconds a step, with
start_ns of the harness's block, by which the raw records tell what that was a block of. Machines change their speed
within seconds: what is to be compared stands side by side.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch.distributed as dist

from benchmarks.beside.peer import Peer
from benchmarks.beside.timer import by_timer
from harness.core.cpu import allowed_cores
from harness.timing.blocks import Block

FOLDER = "HARNESS_BESIDE"

# Answers microseconds a step.
Way = Callable[[], float]
# What stands beside a block of something prepared, by name.
Beside = Callable[[Any], dict[str, Way]]


def in_turns(
    timed_block: Callable[[Any, bool], Block], others: Beside, file: Path
) -> Callable[[Any, bool], Block]:
    """Prepared.timed_block, with other ways in turn with it."""
    # The same on all ranks, which come to their blocks in the same order.
    order = random.Random(0)

    def all_of_them(self: Any, usage: bool) -> Block:
        blocks: list[Block] = []
        found: dict[str, float] = {}

        def ours() -> None:
            blocks.append(timed_block(self, usage))

        def theirs(name: str, way: Way) -> None:
            found[name] = way()

        turns: list[Callable[[], None]] = [
            ours,
            *(partial(theirs, name, way) for name, way in others(self).items()),
        ]
        order.shuffle(turns)
        for turn in turns:
            _together()
            self.timer(self.lead_steps, False)
            _together()
            turn()
        (block,) = blocks
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"start_ns": block.start_ns, **found}) + "\n")
        return block

    return all_of_them


class Others:
    """Timer and, beside a single rank, the plain script: for each mode one that is pinned as the rank is, started when
    the mode is first measured."""

    def __init__(self, folder: Path) -> None:
        """To be made before the rank is pinned, whose cores are taken for those that it may use."""
        self._folder = folder
        self._cores = allowed_cores()
        self._peers: dict[str, Peer] = {}

    def __call__(self, prepared: Any) -> dict[str, Way]:
        ways: dict[str, Way] = {"timer_us": partial(by_timer, prepared)}
        if prepared.point.devices == 1:
            if prepared.key not in self._peers:
                self._peers[prepared.key] = self._started(prepared.point)
            peer = self._peers[prepared.key]
            ways["script_us"] = partial(peer.step_us, prepared.lead_steps, prepared.steps)
        return ways

    def _started(self, point: Any) -> Peer:
        pinned = sorted(os.sched_getaffinity(0))
        peer = Peer(point, 0, self._folder / point.key, allowed=self._cores, pinned=pinned)
        peer.wait_until_ready()
        return peer


def _together() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


if FOLDER in os.environ and "RANK" in os.environ:  # in a rank; the launcher imports plugins too
    from harness.worker.cells.prepared import Prepared

    _folder = Path(os.environ[FOLDER])
    Prepared.timed_block = in_turns(  # type: ignore[assignment,method-assign]
        Prepared.timed_block,
        Others(_folder),
        _folder / f"rank{os.environ['RANK']}-{os.getpid()}.jsonl",
    )
