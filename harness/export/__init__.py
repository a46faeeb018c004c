"""A compiled model with its parameters in a file, to be run without Python.

In: a model's options, a mode, a file name. Out: the file, and a reference to check it against. Must not know sweeps or
timing.
"""
