"""Emulated kernels held against real ones.

In: tables and traces of real devices. Out: errors, figures. Must not know sweeps.
"""
