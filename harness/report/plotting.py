"""matplotlib, loaded without what lies in the current directory.

In: nothing. Out: the module, loaded. Must not know what is drawn.

When it is imported, matplotlib reads a file `matplotlibrc` of the current directory, before the one that MATPLOTLIBRC
names: a FIFO of that name would hang a report, a link to an endless device fill the memory. And it obeys MPLBACKEND,
which in a notebook names a module that draws into the notebook, and may be missing here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# What the user has set for other plots, in variables or in a matplotlibrc, says nothing of a report's figures.
_OURS = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}


def load_matplotlib() -> None:
    """Import matplotlib from a folder of our own; to be called before anything that imports it."""
    if "matplotlib" in sys.modules:
        return
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    before = {name: os.environ.get(name) for name in _OURS}
    try:
        os.chdir(Path(__file__).parent)
        os.environ.update(_OURS)
        import matplotlib  # noqa: F401
    finally:
        os.fchdir(here)
        os.close(here)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
