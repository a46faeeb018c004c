"""Figures of what a run uses: utilisation and its course over time, energy, memory.

In: a tidy table. Out: a Kind a module. Must not know pages, nor how a figure is saved.
"""
