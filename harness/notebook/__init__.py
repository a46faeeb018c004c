"""A run in a notebook: its points, findings and figures as objects that render.

In: a run directory. Out: a LoadedRun. Must not know torch, nor how anything was measured.
"""
