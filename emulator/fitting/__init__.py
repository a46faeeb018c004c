"""Constants of a profile from measured kernels: `python -m emulator fit` and `check`.

In: tables of durations. Out: a profile, errors. Must not know the harness; what it reads of traces comes as tables.
"""
