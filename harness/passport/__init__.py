"""A machine's own costs: what Python, torch and a compiler take of the host for the smallest thing that each does.

In: a device. Out: a passport. Must not know sweeps, runs or the command line.
"""
