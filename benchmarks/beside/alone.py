"""The plain script on several ranks, in a time of its own: nothing else is asked meanwhile.

In: a point, and the cores of its ranks. Out: microseconds a step. Must not know what it is held against.

Two ranks that wait for each other take two to three times as long after a pause of 60 ms, for some hundreds of steps:
so long their helper threads are not where they were. What sleeps while others take turns is not what users run.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.beside.peer import Peer
from harness.core.cpu import allowed_cores, own_cores

# Long enough after the start, and then in blocks that follow each other, some 2 s of each.
LEAD, STEPS, BLOCKS = 1000, 10, 200


def step_us(point: Any, *, pinned: bool, lead: int = LEAD, blocks: int = BLOCKS) -> float:
    """Median over blocks, of each the slowest rank's, in fresh processes, one a rank."""
    ranks, allowed = range(point.devices), allowed_cores()
    with tempfile.TemporaryDirectory() as folder:
        peers = [
            Peer(
                point,
                rank,
                Path(folder) / "store",
                allowed=allowed,
                pinned=own_cores(rank, point.devices, 1) if pinned else None,
            )
            for rank in ranks
        ]
        try:
            for peer in peers:
                peer.wait_until_ready()
            _block(peers, lead)
            return statistics.median(_block(peers, 1) for _ in range(blocks))
        finally:
            for peer in peers:
                peer.close()


def _block(peers: list[Peer], lead: int) -> float:
    for peer in peers:
        peer.ask(lead, STEPS)
    return max(peer.answer_us() for peer in peers)
