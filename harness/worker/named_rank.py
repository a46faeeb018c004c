"""The rank's number before each line of an exception that ends it, as torch has it once the ranks have met.

In: a rank's number. Out: a changed sys.excepthook. Must not import torch: it is for the time before. The launcher
reads such lines (harness/launch/cause_of_death.py).
"""

from __future__ import annotations

import sys
import traceback
from types import TracebackType


def name_rank(rank: int) -> None:
    """Have this process begin each line of an exception that ends it with its rank.

    torch does the same from the time on at which the ranks have met; until then nobody would know whose it is.
    """

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        for part in traceback.format_exception(kind, error, trace):
            for line in part.splitlines():
                print(f"[rank{rank}]: {line}", file=sys.stderr)
        sys.stderr.flush()

    sys.excepthook = tell


def unname_rank() -> None:
    """Leave it to torch, which wraps whatever hook there is."""
    sys.excepthook = sys.__excepthook__
