"""Checks of single values, each with the words in which it refuses.

In: a key as it is written on the command line, and its value. Out: nothing, or ConfigError. Must not know any key.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from harness.core.errors import ConfigError

# How else words are called.
SHORT = {
    **{"fp16": "float16", "half": "float16", "f16": "float16", "bf16": "bfloat16", "fp32": "float32"},
    **{"float": "float32", "single": "float32", "fp64": "float64", "double": "float64", "gpu": "cuda"},
    **{"jit": "script", "torchscript": "script", "inductor": "compile", "training": "train"},
    **{"ddp": "processes", "multiprocess": "processes"},
}


def some(key: str, values: Sequence[object], instead: str = "") -> None:
    """instead: what an empty list may be meant for."""
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one whole number{instead}")


def known_words(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one of {', '.join(known)}")
    for value in values:
        one_of(key, value, known)


def one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        near = nearest(str(value), known)
        raise ConfigError(key, value, ", ".join(known) + (f" (the nearest: {near})" if near else ""))


def nearest(value: str, known: Sequence[str]) -> str:
    """The word that was most likely meant; empty where none is near."""
    meant = SHORT.get(value.lower(), value)
    return next(iter(difflib.get_close_matches(meant, known, n=1)), "")
