"""The cores that the threads which issue may really use, as the system says when it is asked.

In: a rank's issuers. Out: a list of cores a thread. Must not know records, nor who gave a thread its cores.
"""

from __future__ import annotations

import os
import threading

import torch

from harness.worker.issuers import Issuers

# Enough elements that OpenMP shares them out: it binds the thread that begins its first parallel region.
_SHARED_OUT = 1 << 16


def issuing_cores(issuers: Issuers) -> list[list[int]] | None:
    """Of each thread that issues, the cores of its affinity, in order; None where the system does not tell.

    OMP_PROC_BIND and its like move a thread when OpenMP comes up in it, after a rank was given its cores: so it is
    made to come up first.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None

    def of_thread(index: int) -> tuple[int, list[int]]:
        torch.ones(_SHARED_OUT).add_(1)
        return threading.get_native_id(), sorted(os.sched_getaffinity(0))

    # One thread may issue to several devices.
    return list(dict(issuers.each(of_thread)).values())
