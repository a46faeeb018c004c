"""One cell, measured by all ranks of a session: preparation, then rounds, then a window for samplers.

In: a cell and the Bench it is measured on. Out: raw records. Must not know how ranks were started, nor other cells.
"""
