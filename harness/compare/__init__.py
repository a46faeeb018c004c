"""Runs held against each other: which points changed, by how much, and whether that is shown.

In: run directories, or their points.csv. Out: ratios with intervals, verdicts. Must not know how anything is measured.
"""
