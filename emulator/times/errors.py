"""How far modelled times are from measured ones, by class of kernel.

In: a modelled time. Out: its class. Must not know profiles, tables or files.
"""

from __future__ import annotations

import math

# Class -> modelled times below it, microseconds. Where launches are the question kernels are short, and there models
# are worst.
CLASSES = {
    **{"products_short": 15.0, "products_medium": 60.0, "products_long": math.inf},
    **{"others": math.inf, "collectives": math.inf},
}


def class_of_product(us: float) -> str:
    return next(name for name, below in CLASSES.items() if name.startswith("products") and us < below)
