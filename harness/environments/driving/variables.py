"""Under which variables a driver runs: those of this process, but for what belongs to this Python or to its rank.

In: an interpreter's environment, how many threads. Out: all variables of a process. Must not know what is measured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from harness.core.processes.children import path_variables
from harness.environments.caches import cache_variables
from harness.environments.document import HERE, Environment

# Of this Python alone, with the packages that it finds.
_OF_THIS_PYTHON = frozenset(
    {
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR"),
        *("VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
    }
)
# Of a rank: whoever finds them waits for other ranks.
_OF_A_RANK = frozenset(
    {
        *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE"),
        *("ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "HARNESS_LAUNCHER_PID"),
    }
)
_ELASTIC = "TORCHELASTIC_"
# What decides how memory is taken, how threads wait and what code is chosen, by their beginnings.
_TELLING = (
    *(
        "MALLOC_",
        "GLIBC_TUNABLES",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "OMP_",
        "GOMP_",
        "KMP_",
        "MKL_",
        "PYTORCH_",
    ),
    *("TORCH", "ATEN_", "ONEDNN_", "DNNL_", "CUDA_", "CUBLAS_", "NVIDIA_", "PYTHON"),
    *("XLA_", "JAX_", "TF_ENABLE_", "TF_NUM_", "TF_XLA_", "KERAS_"),
)
_UNTOLD = frozenset({"PYTHONHASHSEED", "PYTHONPATH", "TORCHINDUCTOR_CACHE_DIR"})


def variables_of(
    environment: Environment, threads: int, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """All of them. Nothing of another Python comes first on the path of this one, and nobody's current directory. What
    the environment says itself holds."""
    inherited = {
        name: value
        for name, value in (os.environ if environ is None else environ).items()
        if name not in _OF_THIS_PYTHON | _OF_A_RANK and not name.startswith(_ELASTIC)
    }
    path = path_variables(environ)
    if environment.name != HERE.name or not path["PYTHONPATH"]:
        del path["PYTHONPATH"]
    each = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    variables = {**inherited, **path, **each, **environment.variables}
    return {**variables, **cache_variables(environment, variables)}


def told(variables: Mapping[str, str]) -> str:
    """Those that change what a step costs, `NAME=value` each, in order."""
    said = (
        f"{name}={value}"
        for name, value in sorted(variables.items())
        if name.startswith(_TELLING) and name not in _UNTOLD
    )
    return " ".join(said)
