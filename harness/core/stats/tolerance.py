"""How far numbers may differ by rounding alone.

In: nothing. Out: constants. Must not know torch, nor what the numbers are of.
"""

from __future__ import annotations

# Largest difference of two ways to compute the same thing, relative to the largest value: rounding in another order of
# operations stays below, a wrong operation does not. About 1,000 units in the last place, more for the
# half precisions, whose sums over a layer already differ by some of them.
TOLERANCE = {"float64": 1e-12, "float32": 1e-4, "float16": 2e-2, "bfloat16": 8e-2}

# Numbers that are 0 but for rounding (of what a normalisation takes away again) differ from themselves by all of it:
# beside others that are larger, they are held to this share of them.
LEAST_SHARE = 1e-2
