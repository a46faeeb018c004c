"""How long kernels and collectives take by a profile: one page of formulas (docs/kernel-times.md).

In: a profile, sizes. Out: microseconds. Must not know the harness or how constants are fitted. emulator/src holds the
same formulas in C++; a test compares both.
"""
