"""The axes of a sweep: what a point is. Everything else in its row is what was found there.

In: nothing. Out: names. Must not know values, points or tables.
"""

from __future__ import annotations

# Counted; these sort as numbers and may be compared (an exclude rule may say `depth: ">=64"`).
SIZES = ("depth", "width", "batch")
COUNTS = (*SIZES, "devices")
MODEL, MODE = "model", "mode"
# Named; each value is a word.
AUTOGRAD = "autograd"
CELL_NAMES = ("controller", "workload", "dtype", AUTOGRAD)
NAMES = (*CELL_NAMES, MODE)

AXES = (MODEL, *COUNTS, *NAMES)
# Points that differ on no other axis than the mode are a cell: they are measured against each other.
CELL = tuple(axis for axis in AXES if axis != MODE)
# What follows from a point's place besides: in its record, as the axes are.
NODES, SCALING, MODEL_ARGS = "nodes", "scaling", "model_args"
RECORDED = (*AXES, NODES, SCALING, MODEL_ARGS)
# Axes that came later, with the value of all that was measured before. A point at that value has the key that it had
# then, and a record that lacks the axis is read as having it.
DEFAULTS = {AUTOGRAD: "inference"}
