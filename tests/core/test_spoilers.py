"""Variables that distort are named with what they do, and those that would place ranks are kept from them."""

from __future__ import annotations

import pytest

from harness.core.spoilers import SPOILERS, for_ranks, spoilers_in, told

CLEAN = {
    "PATH": "/usr/bin",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": "here",
    "PYTHONUNBUFFERED": "1",
    "PYTORCH_JIT": "1",
    "TORCHDYNAMO_DISABLE": "0",
    "CUDA_LAUNCH_BLOCKING": "0",
    "CUDA_VISIBLE_DEVICES": "0",
    "PYTHONDEVMODE": "",
    "OMP_PROC_BIND": "false",
}


def test_a_clean_environment_has_none() -> None:
    assert spoilers_in(CLEAN) == {}
    assert told(CLEAN) == []
    assert for_ranks(CLEAN) == CLEAN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTORCH_JIT", "0"),
        ("TORCHDYNAMO_DISABLE", "1"),
        ("TORCHDYNAMO_SUPPRESS_ERRORS", "1"),
        ("TORCH_COMPILE_DISABLE", "1"),
        ("CUDA_LAUNCH_BLOCKING", "1"),
        ("PYTHONTRACEMALLOC", "5"),
        ("PYTHONDEVMODE", "1"),
        ("PYTHONPROFILEIMPORTTIME", "1"),
        ("PYTHONMALLOC", "debug"),
        ("OMP_PROC_BIND", "true"),
        ("OMP_PLACES", "cores"),
        ("GOMP_CPU_AFFINITY", "0"),
        ("KMP_AFFINITY", "compact"),
        ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2"),
        ("MALLOC_ARENA_MAX", "1"),
    ],
)
def test_each_is_named_with_what_it_does(name: str, value: str) -> None:
    ((what, does),) = told({**CLEAN, name: value})
    assert what == f"{name}={value} is set"
    assert does


def test_what_binds_threads_is_kept_from_ranks_and_nothing_else() -> None:
    binding = {"OMP_PROC_BIND": "true", "OMP_PLACES": "{0}", "GOMP_CPU_AFFINITY": "0", "KMP_AFFINITY": "x"}
    others = {"PYTORCH_JIT": "0", "MALLOC_ARENA_MAX": "1", "PATH": "/usr/bin"}
    assert for_ranks({**binding, **others}) == others
    assert all("taken out" in does for _, does in told(binding))


def test_every_pattern_names_only_its_own() -> None:
    names = [name for spoiler in SPOILERS for name in spoiler.names]
    assert len(names) == len(set(names))
