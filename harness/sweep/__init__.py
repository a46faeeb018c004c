"""The stages in their one order: plan, run directory, sessions, points, report.

In: a checked Config. Out: a complete run directory. Must not know torch, nor how any stage does its work.
"""
