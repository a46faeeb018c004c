"""The variables that a process of an environment is started with.

In: an Environment. Out: the whole of its process's variables. Must not know what is started.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from harness.core.processes.children import path_variables
from harness.environments.caches import cache_variables
from harness.environments.document import HERE, Environment

# What says where a Python's modules are, or how it behaves, is this process's own and not another one's.
_OF_PYTHON = ("PYTHON", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def variables_of(environment: Environment, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables without those of its Python, and with the environment's own; of `here`, all of them.

    Nothing of where it stands is on the path, from Python 3.11 on; an older one must be started on a file.
    """
    given = os.environ if environ is None else environ
    if environment.name == HERE.name:
        return {**given, **path_variables(given), **environment.variables}
    kept = {name: value for name, value in given.items() if not name.startswith(_OF_PYTHON)}
    variables = {**kept, "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", **environment.variables}
    return {**variables, **cache_variables(environment, variables)}
