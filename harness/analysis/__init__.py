"""From raw records to a table of points.

In: a run directory. Out: a Run. Must not know torch, nor how anything was launched.
"""
