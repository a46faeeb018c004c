"""What models of one kind and several depths are called together.

In: a model's name and depth. Out: the name without the depth. Must not know tables or figures.
"""

from __future__ import annotations

import re


def family_of(model: str, depth: int) -> str:
    """The model's name without its depth: mlp-64x16 and mlp-64x8 lie on one curve, explicit widths do not, nor do other
    models."""
    return re.sub(rf"x{depth}(?=$|-)", "x*", model)
