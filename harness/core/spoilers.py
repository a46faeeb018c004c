"""Environment variables that distort what is measured, with what each of them does.

In: an environment. Out: which of them are set there, in words, and the names that ranks must not have. Must not know
who starts ranks or who tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath

# A switch that is set to this is off, so that it does nothing.
_OFF = ("", "0", "false", "False", "off")
# The emulator's own stand-ins, by how their file names begin; with them a device is emulated, which rows say anyhow.
_STAND_INS = ("libcuda", "libnvidia-ml", "libnccl", "libcudart", "libcublas")
# No value of a user's environment is worth more room than this in a report.
_LONGEST = 80


@dataclass(frozen=True)
class Spoiler:
    """names: of variables, `*` for anything. does: what it does to a measurement. removed: whether ranks do without it.
    switch: whether 0 switches it off. harmless: names under the pattern that distort nothing."""

    names: tuple[str, ...]
    does: str
    removed: bool = False
    switch: bool = True
    harmless: tuple[str, ...] = ()


_BINDING = "binds the threads of every rank to the same cores, whatever cores a rank was given"
_CHECKS = "Python checks more at run time, so that its part of a step is larger than it is"

# What is removed would put ranks where the harness has not: it places ranks itself, and says so (docs/method.md). The
# rest may be wanted, to see what it does, and is said.
SPOILERS: tuple[Spoiler, ...] = (
    Spoiler(("OMP_PROC_BIND",), _BINDING, removed=True, switch=False),
    Spoiler(("OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"), _BINDING, removed=True, switch=False),
    # PYTORCH_JIT is a switch the other way round: 1 is its default.
    Spoiler(("PYTORCH_JIT",), "0 makes script and trace plain Python", switch=False),
    Spoiler(
        ("TORCH_COMPILE_DISABLE", "TORCHDYNAMO_*"),
        "changes what torch.compile compiles, or switches it off",
        harmless=("TORCHDYNAMO_VERBOSE",),
    ),
    Spoiler(("CUDA_LAUNCH_BLOCKING",), "every launch waits for the device: nothing is issued ahead"),
    Spoiler(("PYTHONTRACEMALLOC",), "every allocation of Python is traced"),
    Spoiler(("PYTHONDEVMODE", "PYTHONASYNCIODEBUG"), _CHECKS),
    Spoiler(
        ("PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE"),
        "imports are told on standard error: sessions start late",
    ),
    Spoiler(("PYTHONMALLOC",), "Python allocates another way than by default", switch=False),
    Spoiler(("PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT"), "every call of Python takes a trampoline"),
    Spoiler(("PYTHONOPTIMIZE",), "assertions are left out of torch's Python too"),
    Spoiler(("TORCH_DISTRIBUTED_DEBUG",), "collectives are checked between ranks", harmless=()),
    Spoiler(
        ("TORCH_SHOW_DISPATCH_TRACE", "MKL_VERBOSE", "ONEDNN_VERBOSE", "DNNL_VERBOSE"),
        "operations are logged",
    ),
    Spoiler(("PYTORCH_NO_CUDA_MEMORY_CACHING",), "every tensor on a device is allocated by the driver"),
    Spoiler(
        ("LD_PRELOAD", "LD_AUDIT"), "other libraries stand before those of torch and the system", switch=False
    ),
    Spoiler(
        ("MALLOC_*", "GLIBC_TUNABLES"), "the C library allocates another way than by default", switch=False
    ),
)


def spoilers_in(environ: Mapping[str, str]) -> dict[str, Spoiler]:
    """Name -> what it does, of the variables that are set and distort something."""
    found: dict[str, Spoiler] = {}
    for name, value in sorted(environ.items()):
        for spoiler in SPOILERS:
            if any(fnmatchcase(name, pattern) for pattern in spoiler.names) and _distorts(
                name, value, spoiler
            ):
                found[name] = spoiler
                break
    return found


def told(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Of each variable that distorts: what is set, and what that does and whether ranks have it, in words."""
    return [
        (
            f"{name}={environ[name][:_LONGEST]} is set",
            spoiler.does + (": taken out for the ranks" * spoiler.removed),
        )
        for name, spoiler in spoilers_in(environ).items()
    ]


def for_ranks(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would falsify ranks."""
    removed = {name for name, spoiler in spoilers_in(environ).items() if spoiler.removed}
    return {name: value for name, value in environ.items() if name not in removed}


def _distorts(name: str, value: str, spoiler: Spoiler) -> bool:
    if name in spoiler.harmless or not value:
        return False
    if name == "PYTORCH_JIT":
        return value != "1"
    if name == "TORCH_DISTRIBUTED_DEBUG":
        return value.upper() in ("INFO", "DETAIL")
    if name == "OMP_PROC_BIND":
        return value.lower() != "false"
    if name == "LD_PRELOAD":
        return any(not _is_stand_in(path) for path in value.replace(":", " ").split())
    return not (spoiler.switch and value in _OFF)


def _is_stand_in(path: str) -> bool:
    """Whether the emulator has put a library there (harness.core.emulated)."""
    named = PurePath(path)
    return named.name.startswith(_STAND_INS) and "emulator" in path
