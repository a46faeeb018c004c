"""How the ranks of a session agree: barrier, vote and gather.

In: the environment torchrun sets. Out: Ranks. The control plane runs over gloo on the host, apart from
what is measured. Must not know modes, timing or records.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

# A rank that hangs is ended by the launcher, which knows what counts as progress. This is only the end
# of last resort should the launcher be gone without the ranks noticing.
CONTROL_TIMEOUT = timedelta(hours=24)


class Ranks:
    """The processes of a session. Every call but `close` is collective: all ranks make it, in order."""

    def __init__(self, store: Path, device: torch.device) -> None:
        self.rank = int(os.environ["RANK"])
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.world_size = int(os.environ["WORLD_SIZE"])
        # A file as the meeting point: no port to be taken, none for others to connect to.
        dist.init_process_group(
            "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:nccl",
            # Not as a URL: torch does not decode what a URL must encode, a space in a path for one.
            store=dist.FileStore(str(store), self.world_size),  # type: ignore[attr-defined]
            rank=self.rank,
            world_size=self.world_size,
            timeout=CONTROL_TIMEOUT,
            device_id=None if device.type == "cpu" else device,
        )

        # On accelerators the default group's barrier would run on the device.
        self._control: Any = None if device.type == "cpu" else dist.new_group(backend="gloo")

    def barrier(self) -> None:
        """Return when all ranks have come."""
        if self.world_size > 1:
            dist.barrier(group=self._control)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.world_size == 1:
            return flag
        value = torch.tensor([float(flag)])
        dist.all_reduce(value, op=dist.ReduceOp.MAX, group=self._control)
        return bool(value.item())

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """Every rank's values, by rank; the same number of them on each."""
        own = torch.tensor(list(values), dtype=torch.float64)
        if self.world_size == 1:
            return [own.tolist()]
        of_all = [torch.empty_like(own) for _ in range(self.world_size)]
        dist.all_gather(of_all, own, group=self._control)
        return [of_one.tolist() for of_one in of_all]

    def close(self) -> None:
        dist.destroy_process_group()
