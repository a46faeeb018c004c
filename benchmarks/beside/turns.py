"""A plugin: in every rank, Timer and a plain script take turns with the blocks of the harness.

A rank imports it by the config key `plugins`; it registers no mode. For each block Timer makes as many steps on the
callable that the harness times, and a script in a fresh process makes as many of its own, in an order that is drawn,
each led in by steps that are not timed. A line of rank<k>-<process>.jsonl in the folder $HARNESS_BESIDE says what they
found, in microseconds a step, with start_ns of the harness's block, by which the raw records tell what that was a block
of. Machines change their speed within seconds: what is to be compared stands side by side.
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


class Scripts:
    """The plain scripts beside one rank: for each mode one that is pinned as the rank is, and on several ranks one that
    is not, started when the mode is first measured."""

    def __init__(self, rank: int, folder: Path) -> None:
        """To be made before the rank is pinned, whose cores are taken for those that it may use."""
        self._rank = rank
        self._folder = folder
        self._cores = allowed_cores()
        self._peers: dict[str, dict[str, Peer]] = {}

    def __call__(self, prepared: Any) -> dict[str, Way]:
        if prepared.key not in self._peers:
            self._peers[prepared.key] = self._started(prepared.point)
        ways = {
            name: partial(peer.step_us, prepared.lead_steps, prepared.steps)
            for name, peer in self._peers[prepared.key].items()
        }
        return {"timer_us": partial(by_timer, prepared), **ways}

    def _started(self, point: Any) -> dict[str, Peer]:
        pinned = {"script_us": sorted(os.sched_getaffinity(0))}
        loose = {"unpinned_us": None} if point.devices > 1 else {}
        peers = {
            name: Peer(
                point, self._rank, self._folder / f"{point.key}-{name}", allowed=self._cores, pinned=cores
            )
            for name, cores in {**pinned, **loose}.items()
        }
        for peer in peers.values():
            peer.wait_until_ready()
        return peers


def _together() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


if FOLDER in os.environ and "RANK" in os.environ:  # in a rank; the launcher imports plugins too
    from harness.worker.cells.prepared import Prepared

    _folder = Path(os.environ[FOLDER])
    Prepared.timed_block = in_turns(  # type: ignore[assignment,method-assign]
        Prepared.timed_block,
        Scripts(int(os.environ["RANK"]), _folder),
        _folder / f"rank{os.environ['RANK']}-{os.getpid()}.jsonl",
    )
