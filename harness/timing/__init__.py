"""The clock and its rules: what is timed, how long to warm up, when to stop.

In: something to call, and times. Out: blocks, bursts, reasons to stop. Must not know torch, modes, ranks or records.
"""
