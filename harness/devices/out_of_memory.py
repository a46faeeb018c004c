"""Whether an exception says that memory has run out, the device's or the host's.

In: an exception. Out: yes or no. Must not know devices: torch says it in as many ways as it has allocators.
"""

from __future__ import annotations

import re

import torch

_OOM_MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory, the device's or the host's, has run out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_OOM_MESSAGES.search(str(error)))
