"""What a rank does before it loads torch: say who it is, read what to measure, find its cores.

In: a session file, and torchrun's environment. Out: an Arrival. Must not import torch.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from harness.core.cpu import own_cores
from harness.core.errors import HarnessError
from harness.core.files.revision import revision
from harness.session.progress import Sender
from harness.session.spec import SessionSpec
from harness.worker.named_rank import name_rank


@dataclass(frozen=True)
class Arrival:
    """A rank that is there. started_ns: on the system's monotonic clock; local_rank: among those of its node;
    own_cores: on which it is to issue; None where it is not pinned."""

    spec: SessionSpec
    sender: Sender
    started_ns: int
    local_rank: int
    own_cores: list[int] | None


def arrive(session_file: str, started_ns: int) -> Arrival:
    """Say hello, and read the session file.

    Raises HarnessError if another harness has made it, and as SessionSpec.load does.
    """
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    name_rank(rank)
    # The launcher asks a rank that makes no progress where it is.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sender = Sender()
    sender.send("hello", rank=rank)
    spec = SessionSpec.load(Path(session_file))
    _refuse_other_harness(spec)
    local_ranks = int(os.environ["LOCAL_WORLD_SIZE"])
    own = own_cores(local_rank, local_ranks, spec.threads) if spec.affinity else None
    return Arrival(spec, sender, started_ns, local_rank, own)


def _refuse_other_harness(spec: SessionSpec) -> None:
    """A row must be of the sources that environment.json names."""
    if spec.revision != revision():
        raise HarnessError(
            f"the sweep was started by another harness ({spec.revision}) than this rank's ({revision()}, in "
            f"{Path(__file__).parent}): its sources were changed since, or another copy was found"
        )
