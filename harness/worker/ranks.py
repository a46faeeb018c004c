"""How the ranks of a session agree: barrier, vote and gather.

In: the environment torchrun sets. Out: Ranks. The control plane runs over gloo on the host, apart from
what is measured. Must not know modes, timing or records.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from harness.worker.named_rank import unname_rank

# A rank that hangs is ended by the launcher, which knows what counts as progress. This is only the end
# of last resort should the launcher be gone without the ranks noticing.
CONTROL_TIMEOUT = timedelta(hours=24)

# Questions for the time: enough that one of them meets no other traffic.
CLOCK_EXCHANGES = 20


class Ranks:
    """The processes of a session. Every call but `close` is collective: all ranks make it, in order."""

    def __init__(self, store: Path | None, device: torch.device) -> None:
        self.rank = int(os.environ["RANK"])
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.world_size = int(os.environ["WORLD_SIZE"])
        self.spans_nodes = self.world_size > int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size))
        unname_rank()  # from here on torch does it
        # A file as the meeting point: no port to be taken, none for others to connect to. Between nodes, where
        # locks of files are not to be relied on, the store in which torchrun's nodes have met.
        dist.init_process_group(
            "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:nccl",
            # Not as a URL: torch does not decode what a URL must encode, a space in a path for one.
            store=dist.FileStore(str(store), self.world_size) if store else None,  # type: ignore[attr-defined]
            rank=self.rank,
            world_size=self.world_size,
            timeout=CONTROL_TIMEOUT,
            device_id=None if device.type == "cpu" else device,
        )

        # On accelerators the default group's barrier would run on the device.
        self._control: Any = None if device.type == "cpu" else dist.new_group(backend="gloo")

    def barrier(self) -> None:
        """Return when all ranks have come."""
        if self.world_size == 1:
            return
        if self._control is None:
            dist.barrier()
        else:
            # dist.barrier takes memory of the device that the default group is bound to, whatever the group.
            dist.all_reduce(torch.zeros(1), group=self._control)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.world_size == 1:
            return flag
        value = torch.tensor([float(flag)])
        dist.all_reduce(value, op=dist.ReduceOp.MAX, group=self._control)
        return bool(value.item())

    def most(self, value: float) -> float:
        """The largest of every rank's values: what a rank has measured alone, and all are to go by."""
        return max(of_one for (of_one,) in self.gather([value]))

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """Every rank's values, by rank; the same number of them on each."""
        own = torch.tensor(list(values), dtype=torch.float64)
        if self.world_size == 1:
            return [own.tolist()]
        of_all = [torch.empty_like(own) for _ in range(self.world_size)]
        dist.all_gather(of_all, own, group=self._control)
        return [of_one.tolist() for of_one in of_all]

    def clock_offset_ns(self) -> int:
        """What to add to this rank's monotonic clock for rank 0's: 0 within a node, which has one clock.

        Of several exchanges the quickest counts, whose answer came half its time before it was heard
        (Cristian, Probabilistic clock synchronization, 1989); it is off by that half at most.
        """
        if not self.spans_nodes:
            return 0
        offset = 0
        for rank in range(1, self.world_size):
            if self.rank == 0:
                self._tell_time(rank)
            elif self.rank == rank:
                offset = self._ask_time()
        return offset

    def _tell_time(self, rank: int) -> None:
        for _ in range(CLOCK_EXCHANGES):
            dist.recv(torch.empty(1, dtype=torch.int64), src=rank, group=self._control)
            dist.send(torch.tensor([time.monotonic_ns()]), dst=rank, group=self._control)

    def _ask_time(self) -> int:
        found: list[tuple[int, int]] = []
        answer = torch.empty(1, dtype=torch.int64)
        for _ in range(CLOCK_EXCHANGES):
            asked = time.monotonic_ns()
            dist.send(torch.zeros(1, dtype=torch.int64), dst=0, group=self._control)
            dist.recv(answer, src=0, group=self._control)
            heard = time.monotonic_ns()
            found.append((heard - asked, int(answer.item()) - (asked + heard) // 2))
        return min(found)[1]

    def close(self) -> None:
        dist.destroy_process_group()
