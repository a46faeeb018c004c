"""The axes of a sweep: what a point is. Everything else in its row is what was found there.

In: nothing. Out: names. Must not know values, points or tables.
"""

from __future__ import annotations

# Counted; these sort as numbers and may be compared (an exclude rule may say `depth: ">=64"`).
SIZES = ("depth", "width", "batch")
COUNTS = (*SIZES, "devices")
MODEL, MODE = "model", "mode"
# Named; each value is a word.
AUTOGRAD, ENVIRONMENT = "autograd", "environment"
CELL_NAMES = ("controller", "workload", "dtype", AUTOGRAD)
NAMES = (*CELL_NAMES, ENVIRONMENT, MODE)

AXES = (MODEL, *COUNTS, *NAMES)
# Points that differ on no other axes than these are a cell: they are measured against each other.
WITHIN_CELL = (ENVIRONMENT, MODE)
CELL = tuple(axis for axis in AXES if axis not in WITHIN_CELL)
# Points that differ in mode only: a speed-up over eager is of one environment.
LADDER = (*CELL, ENVIRONMENT)
# What follows from a point's place besides: in its record, as the axes are.
NODES, SCALING, MODEL_ARGS = "nodes", "scaling", "model_args"
RECORDED = (*AXES, NODES, SCALING, MODEL_ARGS)
# Axes that came later, with the value of all that was measured before. A point at that value has the key that it had
# then, and a record that lacks the axis is read as having it.
DEFAULTS = {AUTOGRAD: "inference", ENVIRONMENT: "here"}
