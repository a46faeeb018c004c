"""matplotlib, loaded without what lies in the current directory.

In: nothing. Out: the module, loaded. Must not know what is drawn.

When it is imported, matplotlib reads a file `matplotlibrc` of the current directory, before the one that MATPLOTLIBRC
names: a FIFO of that name would hang a report, a link to an endless device fill the memory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def load_matplotlib() -> None:
    """Import matplotlib from a folder of our own; to be called before anything that imports it."""
    if "matplotlib" in sys.modules:
        return
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(Path(__file__).parent)
        import matplotlib  # noqa: F401
    finally:
        os.fchdir(here)
        os.close(here)
