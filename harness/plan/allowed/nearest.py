"""The word that was most likely meant.

In: a word, and those that are known. Out: one of them, or none. Must not know any key.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

# How else words are called.
SHORT = {
    **{"fp16": "float16", "half": "float16", "f16": "float16", "bf16": "bfloat16", "fp32": "float32"},
    **{"float": "float32", "single": "float32", "fp64": "float64", "double": "float64", "gpu": "cuda"},
    **{"jit": "script", "torchscript": "script", "inductor": "compile", "training": "train"},
    **{"ddp": "processes", "multiprocess": "processes"},
}


def nearest(word: str, known: Sequence[str]) -> str:
    """Empty where none is near. Capitals do not matter."""
    meant = SHORT.get(word.lower(), word.lower())
    return next(iter(difflib.get_close_matches(meant, known, n=1)), "")


def with_nearest(word: str, known: Sequence[str]) -> str:
    """All that are known, and which was most likely meant."""
    near = nearest(word, known)
    return ", ".join(known) + (f" (the nearest: {near})" if near else "")
