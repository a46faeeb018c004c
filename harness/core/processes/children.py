"""How this program starts others of its own: with this very Python and harness, and nothing from where it stands.

In: a module's name. Out: a command line, and the variables under which it finds what its parent finds. Must not know
what is started. SECURITY.md says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_RUN_MODULE = Path(__file__).resolve().with_name("run_module.py")


def python_module(module: str, *arguments: str, python: str = "") -> list[str]:
    """The command line that runs a module as `python -m` does, but not from the current directory.

    python: another one than this, where the command is run elsewhere.
    """
    return [python or sys.executable, str(_RUN_MODULE), module, *arguments]


def path_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables under which children, and theirs, find what this process finds, wherever they run.

    An empty part of PYTHONPATH means the current directory, and a relative one something in it: the first is dropped,
    the second, which somebody has named, is made absolute. Paths are read in UTF-8 whatever the locale says: torch
    takes no others.
    """
    given = (os.environ if environ is None else environ).get("PYTHONPATH", "").split(os.pathsep)
    parts = dict.fromkeys(str(Path(part).absolute()) for part in given if part)
    return {"PYTHONPATH": os.pathsep.join(parts), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
