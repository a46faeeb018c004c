"""Where a framework keeps what it compiles: with the environment that is made for it, and not in the user's home.

In: an environment, the variables of its process. Out: those that say so. Must not know what is compiled.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from harness.environments import kept
from harness.environments.document import Environment

# PyTensor's flags, `name=value` with commas between, and the one that names the folder of all that it keeps.
_FLAGS, _FOLDER = "PYTENSOR_FLAGS", "base_compiledir"


def cache_variables(environment: Environment, variables: Mapping[str, str]) -> dict[str, str]:
    """To be added to those of a process; none where nothing is to be said: of what is compiled nothing stays outside of
    the folder of an environment, which is removed as a whole. A Python that was there already is used as it is, and a
    folder that somebody has named holds."""
    if environment.framework != "pytensor" or not environment.is_made:
        return {}
    flags = variables.get(_FLAGS, "")
    if _FOLDER in flags:
        return {}
    folder = kept.folder_of(environment) / "compiled"
    # As PyTensor reads them: a path in quotes may hold commas and spaces.
    return {_FLAGS: ",".join(filter(None, [flags, f"{_FOLDER}={shlex.quote(str(folder))}"]))}
