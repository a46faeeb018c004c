"""The parts of a step in microseconds, each by a substitution, without a profiler.

In: a step. Out: a Ladder. Must not know points, cells or records.
"""
