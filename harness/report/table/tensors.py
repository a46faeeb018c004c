"""Tensors that are alive within a step, in words.

In: MiB. Out: text. Must not know where it stands.
"""

from __future__ import annotations

from harness.report.table.formats import significant

PEAK = "tensor_peak_mib"
# Allocators round sizes up: a smaller ratio is no difference.
DIFFERENT = 1.1


def size_words(mebibytes: float) -> str:
    for size, unit in ((2**10, "GiB"), (1, "MiB"), (2**-10, "KiB")):
        if mebibytes >= size:
            return f"{significant(mebibytes / size)} {unit}"
    return f"{mebibytes * 2**20:.0f} bytes"
