"""A model of what a step costs: fitted on half of a run, held against the other half, asked about other devices.

In: a table of points. Out: costs and predictions with their error. Must not know torch, figures or the command line.
"""
